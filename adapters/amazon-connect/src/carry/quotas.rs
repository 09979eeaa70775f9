//! The documented rates of Connect. Per account, region and operation for the Connect API, shared by all instances and
//! by whatever else uses the account; per instance for the participant service.
//! Source: Amazon Connect administrator guide, "Amazon Connect service quotas", API throttling.

use tandem_sdk::doors::{Limit, Quota};
use tandem_sdk::model::{Action, Command};
use tandem_sdk::secret::SecretRole;

/// The operation that a command calls, with its rate a second and its burst.
pub(super) fn of(command: &Command) -> Vec<Quota> {
    let (operation, rate, burst) = match &command.action {
        Action::Place { .. } => ("StartChatContact", 5.0, 8),
        Action::Listen { .. } => ("StartContactStreaming", 5.0, 8),
        Action::Enter { .. } => ("CreateParticipantConnection", 6.0, 9),
        Action::Say { .. } => ("SendMessage", 10.0, 15),
        Action::End { .. } if command.uses.contains_key(&SecretRole::ConnectionToken) => {
            ("DisconnectParticipant", 3.0, 5)
        }
        Action::End { .. } => ("StopContact", 10.0, 15),
        Action::Inquire { .. } => ("DescribeContact", 10.0, 15),
        Action::Recall { .. } => ("GetTranscript", 8.0, 12),
        // Not listed, so the default of everything that is not listed.
        Action::Trace { .. } => ("ListAssociatedContacts", 2.0, 5),
        Action::Describe { .. } => ("DescribeUser", 2.0, 5),
        _ => return Vec::new(),
    };
    vec![Quota { bucket: operation.to_owned(), limit: Limit::Bucket { rate, burst } }]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use tandem_sdk::model::{CommandId, Lane, LegRef, Purpose};
    use uuid::Uuid;

    use super::*;

    fn buckets(action: Action, token: bool) -> Vec<(String, Limit)> {
        let uses = token.then(|| (SecretRole::ConnectionToken, "name".to_owned()));
        let command = Command {
            id: CommandId(Uuid::nil()),
            lane: Lane(String::new()),
            instance: "connect".into(),
            purpose: Purpose(String::new()),
            action,
            uses: uses.into_iter().collect(),
            keeps: BTreeMap::new(),
            order: 0,
            owed_at: None,
            expires_at: Timestamp::MAX,
        };
        of(&command).into_iter().map(|quota| (quota.bucket, quota.limit)).collect()
    }

    #[test]
    fn each_command_counts_against_its_own_operation() {
        let leg = LegRef {
            system: crate::SYSTEM.to_owned(),
            account: "i".to_owned(),
            kind: crate::CONTACT.to_owned(),
            native: "c".to_owned(),
        };
        let bucket = |name: &str, rate, burst| vec![(name.to_owned(), Limit::Bucket { rate, burst })];
        let end = Action::End { leg: leg.clone() };
        assert_eq!(buckets(Action::Listen { leg: leg.clone() }, false), bucket("StartContactStreaming", 5.0, 8));
        assert_eq!(buckets(Action::Enter { leg: leg.clone() }, false), bucket("CreateParticipantConnection", 6.0, 9));
        assert_eq!(buckets(Action::Inquire { leg: leg.clone() }, false), bucket("DescribeContact", 10.0, 15));
        assert_eq!(buckets(Action::Trace { leg: leg.clone() }, false), bucket("ListAssociatedContacts", 2.0, 5));
        assert_eq!(buckets(Action::Recall { leg, since: None }, true), bucket("GetTranscript", 8.0, 12));
        assert_eq!(buckets(end.clone(), true), bucket("DisconnectParticipant", 3.0, 5));
        assert_eq!(buckets(end, false), bucket("StopContact", 10.0, 15));
        assert_eq!(buckets(Action::Describe { agent: "a".to_owned() }, false), bucket("DescribeUser", 2.0, 5));
        assert_eq!(buckets(Action::Confirm { topic: "t".to_owned() }, false), []);
    }
}
