//! Event Grid's events of conversations, numbered, so that any of them can be written at any time.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::hub::HUB;

/// Conversations that are open at once.
const OPEN: u64 = 2_000;
/// Events of a conversation: messages, and its end.
const EVENTS: u64 = 25;
/// A message of ordinary length.
const WORDS: &str = "I ordered the green one two weeks ago and what came this morning is blue and one of its corners is \
broken, so I would like to send it back or get another one, whichever is quicker. The order number is on the slip.";

/// Who writes.
#[derive(Clone, Copy, PartialEq)]
enum Writers {
    /// The customer opens it, one conversation an event.
    Openings,
    /// The customer alone: every event has to be relayed.
    Customer,
    /// The customer and, in turn, the hub for the agent: what it wrote is reported to it like everything in the thread.
    Both,
}

/// Which events come, in order.
#[derive(Clone)]
pub(crate) struct Script {
    /// Keeps the threads of one script apart from those of another.
    name: u64,
    writers: Writers,
    /// The number of the next event.
    pub(crate) next: Arc<AtomicU64>,
}

impl Script {
    /// Conversations of many events, many at once; at any time a few begin and a few end.
    pub(crate) fn conversations(name: u64) -> Self {
        Script { name, writers: Writers::Customer, next: Arc::new(AtomicU64::new(1_000_000_000)) }
    }

    /// Conversations in which somebody answers.
    pub(crate) fn answered(name: u64) -> Self {
        Script { writers: Writers::Both, ..Script::conversations(name) }
    }

    /// Every event opens a conversation.
    pub(crate) fn openings(name: u64) -> Self {
        Script { name, writers: Writers::Openings, next: Arc::new(AtomicU64::new(0)) }
    }

    /// The next requests of `size` events each, in order. The numbers are taken from `next`.
    pub(crate) fn requests(&self, next: &AtomicU64, requests: u64, size: u64) -> Vec<Bytes> {
        let first = next.fetch_add(requests * size, Ordering::Relaxed);
        let now = jiff::Timestamp::now();
        let request = |request: u64| {
            let mut body = String::with_capacity(usize::try_from(size * 1_300).unwrap());
            for event in 0..size {
                body.push(if event == 0 { '[' } else { ',' });
                self.event(&mut body, first + request * size + event, now);
            }
            body.push(']');
            Bytes::from(body)
        };
        (0..requests).map(request).collect()
    }

    fn event(&self, body: &mut String, number: u64, now: jiff::Timestamp) {
        let (round, slot) = (number / OPEN, number % OPEN);
        // Every conversation is somewhere else in its course.
        let place = round + slot % EVENTS;
        let (thread, ends) = match self.writers {
            Writers::Openings => (number, false),
            _ => (place / EVENTS * OPEN + slot, place % EVENTS == EVENTS - 1),
        };
        let is_answer = self.writers == Writers::Both && place % EVENTS % 2 == 1;
        let (name, topic) = (
            self.name,
            "/subscriptions/6f1c3a52-6d0e-4d3f-9a51-d1b0b7a3a001/resourceGroups/contact-centre/\
            providers/Microsoft.Communication/communicationServices/bench",
        );
        let user = format!("8:acs:1a7de350-0000-4000-8000-0000000000ac_{name:08x}-{thread:016x}");
        let thread = format!("19:bench-{name}-{thread:020}@thread.v2");
        let id = format!("{name:08x}-0000-4000-8000-{number:012x}");
        if ends {
            write!(
                body,
                r#"{{"id":"{id}","topic":"{topic}","subject":"thread/{thread}/deletedBy/{user}","data":{{"deletedByCommunicationIdentifier":{{"rawId":"{user}","kind":"communicationUser","communicationUser":{{"id":"{user}"}}}},"deleteTime":"{now}","createTime":"{now}","version":{number},"threadId":"{thread}","transactionId":"t.{number}"}},"eventType":"Microsoft.Communication.ChatThreadDeleted","dataVersion":"1.0","metadataVersion":"1","eventTime":"{now}"}}"#
            )
        } else if is_answer {
            write!(
                body,
                r#"{{"id":"{id}","topic":"{topic}","subject":"thread/{thread}/sender/{HUB}","data":{{"messageBody":"{WORDS}","messageId":"{number}","metadata":{{"tandem":"{id}"}},"senderId":"{HUB}","senderCommunicationIdentifier":{{"rawId":"{HUB}","kind":"communicationUser","communicationUser":{{"id":"{HUB}"}}}},"senderDisplayName":"Alex","composeTime":"{now}","type":"Text","version":"{number}","transactionId":"t.{number}","threadId":"{thread}"}},"eventType":"Microsoft.Communication.ChatMessageReceivedInThread","dataVersion":"1.0","metadataVersion":"1","eventTime":"{now}"}}"#
            )
        } else {
            write!(
                body,
                r#"{{"id":"{id}","topic":"{topic}","subject":"thread/{thread}/sender/{user}","data":{{"messageBody":"{WORDS} #{number}#","messageId":"{number}","metadata":{{"page":"https://shop.example/orders/4711","browser":"Firefox on Linux"}},"senderId":"{user}","senderCommunicationIdentifier":{{"rawId":"{user}","kind":"communicationUser","communicationUser":{{"id":"{user}"}}}},"senderDisplayName":"Jane Doe","composeTime":"{now}","type":"Text","version":"{number}","transactionId":"t.{number}","threadId":"{thread}"}},"eventType":"Microsoft.Communication.ChatMessageReceivedInThread","dataVersion":"1.0","metadataVersion":"1","eventTime":"{now}"}}"#
            )
        }
        .unwrap();
    }
}

/// The number that stands in a message.
pub(crate) fn number_in(text: &str) -> Option<u64> {
    text.rsplit('#').nth(1)?.parse().ok()
}
