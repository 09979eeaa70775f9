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
        Action::Describe { .. } => ("DescribeUser", 2.0, 5),
        _ => return Vec::new(),
    };
    vec![Quota { bucket: operation.to_owned(), limit: Limit::Bucket { rate, burst } }]
}
