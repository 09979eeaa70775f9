//! What a person may write under `[adapters.<instance>.settings]`, with every default.

use std::time::Duration;

use serde::Deserialize;
use tandem_sdk::secret::SecretRef;
use url::Url;

/// Settings of one Amazon Connect instance. Unknown keys are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The AWS region of the instance, for instance `eu-central-1`. Required.
    pub region: String,
    /// The id of the instance, a UUID; the last segment of its ARN. Required. The account in leg refs, in lower case:
    /// never change it, every leg id is derived from it.
    pub instance_id: String,
    /// A fixed access key, for simulators and for machines outside AWS. Absent: the default chain of the AWS SDK
    /// (environment, profile, web identity, container, instance metadata).
    pub credentials: Option<Credentials>,
    /// Other addresses than the region's own.
    pub endpoints: Endpoints,
    /// Contact events from an EventBridge API destination. Absent: this instance has no door `contacts`.
    pub eventbridge: Option<EventBridge>,
    /// Chat streaming from SNS over HTTPS. Absent: this instance has no door `chat`.
    pub sns: Option<Sns>,
    /// How chats are started.
    pub chat: Chat,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// A fixed access key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Credentials {
    /// Access key id.
    pub access_key_id: Option<SecretRef>,
    /// Secret access key.
    pub secret_access_key: Option<SecretRef>,
    /// Session token of temporary credentials. They are not renewed: the default chain is for that.
    pub session_token: Option<SecretRef>,
}

/// Other addresses than the region's own: a simulator, a VPC endpoint. Only scheme, host and port.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Endpoints {
    /// Instead of `https://connect.<region>.amazonaws.com`.
    pub connect: Option<Url>,
    /// Instead of `https://participant.connect.<region>.amazonaws.com`.
    pub participant: Option<Url>,
}

/// What the connection of the API destination adds to every request. EventBridge signs nothing, so this is the only
/// proof of its sender. Exactly one of the three.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventBridge {
    /// Authorization type API_KEY.
    pub api_key: Option<ApiKey>,
    /// Authorization type BASIC.
    pub basic: Option<Basic>,
    /// Authorization type OAUTH_CLIENT_CREDENTIALS with an authorization endpoint that hands out one of a fixed list of
    /// opaque tokens. Tokens are compared, not parsed: no JWT is validated here.
    pub bearer: Option<Bearer>,
}

/// One header with a secret value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKey {
    /// The header (`ApiKeyName` of the connection), for instance `x-api-key`.
    pub header: String,
    /// One value, or two while the key is being changed. At most 512 characters each, as at EventBridge.
    pub secrets: Vec<SecretRef>,
}

/// User and password.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Basic {
    /// The user.
    pub username: String,
    /// One password, or two while it is being changed.
    pub passwords: Vec<SecretRef>,
}

/// Opaque bearer tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bearer {
    /// One token, or two while it is being changed.
    pub tokens: Vec<SecretRef>,
}

/// Which SNS messages are believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sns {
    /// ARNs of the standard topics that may speak to the door `chat`. A topic's region and partition decide which one
    /// host its certificate may come from (`sns.<region>.amazonaws.com`, in China `….com.cn`).
    pub topics: Vec<String>,
    /// Signature versions that are accepted. Default `["2"]` (SHA-256): set the topic's attribute `SignatureVersion`
    /// to 2. `["1"]` (SHA-1) is what a topic does that nobody touched. What is not listed is refused as a downgrade.
    pub signature_versions: Vec<String>,
    /// A message older than this is refused; five minutes of clock difference are granted on top. Default one hour:
    /// SNS gives up after 3 600 seconds. At most seven days, less than the hub remembers what it has seen.
    #[serde(deserialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required::deserialize")]
    pub freshness: Duration,
    /// Believes a certificate whose chain to a known authority cannot be shown. Default false. The authorities are
    /// those of the machine and of the deployment's `trust`; missing links are fetched from Amazon Trust Services.
    pub accept_unchained: bool,
}

impl Default for Sns {
    fn default() -> Self {
        Sns {
            topics: Vec::new(),
            signature_versions: vec!["2".to_owned()],
            freshness: Duration::from_secs(60 * 60),
            accept_unchained: false,
        }
    }
}

/// How chats are started and read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// ARN of the topic that Connect streams chats to; one of `sns.topics`, in the region of the instance. Absent: the
    /// only topic of `sns.topics`.
    pub streaming_topic: Option<String>,
    /// How long a chat may last: one hour to seven days, whole minutes. Absent: what the instance does (25 hours).
    #[serde(deserialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional::deserialize")]
    pub duration: Option<Duration>,
    /// What the customer's side can show; `text/plain` must be among them. Default: plain text, Markdown and
    /// interactive messages, since all of them can be rendered down.
    pub content_types: Vec<String>,
    /// Pages of 100 items that one look at a transcript may take, 1 to 500. Default 50. The newest are read first.
    pub transcript_pages: u32,
}

impl Default for Chat {
    fn default() -> Self {
        Chat {
            streaming_topic: None,
            duration: None,
            content_types: vec![
                "text/plain".to_owned(),
                "text/markdown".to_owned(),
                "application/vnd.amazonaws.connect.message.interactive".to_owned(),
            ],
            transcript_pages: 50,
        }
    }
}

/// How long things may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Until a connection stands. Default 2 seconds.
    #[serde(deserialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required::deserialize")]
    pub connect: Duration,
    /// One call, answer included. Default 8 seconds.
    #[serde(deserialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required::deserialize")]
    pub call: Duration,
    /// The pause asked for when the instance is full (active chats, open contacts), as against too many calls.
    /// Default 30 seconds.
    #[serde(deserialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required::deserialize")]
    pub quota_pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { connect: Duration::from_secs(2), call: Duration::from_secs(8), quota_pause: Duration::from_secs(30) }
    }
}
