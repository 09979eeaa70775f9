//! What a person may write under `[adapters.<instance>.settings]`, with every default.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tandem_sdk::model::IdentityKind;
use tandem_sdk::secret::SecretRef;

use super::Size;

/// Settings of one CDP. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address of the profiles. `{value}` in its path stands for the identity. Required; https, or http on loopback.
    pub url: String,
    /// How to ask: `GET` (default) puts the identity into the query, `POST` into a JSON object.
    pub method: Method,
    /// Headers that every profile request carries, for instance a tenant. Not for secrets.
    pub headers: BTreeMap<String, String>,
    /// The identities to ask with, the best first. Required.
    pub identities: Vec<IdentityRow>,
    /// Whether to go on with the next identity when the best one is not known. Default `best`.
    pub ask: Asking,
    /// Longest time for one lookup, tokens and repeats included. Default `"5s"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub timeout: Duration,
    /// Largest answer. Default `"256KiB"`.
    pub max_response: Size,
    /// What stands where in an answer.
    pub response: Response,
    /// The authorization server. Absent: requests carry no token.
    pub oauth: Option<OAuth>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            url: String::new(),
            method: Method::Get,
            headers: BTreeMap::new(),
            identities: Vec::new(),
            ask: Asking::Best,
            timeout: Duration::from_secs(5),
            max_response: Size(256 << 10),
            response: Response::default(),
            oauth: None,
        }
    }
}

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The identity stands in the address.
    Get,
    /// The identity stands in a JSON object.
    Post,
}

/// How many of the identities to ask with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asking {
    /// The best one that there is.
    Best,
    /// One after the other, until one is known.
    Each,
}

/// One kind of identity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityRow {
    /// `customer`, `phone`, `email` or `communication_user`. Required.
    pub kind: Option<IdentityKind>,
    /// Name of the query parameter, or of the field in the JSON object. Absent: the value stands in the path alone.
    pub parameter: Option<String>,
    /// Another address for this kind. Absent: the one of the settings.
    pub url: Option<String>,
}

/// What stands where in an answer: JSON pointers (RFC 6901).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Response {
    /// Where the profile object stands, for instance `/results/0`. Default: the whole answer. Nothing there: not known.
    pub profile: String,
    /// Inside the profile: the CDP's own key, a text or a number.
    pub id: Option<String>,
    /// Inside the profile: the parts of the display name. Those that are there are joined with a space.
    pub name: Vec<String>,
}

/// An authorization server that grants client credentials (RFC 6749, section 4.4).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OAuth {
    /// Token endpoint. Required; https, or http on loopback.
    pub token_url: String,
    /// Client id. Required.
    pub client_id: String,
    /// Client secret. Required.
    pub client_secret: Option<SecretRef>,
    /// How the client says who it is: `basic` (client_secret_basic, the default) or `body` (client_secret_post).
    pub client_auth: ClientAuth,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// Other parameters of the token request, for instance `audience`. Not for secrets.
    pub parameters: BTreeMap<String, String>,
    /// How long before its end a token is renewed. Default `"30s"`; at most half of a token's life is given away.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub renew_early: Duration,
    /// How long a token is used whose end the server does not tell. Default `"5m"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub lifetime: Duration,
}

impl Default for OAuth {
    fn default() -> Self {
        OAuth {
            token_url: String::new(),
            client_id: String::new(),
            client_secret: None,
            client_auth: ClientAuth::Basic,
            scopes: Vec::new(),
            parameters: BTreeMap::new(),
            renew_early: Duration::from_secs(30),
            lifetime: Duration::from_secs(300),
        }
    }
}

/// How a client says who it is (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic.
    Basic,
    /// In the body of the token request.
    Body,
}
