//! Can the resource be reached, does it take our key, does it know the hub: one token for the hub identity tells all.

use std::time::Duration;

use jiff::Timestamp;
use tandem_sdk::doors::{Answer, Finding, Probe};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::Personal;

use crate::carry::issue_token;
use crate::client::Client;

/// Asks one ACS resource for a token of the hub's identity. The token is thrown away.
pub(crate) struct ResourceProbe {
    pub(crate) client: Client,
    pub(crate) identity_version: String,
    pub(crate) hub_address: String,
}

impl ResourceProbe {
    async fn look(&self) -> Result<(), AdapterError> {
        let hub = Personal::new(self.hub_address.as_str());
        let hour = Duration::from_secs(3600);
        issue_token(&self.client, &self.identity_version, &hub, hour, Timestamp::now()).await.map(|_| ())
    }

    /// One line for each of the three, as far as they could be looked at.
    fn findings(&self, looked: Result<(), AdapterError>) -> Vec<Finding> {
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
        Box::pin(async move { self.findings(self.look().await) })
    }
}

fn good(line: String) -> Finding {
    Finding { ok: true, line }
}

fn bad(line: String) -> Finding {
    Finding { ok: false, line }
}
