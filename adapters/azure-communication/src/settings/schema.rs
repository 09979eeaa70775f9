//! What a person may write under `[adapters.<instance>.settings]`, with every default.

use std::time::Duration;

use serde::Deserialize;
use tandem_sdk::secret::SecretRef;

use super::Size;

/// Settings of one ACS resource. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The connection string of the resource, `endpoint=https://…;accesskey=…`. Either this, or `endpoint` and
    /// `access_key`.
    pub connection: Option<SecretRef>,
    /// The endpoint of the resource, for instance `https://contoso.communication.azure.com`.
    pub endpoint: Option<String>,
    /// One of the two access keys, base64 as the portal shows it.
    pub access_key: Option<SecretRef>,
    /// The name of the resource; the account in leg refs. Absent: the first label of an endpoint under
    /// `communication.azure.com` (or `.us`). Never change it: every leg id is derived from it.
    pub resource: Option<String>,
    /// Raw id of the hub's own long-lived identity, `8:acs:…`. It is a participant of every thread that the hub serves.
    pub hub_address: Option<String>,
    /// Webhooks from Event Grid. Absent: this instance takes none.
    pub event_grid: Option<EventGrid>,
    /// `api-version` of the identity calls. Default `2023-10-01`.
    pub identity_version: String,
    /// `api-version` of the chat calls. Default `2024-03-07`.
    pub chat_version: String,
    /// How long issued user tokens live: one hour to 24 hours, the vendor's bounds. Default 24 hours.
    #[serde(deserialize_with = "super::period::deserialize")]
    pub token_lifetime: Duration,
    /// How long one request may take, answer included. Default 10 seconds.
    #[serde(deserialize_with = "super::period::deserialize")]
    pub request_timeout: Duration,
    /// Largest answer that is read. Default 16 MiB: a page of 200 messages of 28 KB is 5.6 MB before escaping.
    pub answer_cap: Size,
    /// Messages or participants a page, 1 to 200. Default 200, because every page counts against the quota.
    pub page_size: u32,
    /// Pages that one list may take, at least 1. Default 10.
    pub max_pages: u32,
    /// Which share of the messages that a thread may take the hub writes at most, 0.1 to 1. Default 0.5, which is 5 in 10
    /// seconds and 15 in a minute: as many are left to whoever types.
    pub messages_own_share: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            connection: None,
            endpoint: None,
            access_key: None,
            resource: None,
            hub_address: None,
            event_grid: None,
            identity_version: "2023-10-01".to_owned(),
            chat_version: "2024-03-07".to_owned(),
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            request_timeout: Duration::from_secs(10),
            answer_cap: Size(16 << 20),
            page_size: 200,
            max_pages: 10,
            messages_own_share: 0.5,
        }
    }
}

/// How Event Grid delivers to us and how we know that it is Event Grid. Of `query`, `headers` and `entra` at least one
/// must be there; all that are there must be satisfied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventGrid {
    /// Topics that may subscribe our URL and whose events are taken: the ARM path of the ACS resource. Compared without
    /// regard to case. Configure it: with `subscriptions` alone, events of any resource are taken as this one's.
    pub topics: Vec<String>,
    /// Names of event subscriptions that may subscribe our URL. Compared without regard to case. One of `topics` and
    /// `subscriptions` must not be empty; a handshake must satisfy both where both are there.
    pub subscriptions: Vec<String>,
    /// Origins that the CloudEvents handshake is granted to. Default `eventgrid.azure.net`.
    pub origins: Vec<String>,
    /// A secret in the query string of the URL.
    pub query: Option<QuerySecret>,
    /// Static custom delivery headers, at most 10 as at the vendor.
    pub headers: Vec<HeaderSecret>,
    /// A bearer token that Entra issued to Event Grid.
    pub entra: Option<Entra>,
    /// Largest request body. Default 8 MiB, never below 1 MiB: an event and a batch are each at most 1 MB as Event Grid
    /// counts them (only a single larger event exceeds the preferred batch size), and text that is escaped as `\uXXXX`
    /// on its way grows up to sixfold.
    pub body_cap: Size,
    /// Most events that one request is split into; a longer one is kept whole. Default 5000, the vendor's maximum.
    pub max_events: usize,
}

impl Default for EventGrid {
    fn default() -> Self {
        EventGrid {
            topics: Vec::new(),
            subscriptions: Vec::new(),
            origins: vec!["eventgrid.azure.net".to_owned()],
            query: None,
            headers: Vec::new(),
            entra: None,
            body_cap: Size(8 << 20),
            max_events: 5000,
        }
    }
}

/// A secret in the query string: `https://hub/hooks/chat/events?code=…`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuerySecret {
    /// Name of the parameter. Default `code`.
    pub name: String,
    /// The value; a second one while rotating.
    pub secrets: Vec<SecretRef>,
}

impl Default for QuerySecret {
    fn default() -> Self {
        QuerySecret { name: "code".to_owned(), secrets: Vec::new() }
    }
}

/// A static custom delivery header.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderSecret {
    /// Name of the header. The vendor reserves `aeg-…`.
    pub name: String,
    /// The value; a second one while rotating.
    pub secrets: Vec<SecretRef>,
}

/// A bearer token that Entra issued to Event Grid for our application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entra {
    /// Tenant id, a GUID.
    pub tenant: Option<String>,
    /// Accepted `aud`: the application id or application id URI that the event subscription names.
    pub audiences: Vec<String>,
    /// Accepted `iss`. Empty: the tenant's v1 and v2 issuers of the public cloud.
    pub issuers: Vec<String>,
    /// The caller, `appid` (v1) or `azp` (v2). Default: Event Grid's first-party application in the public cloud,
    /// `4962773b-9cdb-44cf-a8bf-237846a00ab7` (US Government: `54316b56-3481-47f9-8f30-0300f5542a7b`).
    pub app_id: String,
    /// The application role that the token must carry. Default `AzureEventGridSecureWebhookSubscriber`; empty: none.
    pub role: String,
    /// Where the signing keys are. Default: the tenant's v2 key document of the public cloud.
    pub jwks_url: Option<String>,
    /// How far the sender's clock may be off. Default 5 minutes, at most one hour.
    #[serde(deserialize_with = "super::period::deserialize")]
    pub leeway: Duration,
}

impl Default for Entra {
    fn default() -> Self {
        Entra {
            tenant: None,
            audiences: Vec::new(),
            issuers: Vec::new(),
            app_id: "4962773b-9cdb-44cf-a8bf-237846a00ab7".to_owned(),
            role: "AzureEventGridSecureWebhookSubscriber".to_owned(),
            jwks_url: None,
            leeway: Duration::from_secs(300),
        }
    }
}
