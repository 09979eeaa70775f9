//! The vendor's documented limits of the calls that commands make.
//!
//! Source: Azure Communication Services documentation, "Service limits". Participants have no documented rate.

use std::time::Duration;

use tandem_sdk::doors::{Limit, Quota};
use tandem_sdk::model::{Action, Command};
use tandem_sdk::secret::SecretRole;

/// What the call of this command counts against. A list counts once for each page; what is said here is its first.
pub(super) fn quotas(command: &Command) -> Vec<Quota> {
    // Limits per user go by the name that the user's token is kept under: a plain word, not the address.
    let user = command.uses.get(&SecretRole::UserToken).map_or("nobody", String::as_str);
    match &command.action {
        // Creating an identity and issuing a token share one limit of the resource.
        Action::Identify {} | Action::IssueToken { .. } => vec![quota("identities".to_owned(), 1000, 30)],
        Action::Open { .. } => {
            vec![quota(format!("threads/{user}"), 10, 10), quota("threads".to_owned(), 3000, 60)]
        }
        Action::Say { leg, .. } => {
            let thread = &leg.native;
            vec![quota(format!("messages/{thread}/10s"), 10, 10), quota(format!("messages/{thread}/1m"), 30, 60)]
        }
        Action::Recall { leg, .. } => {
            let thread = &leg.native;
            vec![quota(format!("list/{user}/{thread}/10s"), 50, 10), quota(format!("list/{user}/{thread}/1m"), 200, 60)]
        }
        _ => Vec::new(),
    }
}

fn quota(bucket: String, calls: u32, seconds: u64) -> Quota {
    Quota { bucket, limit: Limit::Window { calls, per: Duration::from_secs(seconds) } }
}
