//! The envelope that EventBridge puts around a detail.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sim::instance::Facts;

/// An event as it arrives: `time` has whole seconds, `resources` are the instance and the contact.
pub(super) fn envelope(facts: &Facts, id: &str, contact_id: &str, at: Timestamp, detail: &Value) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Amazon Connect Contact Event",
        "source": "aws.connect",
        "account": facts.account,
        "time": format!("{at:.0}"),
        "region": facts.region,
        "resources": [facts.instance_arn, format!("{}/contact/{contact_id}", facts.instance_arn)],
        "detail": detail,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn an_envelope_has_whole_seconds_and_names_instance_and_contact() {
        let facts = Facts {
            region: "eu-central-1".to_owned(),
            account: "111122223333".to_owned(),
            instance_id: "i".to_owned(),
            instance_arn: "arn:aws:connect:eu-central-1:111122223333:instance/i".to_owned(),
        };
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let envelope = envelope(&facts, "e", "c", at, &json!({"eventType": "INITIATED"}));
        assert_eq!(envelope["time"], "2026-01-02T03:04:05Z");
        assert_eq!(envelope["resources"][1], "arn:aws:connect:eu-central-1:111122223333:instance/i/contact/c");
        assert_eq!(envelope["detail-type"], "Amazon Connect Contact Event");
    }
}
