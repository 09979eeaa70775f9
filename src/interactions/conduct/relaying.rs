//! What one side says reaches the other: in order, once, in a form that it can carry.

use jiff::Timestamp;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Content, ContentType, EventKind, LegRef, Personal, Relay, Role, Speaker};
use tandem_sdk::secret::SecretRole;

use super::ending::IDLE;
use super::opening::or_else;
use super::turn::{Owed, Turn, lane_to};
use crate::content;
use crate::interactions::{Held, Note, Side, Stage};

impl Turn<'_> {
    pub(super) fn said(&mut self, leg: LegRef, message: String, role: Role, held: Held, crosses: bool) {
        self.event(
            EventKind::MessageReceived { leg, message, role, content: held.content.clone(), change: held.change },
            held.at,
        );
        let is_for_them = match held.to {
            // An agent or the site's own program spoke in the customer's conversation; the customer has read it.
            Side::Agents => role == Role::Customer,
            Side::Customer => self.it.legs.iter().any(|leg| leg.side == Side::Customer),
        };
        if self.it.closed.is_some() && crosses && is_for_them {
            self.undelivered("relay", "it came when all was over");
        }
        if self.it.closed.is_some() || !crosses {
            return;
        }
        match (held.to, role) {
            (Side::Agents, Role::Customer) => self.customer_said(held),
            (Side::Customer, Role::Agent) if self.lacks_voice(&held) => self.hold_for_voice(held),
            (Side::Customer, _) => self.hold_or_relay(held),
            (Side::Agents, _) => {}
        }
        if self.it.timers.contains_key(IDLE) {
            self.set_timer(IDLE, self.context.settings.idle);
        }
    }

    fn customer_said(&mut self, held: Held) {
        // Between the end of the last agents' leg and closing, what the customer says starts nothing new.
        let wants = held.change == Relay::Posted && !self.it.is_between_legs();
        if self.it.assignment.is_none() || self.it.placement().is_none_or(|placement| placement.leg.is_none()) {
            self.keep_waiting(held.clone());
        }
        self.hold_or_relay(held);
        if wants {
            self.want_service();
        }
    }

    /// Keeps a message for an agent who has not come yet. Of too many the oldest goes, visibly.
    pub(super) fn keep_waiting(&mut self, held: Held) {
        self.note(Note::Waiting(held));
        while self.it.waiting.len() > self.context.settings.waiting_most {
            let oldest = self.it.waiting.iter().min_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
            let Some(key) = oldest.map(|held| held.key.clone()) else { return };
            self.note(Note::Dropped { key });
            self.undelivered("wait", "more messages wait for an agent than are kept; this is the oldest");
        }
    }

    pub(super) fn undelivered(&mut self, operation: &str, why: &str) {
        let error = AdapterError::new(ErrorKind::Unexpected, operation, why);
        self.event(EventKind::MessageUndelivered { error }, self.context.now);
    }

    /// Relays what waits and the standing placement does not have, oldest first. What is still held goes by itself.
    pub(super) fn relay_waiting(&mut self) {
        let Some(placement) = self.it.placement().filter(|placement| placement.leg.is_some()) else { return };
        let generation = placement.generation;
        let is_held = |key: &String| self.it.held.iter().any(|held| held.key == *key);
        let mut due: Vec<Held> =
            self.it.waiting.iter().filter(|one| one.told != generation && !is_held(&one.key)).cloned().collect();
        due.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        for held in due {
            self.relay_to_agents(&held);
        }
    }

    /// An agent came: what the placement has waits no longer.
    pub(super) fn waiting_delivered(&mut self) {
        self.relay_waiting();
        let generation = self.it.placement().map_or(0, |placement| placement.generation);
        let told = self.it.waiting.iter().filter(|held| held.told != 0 && held.told == generation);
        let keys: Vec<String> = told.map(|held| held.key.clone()).collect();
        if !keys.is_empty() {
            self.note(Note::Delivered { keys });
        }
    }

    /// Whether it was said on the leg of the agent who has the interaction.
    fn is_of_assigned(&self, held: &Held) -> bool {
        let from = held.from.as_ref();
        self.it.assignment.as_ref().is_some_and(|has| from.is_none_or(|from| has.leg == *from))
    }

    /// Whether an agent's identity is still to come: the assigned agent's, or that of somebody whose assignment the cloud
    /// has not reported yet.
    fn lacks_voice(&self, held: &Held) -> bool {
        if self.is_of_assigned(held) {
            return self.it.assignment.as_ref().is_some_and(|has| !has.joined);
        }
        self.it.placement().is_some() && held.from.as_ref().is_some_and(|from| self.it.is_open(from))
    }

    /// An agent's words wait for the agent's identity, but not for ever.
    fn hold_for_voice(&mut self, held: Held) {
        if !self.it.timers.contains_key("voice") {
            self.set_timer("voice", self.context.settings.overdue);
        }
        self.note(Note::Held(held));
    }

    /// What was said by the agent who is about to go, in the voice that the agent has.
    pub(super) fn release_words_of_assigned(&mut self) {
        let words: Vec<String> = self
            .it
            .held
            .iter()
            .filter(|held| held.to == Side::Customer && self.is_of_assigned(held))
            .map(|held| held.key.clone())
            .collect();
        self.release_held(|held| words.contains(&held.key));
    }

    fn hold_or_relay(&mut self, mut held: Held) {
        if self.context.settings.hold.is_positive() {
            held.release = Some(self.context.after(self.context.settings.hold));
            if !self.it.timers.contains_key("hold") {
                self.set_timer("hold", self.context.settings.hold);
            }
            self.note(Note::Held(held));
        } else {
            self.relay(&held);
        }
    }

    /// Lets go what was held and is due, oldest first.
    pub(super) fn release_due(&mut self) {
        let now = self.context.now;
        let is_due = |held: &&Held| held.release.is_some_and(|release| release <= now);
        let due: Vec<(Side, Timestamp)> = self.it.held.iter().filter(is_due).map(|held| (held.to, held.at)).collect();
        // What came later and is older than one that goes now has caught up: it goes before it.
        let goes = |held: &Held| due.iter().any(|(to, at)| held.to == *to && held.at <= *at);
        self.release_held(|held| held.release.is_some() && goes(held));
        if let Some(next) = self.it.held.iter().filter_map(|held| held.release).min() {
            self.set_timer("hold", next.duration_since(now));
        }
    }

    pub(super) fn release_held(&mut self, is_due: impl Fn(&Held) -> bool) {
        let mut due: Vec<Held> = self.it.held.iter().filter(|held| is_due(held)).cloned().collect();
        if due.is_empty() {
            return;
        }
        due.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        self.note(Note::Released { keys: due.iter().map(|held| held.key.clone()).collect() });
        for held in due {
            self.relay(&held);
        }
    }

    fn relay(&mut self, held: &Held) {
        match held.to {
            Side::Agents => self.relay_to_agents(held),
            Side::Customer => self.relay_to_customer(held),
        }
    }

    /// To the agents: through the placement that stands. Without one the message waits, and [`placed`](Turn::placed) sends
    /// it; between two legs it waits for the second.
    pub(super) fn relay_to_agents(&mut self, held: &Held) {
        if self.it.is_between_legs() && self.it.open_legs().next().is_none() {
            if !self.it.waiting.iter().any(|waiting| waiting.key == held.key) {
                self.keep_waiting(held.clone());
            }
            return;
        }
        let Some(placement) = self.it.placement().cloned() else { return };
        let (Some(leg), true) = (self.agents_leg(&placement), placement.stage >= Stage::Placed) else { return };
        let instance = placement.target.instance.clone();
        let connection = self.secret(&format!("{}/connection", placement.generation));
        let (parts, late) = self.wording(held, self.context.limit(&instance), placement.relayed);
        for (n, text) in parts.into_iter().enumerate() {
            let content = Content { content_type: ContentType::Text, text: text.into(), name: Personal::NONE };
            self.owe(
                Owed::new(
                    lane_to(Side::Agents, placement.generation),
                    instance.clone(),
                    purpose(held, placement.generation, n, late),
                    Action::Say { leg: leg.clone(), speaker: Speaker::Customer, content },
                )
                .uses(SecretRole::ConnectionToken, connection.clone()),
            );
        }
        self.relayed(held, placement.generation);
    }

    fn relayed(&mut self, held: &Held, placement: u32) {
        self.note(Note::Relayed { to: held.to, at: held.at, key: held.key.clone(), placement });
    }

    /// The leg on which the placement's conversation goes on: after a transfer it is another than the one that was placed.
    fn agents_leg(&self, placement: &crate::interactions::Placement) -> Option<LegRef> {
        let placed = placement.leg.as_ref()?;
        let current = self.it.assignment.as_ref().map(|assignment| &assignment.leg);
        Some(
            current
                .filter(|leg| leg.system == placed.system && leg.account == placed.account)
                .unwrap_or(placed)
                .clone(),
        )
    }

    fn relay_to_customer(&mut self, held: &Held) {
        let Some(leg) = self.it.conversation().map(|leg| leg.leg.clone()) else {
            if self.it.legs.iter().any(|leg| leg.side == Side::Customer) {
                self.undelivered("relay", "the conversation with the customer is over");
            }
            return;
        };
        let newest = self.it.relayed.get(&Side::Customer).copied();
        let (parts, late) = self.wording(held, self.context.limit(&self.context.settings.customer), newest);
        // Nobody's words are said in somebody else's voice: an agent who has none yet, or no more, is named by the hub.
        let token = if self.is_of_assigned(held) { self.voice(held.speaker) } else { self.hub_token() };
        let name = match held.speaker {
            Speaker::Agent if !self.is_of_assigned(held) => {
                or_else(&held.content.name, &self.context.settings.agent_name)
            }
            Speaker::Agent => {
                let known = self.it.assignment.as_ref().map(|has| has.name.clone()).unwrap_or_default();
                or_else(&known, held.content.name.reveal().unwrap_or(&self.context.settings.agent_name))
            }
            Speaker::Hub | Speaker::Customer => Personal::from(&*self.context.settings.hub_name),
        };
        for (n, text) in parts.into_iter().enumerate() {
            let content = Content { content_type: ContentType::Text, text: text.into(), name: name.clone() };
            self.say_to_customer(&leg, purpose(held, 0, n, late), held.speaker, content, token.clone());
        }
        self.relayed(held, 0);
    }

    pub(super) fn say_to_customer(
        &mut self,
        leg: &LegRef,
        purpose: String,
        speaker: Speaker,
        content: Content,
        token: String,
    ) {
        self.owe(
            Owed::new(
                "customer",
                self.customer_instance(),
                purpose,
                Action::Say { leg: leg.clone(), speaker, content },
            )
            .uses(SecretRole::UserToken, token),
        );
    }

    /// Says one of the config's texts to the customer, in the hub's voice.
    pub(super) fn say_notice(&mut self, notice: &str) {
        let texts = &self.context.settings.texts;
        let text = match notice {
            "waiting" => &texts.waiting,
            "nobody" => &texts.nobody,
            "refused" => &texts.refused,
            _ => &texts.closing,
        };
        let Some(leg) = self.it.conversation().map(|leg| leg.leg.clone()).filter(|_| !text.is_empty()) else { return };
        let content = Content {
            content_type: ContentType::Text,
            text: Personal::from(text.as_str()),
            name: Personal::from(&*self.context.settings.hub_name),
        };
        self.event(EventKind::NoticePosted { notice: notice.to_owned(), content: content.clone() }, self.context.now);
        self.say_to_customer(&leg, format!("notice/{notice}"), Speaker::Hub, content, self.hub_token());
    }

    /// The text in a form that the other side can carry, in parts within its limit; and whether it is older than the
    /// newest that went there.
    fn wording(&self, held: &Held, limit: usize, newest: Option<Timestamp>) -> (Vec<String>, bool) {
        let texts = &self.context.settings.texts;
        let late = newest.is_some_and(|newest| held.at < newest);
        let text = content::to_text(&held.content.content_type, held.content.text.reveal().unwrap_or_default());
        let text = if text.trim().is_empty() { content::NOTHING_TO_SHOW.to_owned() } else { text };
        let text = match held.change {
            Relay::Posted => text,
            Relay::Edited => format!("{}{text}", texts.edited),
            Relay::Deleted => texts.deleted.clone(),
        };
        let text = if late { format!("{}{text}", texts.late) } else { text };
        let parts = if text.trim().is_empty() { Vec::new() } else { content::split(&text, limit) };
        (parts, late)
    }
}

/// What a relayed part is for. The mark of lateness comes back with the outcome, without a look at the text.
fn purpose(held: &Held, generation: u32, part: usize, late: bool) -> String {
    format!("{}/{}/{generation}/{part}/{}", if late { "late" } else { "say" }, held.to.name(), held.key)
}
