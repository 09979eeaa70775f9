//! The vendor's documented limits of the calls that commands make.
//!
//! Source: Azure Communication Services documentation, "Service limits". Participants have no documented rate.

use std::time::Duration;

use tandem_sdk::doors::{Limit, Quota};
use tandem_sdk::model::{Action, Command};
use tandem_sdk::secret::SecretRole;

/// What the call of this command counts against; an uncertain message is looked for in the list first. A list counts once
/// for each page; what is said here is its first.
///
/// A thread's messages are limited by whoever writes them, and what others write is known too late to be counted, if at
/// all: the hub keeps to its `share` of them.
pub(super) fn quotas(command: &Command, uncertain: bool, share: f64) -> Vec<Quota> {
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
            let of_all =
                [quota(format!("messages/{thread}/10s"), 10, 10), quota(format!("messages/{thread}/1m"), 30, 60)];
            let said = of_all.map(|quota| Quota { limit: quota.limit.times(share), ..quota });
            said.into_iter().chain(listed(user, thread).into_iter().filter(|_| uncertain)).collect()
        }
        Action::Recall { leg, .. } => listed(user, &leg.native).to_vec(),
        _ => Vec::new(),
    }
}

fn listed(user: &str, thread: &str) -> [Quota; 2] {
    [quota(format!("list/{user}/{thread}/10s"), 50, 10), quota(format!("list/{user}/{thread}/1m"), 200, 60)]
}

fn quota(bucket: String, calls: u32, seconds: u64) -> Quota {
    Quota { bucket, limit: Limit::Window { calls, per: Duration::from_secs(seconds) } }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use tandem_sdk::model::{CommandId, Content, ContentType, Lane, LegRef, Personal, Purpose, Speaker};

    use super::*;

    fn buckets(action: Action, uncertain: bool, share: f64) -> Vec<String> {
        let command = Command {
            id: CommandId(uuid::Uuid::nil()),
            lane: Lane(String::new()),
            instance: "chat".into(),
            purpose: Purpose(String::new()),
            action,
            uses: BTreeMap::from([(SecretRole::UserToken, "hub".to_owned())]),
            keeps: BTreeMap::new(),
            order: 1,
            owed_at: None,
            expires_at: Timestamp::UNIX_EPOCH,
        };
        let said = |quota: Quota| match quota.limit {
            Limit::Window { calls, per } => format!("{} {calls} in {}", quota.bucket, per.as_secs()),
            Limit::Bucket { .. } => quota.bucket,
        };
        quotas(&command, uncertain, share).into_iter().map(said).collect()
    }

    fn thread() -> LegRef {
        LegRef {
            system: "azure-communication".to_owned(),
            account: "contoso".to_owned(),
            kind: "thread".to_owned(),
            native: "19:a".to_owned(),
        }
    }

    fn say(leg: LegRef) -> Action {
        let content = Content { content_type: ContentType::Text, text: Personal::NONE, name: Personal::NONE };
        Action::Say { leg, speaker: Speaker::Hub, content }
    }

    #[test]
    fn every_call_counts_against_its_documented_limits() {
        let leg = thread();
        for (action, expected) in [
            (Action::Identify {}, &["identities 1000 in 30"][..]),
            (Action::IssueToken { address: Personal::NONE }, &["identities 1000 in 30"]),
            (
                Action::Open { topic: Personal::NONE, members: Vec::new() },
                &["threads/hub 10 in 10", "threads 3000 in 60"],
            ),
            (say(leg.clone()), &["messages/19:a/10s 10 in 10", "messages/19:a/1m 30 in 60"]),
            (
                Action::Recall { leg: leg.clone(), since: None },
                &["list/hub/19:a/10s 50 in 10", "list/hub/19:a/1m 200 in 60"],
            ),
            (Action::Leave { leg, address: Personal::NONE }, &[]),
        ] {
            assert_eq!(buckets(action, false, 1.0), expected);
        }
    }

    #[test]
    fn looking_for_a_message_counts_as_the_list_that_it_is() {
        let leg = thread();
        let listed = buckets(Action::Recall { leg: leg.clone(), since: None }, false, 0.5);
        let say = say(leg);
        let (sure, unsure) = (buckets(say.clone(), false, 0.5), buckets(say, true, 0.5));
        assert_eq!(unsure, [sure, listed].concat());
    }

    #[test]
    fn of_a_thread_s_messages_the_hub_takes_its_share() {
        let say = say(thread());
        for (share, expected) in [
            (1.0, ["messages/19:a/10s 10 in 10", "messages/19:a/1m 30 in 60"]),
            (0.5, ["messages/19:a/10s 5 in 10", "messages/19:a/1m 15 in 60"]),
            (0.1, ["messages/19:a/10s 1 in 10", "messages/19:a/1m 3 in 60"]),
        ] {
            assert_eq!(buckets(say.clone(), false, share), expected);
        }
    }
}
