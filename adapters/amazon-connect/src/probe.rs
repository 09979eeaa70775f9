//! Says whether Connect can be reached and what is missing there.

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_connect::types::QueueType;
use tandem_sdk::doors::{Answer, Finding, Probe};
use tandem_sdk::error::ErrorKind;

use crate::carry::{Clouds, explain};

/// The door of one instance.
pub(crate) struct Connection {
    pub(crate) clouds: Clouds,
}

impl Probe for Connection {
    fn probe(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async move {
            let mut findings = vec![self.credentials().await];
            // Without credentials every other answer would be the same complaint again.
            if findings.iter().all(|finding| finding.ok) {
                findings.push(self.instance().await);
            }
            findings.push(self.topic());
            findings
        })
    }
}

fn good(line: impl Into<String>) -> Finding {
    Finding { ok: true, line: line.into() }
}

fn bad(line: impl Into<String>) -> Finding {
    Finding { ok: false, line: line.into() }
}

impl Connection {
    async fn credentials(&self) -> Finding {
        match self.clouds.credentials.provide_credentials().await {
            Ok(_) => good("credentials: found"),
            Err(_) => bad(
                "credentials: none found; set `credentials`, or give this machine a role or a profile that may call \
                 connect:StartChatContact, StartContactStreaming, StopContact, DescribeContact, \
                 ListAssociatedContacts, DescribeUser, ListQueues",
            ),
        }
    }

    async fn instance(&self) -> Finding {
        let terms = &self.clouds.terms;
        let place = format!("instance {} in {}", terms.instance_id, terms.region);
        let answer = self
            .clouds
            .connect
            .list_queues()
            .instance_id(&terms.instance_id)
            .queue_types(QueueType::Standard)
            .max_results(1)
            .send()
            .await;
        let error = match answer {
            Ok(_) => return good(format!("{place}: reached, its queues can be listed")),
            Err(error) => explain("ListQueues", &error, terms.quota_pause),
        };
        bad(match error.kind {
            ErrorKind::NotFound => format!("{place}: not found; instance_id and region belong together"),
            ErrorKind::Unverified => {
                format!("{place}: refused ({}); the role needs connect:ListQueues on the instance", error.detail)
            }
            ErrorKind::RateLimited => format!("{place}: too many calls just now ({}); ask again", error.detail),
            _ => format!("{place}: {}; the endpoint must be reachable from here over TLS", error.detail),
        })
    }

    fn topic(&self) -> Finding {
        match &self.clouds.terms.streaming_topic {
            Some(topic) => good(format!("chat streaming: to {topic}")),
            None => bad(
                "chat streaming: no topic; set chat.streaming_topic to a standard topic in the region of the instance \
                 whose policy lets connect.amazonaws.com publish",
            ),
        }
    }
}
