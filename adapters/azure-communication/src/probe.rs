//! Can the resource be reached, does it take our key, does it know the hub: one token for the hub identity tells all.
//! And in which conversations is the hub? Where it is no participant it can hear, but not answer.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tandem_sdk::doors::{Answer, Finding, Probe};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::Personal;
use tandem_sdk::secret::Secret;

use crate::carry::issue_token;
use crate::client::{Call, Client, Credential};

/// Asks one ACS resource for a token of the hub's identity. The token is thrown away.
pub(crate) struct ResourceProbe {
    pub(crate) client: Client,
    pub(crate) identity_version: String,
    pub(crate) chat_version: String,
    pub(crate) hub_address: String,
    /// Webhooks are taken, and nobody said of which topics.
    pub(crate) takes_any_topic: bool,
}

/// The first page of the conversations that a user is in.
#[derive(Deserialize)]
struct Threads {
    value: Vec<IgnoredAny>,
    #[serde(default, rename = "nextLink")]
    next_link: Option<IgnoredAny>,
}

impl ResourceProbe {
    /// A token of the hub identity.
    async fn look(&self) -> Result<Secret, AdapterError> {
        let hub = Personal::new(self.hub_address.as_str());
        let hour = Duration::from_secs(3600);
        let issued = issue_token(&self.client, &self.identity_version, &hub, hour, Timestamp::now()).await?;
        let token = issued.secrets.into_iter().map(|(_, token)| token).next();
        token.ok_or_else(|| AdapterError::new(ErrorKind::Unexpected, "IssueAccessToken", "no token"))
    }

    /// In which conversations the hub is, and what it means to be in none.
    async fn participation(&self, token: &Secret) -> Finding {
        let target = format!("/chat/threads?api-version={}", self.chat_version);
        let call = Call::get("ListChatThreads", target, Credential::User(token), Timestamp::now());
        let absent = format!(
            "where {} is no participant the hub hears but cannot answer, and the interaction says hub_absent; right is to open chats with POST /v1/chats, or a backend that adds this identity to every thread",
            self.hub_address
        );
        match self.client.ask::<Threads>(call).await {
            Ok(Threads { value, next_link }) => {
                let more = if next_link.is_some() { "at least " } else { "" };
                good(format!("the hub is a participant of {more}{} conversations; {absent}", value.len()))
            }
            Err(error) => bad(format!("the hub's conversations cannot be listed ({}); {absent}", error.detail)),
        }
    }

    /// One line for each of the three, as far as they could be looked at.
    fn findings(&self, looked: Result<&Secret, &AdapterError>) -> Vec<Finding> {
        let endpoint = self.client.endpoint.as_str();
        let reached = good(format!("{endpoint} answers"));
        let signed = good(format!("{endpoint} accepts the access key"));
        let Err(error) = looked else {
            return vec![reached, signed, good(format!("the hub identity {} gets chat tokens", self.hub_address))];
        };
        let detail = &error.detail;
        match error.kind {
            ErrorKind::Unavailable => vec![bad(format!(
                "{endpoint} cannot be reached ({detail}); right is the endpoint of the portal's page Keys, reachable on 443"
            ))],
            ErrorKind::Misconfigured => vec![
                reached,
                bad(format!(
                    "{endpoint} does not accept the access key ({detail}); right is one of the two keys of this resource, and a clock that is right"
                )),
            ],
            ErrorKind::NotFound | ErrorKind::Malformed | ErrorKind::Refused => vec![
                reached,
                signed,
                bad(format!(
                    "the hub identity {} gets no token ({detail}); right is an identity made once with POST /identities of this resource",
                    self.hub_address
                )),
            ],
            _ => vec![reached, bad(format!("{endpoint} gives no token for the hub identity ({detail}); try again"))],
        }
    }
}

impl Probe for ResourceProbe {
    fn probe(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async move {
            let looked = self.look().await;
            let mut findings = self.findings(looked.as_ref());
            if let Ok(token) = &looked {
                findings.push(self.participation(token).await);
            }
            if self.takes_any_topic {
                findings.push(good(
                    "event_grid.topics is empty, so events of any resource are taken from whoever knows the secret; right is the ARM path of this resource (az communication show --query id)"
                        .to_owned(),
                ));
            }
            findings
        })
    }
}

fn good(line: String) -> Finding {
    Finding { ok: true, line }
}

fn bad(line: String) -> Finding {
    Finding { ok: false, line }
}
