//! What comes due by itself.

use jiff::Timestamp;

use super::Instance;

/// Something that comes due.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// The customer should have connected by now.
    Connect { chat: String },
    /// The chat has lasted as long as it may.
    Expire { chat: String },
    /// The flow starts.
    Flow { contact: String },
    /// The agent takes what rings, if it still does.
    Accept { contact: String, user_id: String, offer: u64 },
    /// After-contact work is over.
    Complete { contact: String },
}

impl Instance {
    /// Gives the key by which it can be called off.
    pub(super) fn schedule(&mut self, at: Timestamp, due: Due) -> (Timestamp, u64) {
        let key = (at, self.next_ordinal());
        self.timers.insert(key, due);
        key
    }

    /// When the next thing comes due.
    pub(in crate::sim) fn next_due(&self) -> Option<Timestamp> {
        self.timers.keys().next().map(|(at, _)| *at)
    }

    /// Does everything that has come due.
    pub(in crate::sim) fn tick(&mut self, now: Timestamp) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Due::Connect { chat } => {
                    if self.chats.get(&chat).is_some_and(|chat| !chat.connected && !chat.ended) {
                        self.end_chat(&chat, "CUSTOMER_CONNECTION_NOT_ESTABLISHED", None, now);
                    }
                }
                Due::Expire { chat } => self.end_chat(&chat, "EXPIRED", None, now),
                Due::Flow { contact } => self.run_flow(&contact, now),
                Due::Accept { contact, user_id, offer } => self.take_offer(&contact, &user_id, offer, now),
                Due::Complete { contact } => self.complete(&contact, now),
            }
        }
    }
}
