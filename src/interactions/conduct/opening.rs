//! How an interaction begins: a first message, or a verified caller's wish.

use tandem_sdk::model::{Action, Channel, EventKind, LegRef, Member, PartyKey, Personal, Role};
use tandem_sdk::secret::SecretRole;

use super::turn::{Owed, Turn};
use crate::interactions::{Input, LegState, Note, Side};
use jiff::Timestamp;

impl Turn<'_> {
    /// Says that the interaction began, and does what the caller of `POST /v1/chats` asked for.
    pub(super) fn open(&mut self, input: &Input) {
        if self.it.events == 0 {
            let (channel, continued_from) = (self.it.channel.clone(), self.it.continued_from);
            self.event(EventKind::InteractionOpened { channel, continued_from }, self.context.now);
        }
        if let Input::Chat(_) = input {
            if self.it.customer.address.is_none() {
                self.owe(Owed::new("customer", self.customer_instance(), "identify", Action::Identify {}));
            } else {
                self.open_conversation();
            }
        }
    }

    /// The customer has an identity: a token for them, and a conversation with them and the hub in it.
    pub(super) fn open_conversation(&mut self) {
        self.owe_customer_token();
        let address = self.it.customer.address.clone();
        let name = or_else(&self.it.customer.name, &self.context.settings.customer_name);
        let topic = or_else(&self.it.customer.topic, "Chat");
        let members = vec![Member { address, name }];
        self.owe(
            Owed::new("customer", self.customer_instance(), "open", Action::Open { topic, members })
                .uses(SecretRole::UserToken, self.hub_token()),
        );
    }

    fn owe_customer_token(&mut self) {
        let action = Action::IssueToken { address: self.it.customer.address.clone() };
        let token = self.secret("customer");
        let owed = Owed::new("customer", self.customer_instance(), "customer_token", action);
        self.owe(owed.keeps(SecretRole::UserToken, token));
    }

    /// A caller asks for the customer's token when it works no longer, or not for long.
    pub(super) fn renew_customer_token(&mut self) {
        let is_owed = self.it.owed.values().any(|command| command.purpose.0 == "customer_token");
        if self.it.closed.is_none() && !is_owed && !self.it.customer.address.is_none() {
            self.owe_customer_token();
        }
    }

    pub(super) fn leg_appeared(&mut self, leg: &LegRef) {
        let state = LegState::Initiated.name().to_owned();
        self.event(EventKind::LegChanged { leg: leg.clone(), state, reason: None }, self.context.now);
        let Some(known) = self.it.leg(leg).filter(|known| known.side == Side::Agents) else { return };
        let is_over = known.state().is_over();
        self.catch_up(leg);
        if !is_over {
            if self.it.closed.is_some() { self.came_too_late(leg) } else { self.successor_came() }
        }
    }

    pub(super) fn party_joined(&mut self, leg: &LegRef, party: PartyKey, role: Role, name: Personal, at: Timestamp) {
        // The agents' side reports participants that the contact events and the house tell better.
        if self.it.leg(leg).is_some_and(|leg| leg.side == Side::Customer) {
            self.event(EventKind::ParticipantJoined { party: Some(party), role, name }, at);
        }
    }

    pub(super) fn party_left(&mut self, leg: &LegRef, party: PartyKey, role: Role, at: Timestamp) {
        if self.it.leg(leg).is_none_or(|leg| leg.side != Side::Customer) {
            return;
        }
        self.event(EventKind::ParticipantLeft { party: Some(party), role }, at);
        match role {
            Role::Customer if self.is_last_customer(leg, party) => self.close_as_it_stands(),
            Role::System if self.context.known().hub == Some(party) => self.hub_absent(leg.clone()),
            _ => {}
        }
    }

    /// Whether it is the customer who left, as far as anybody knows: nobody else is there who could be.
    fn is_last_customer(&self, leg: &LegRef, party: PartyKey) -> bool {
        if let Some(customer) = self.it.customer.key {
            return customer == party;
        }
        let known = self.context.known();
        let is_other = |key: &PartyKey| *key != party && self.it.role_of(*key, known) == Role::Customer;
        !self.it.leg(leg).is_some_and(|leg| leg.members.iter().any(|(key, one)| one.is_present() && is_other(key)))
    }

    pub(super) fn hub_absent(&mut self, leg: LegRef) {
        if !self.it.hub_absent {
            self.note(Note::HubAbsent {});
            self.event(EventKind::HubAbsent { leg }, self.context.now);
        }
    }
}

/// A personal value, or something instead: a name is never empty.
pub(super) fn or_else(value: &Personal, instead: &str) -> Personal {
    match value.reveal() {
        Some(text) if !text.trim().is_empty() => value.clone(),
        _ => Personal::from(instead),
    }
}

/// The channel of an interaction that a leg of this kind opens.
pub(crate) fn channel_of(leg: &LegRef, said: Option<&Channel>) -> Channel {
    said.cloned().unwrap_or_else(|| match leg.kind.as_str() {
        "thread" | "request" => Channel::Chat,
        other => Channel::Unknown(other.to_owned()),
    })
}
