//! What one side says reaches the other: in order, once, in a form that it can carry.

use tandem_sdk::model::{Action, Content, ContentType, EventKind, LegRef, Personal, Relay, Role, Speaker};
use tandem_sdk::secret::SecretRole;

use super::opening::or_else;
use super::turn::{Owed, Turn, lane_to};
use crate::content;
use crate::interactions::{Held, Note, Side, Stage};

impl Turn<'_> {
    pub(super) fn said(&mut self, leg: LegRef, message: String, role: Role, held: Held) {
        self.event(
            EventKind::MessageReceived { leg, message, role, content: held.content.clone(), change: held.change },
            held.at,
        );
        if self.it.closed.is_some() {
            return;
        }
        match (held.to, role) {
            (Side::Agents, Role::Customer) => self.customer_said(held),
            (Side::Customer, Role::Agent) if self.it.assignment.as_ref().is_some_and(|has| !has.joined) => {
                self.note(Note::Held(held));
            }
            (Side::Customer, _) => self.hold_or_relay(held),
            // An agent or the site's own program spoke in the customer's conversation; the customer has read it.
            (Side::Agents, _) => {}
        }
    }

    fn customer_said(&mut self, held: Held) {
        // Between the end of the last agents' leg and closing, what the customer says is kept but starts nothing new.
        if self.it.timers.contains_key("grace") {
            return;
        }
        let wants = held.change == Relay::Posted;
        if self.it.assignment.is_none() && self.it.waiting.len() < self.context.settings.waiting_most {
            self.note(Note::Waiting(held.clone()));
        }
        self.hold_or_relay(held);
        if wants {
            self.want_service();
        }
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
        self.release_held(|held| held.release.is_some_and(|release| release <= now));
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

    /// To the agents: through the placement that stands. Without one the message waits; [`placed`](Turn::placed) sends it.
    pub(super) fn relay_to_agents(&mut self, held: &Held) {
        let Some(placement) = self.it.placement().cloned() else { return };
        let (Some(leg), true) = (self.agents_leg(&placement), placement.stage >= Stage::Placed) else { return };
        let instance = placement.target.instance.clone();
        let connection = self.secret(&format!("{}/connection", placement.generation));
        let (parts, late) = self.wording(held, self.context.limit(&instance));
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
        self.note(Note::Relayed { to: held.to, at: held.at });
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
        let Some(leg) = self.it.conversation().map(|leg| leg.leg.clone()) else { return };
        let (parts, late) = self.wording(held, self.context.limit(&self.context.settings.customer));
        let name = match held.speaker {
            Speaker::Agent => {
                let known = self.it.assignment.as_ref().map(|has| has.name.clone()).unwrap_or_default();
                or_else(&known, held.content.name.reveal().unwrap_or(&self.context.settings.agent_name))
            }
            Speaker::Hub | Speaker::Customer => Personal::from(&*self.context.settings.hub_name),
        };
        for (n, text) in parts.into_iter().enumerate() {
            let content = Content { content_type: ContentType::Text, text: text.into(), name: name.clone() };
            self.say_to_customer(&leg, purpose(held, 0, n, late), held.speaker, content);
        }
        self.note(Note::Relayed { to: held.to, at: held.at });
    }

    pub(super) fn say_to_customer(&mut self, leg: &LegRef, purpose: String, speaker: Speaker, content: Content) {
        let token = self.voice(speaker);
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
        self.say_to_customer(&leg, format!("notice/{notice}"), Speaker::Hub, content);
    }

    /// The text in a form that the other side can carry, in parts within its limit; and whether it is late.
    fn wording(&self, held: &Held, limit: usize) -> (Vec<String>, bool) {
        let texts = &self.context.settings.texts;
        let late = self.it.relayed.get(&held.to).is_some_and(|newest| held.at < *newest);
        let text = content::to_text(&held.content.content_type, held.content.text.reveal().unwrap_or_default());
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
