//! Two clouds and a CDP that outlive the hub: they remember every effect by its command, as the real ones do by token,
//! and tell of what happens until somebody acknowledges it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use tandem::desk::Claim;
use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::model::{
    Action, Command, CommandId, Fact, FactKind, Lane, LegRef, Message, Outcome, Party, Personal, Profile, Role, Speaker,
};
use tandem_sdk::secret::SecretRole;

use crate::desk_house::{CUSTOMER, HUB, contact, contact_fact, thread};

/// A vendor message that its cloud sends until it is acknowledged.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) instance: &'static str,
    pub(crate) key: String,
    pub(crate) facts: Vec<Fact>,
}

/// What a call yields: the outcome and the secrets that come with it.
pub(crate) type Answer = (Outcome, Vec<(SecretRole, &'static str)>);

/// The clouds.
#[derive(Default)]
pub(crate) struct Clouds {
    effects: BTreeMap<CommandId, Answer>,
    /// Every effect of each lane, in the order in which it befell its cloud.
    pub(crate) ledger: BTreeMap<Lane, Vec<String>>,
    /// Effects that befell a cloud a second time although nothing forced it.
    pub(crate) doubled: Vec<String>,
    /// Messages on their way to the hub.
    pub(crate) outgoing: VecDeque<Told>,
    /// Keys of everything that was ever sent.
    pub(crate) sent: BTreeSet<String>,
    /// What happened on each leg, for those who ask.
    history: Vec<Fact>,
    /// Whether Connect tells of a contact before it answers the call that started it.
    pub(crate) tells_early: bool,
    /// Whether Connect says nothing of its own accord until an agent comes.
    pub(crate) is_silent: bool,
    opened: Option<LegRef>,
    contacts: u32,
    identities: u32,
    messages: u32,
}

impl Clouds {
    fn tell(&mut self, instance: &'static str, facts: Vec<Fact>) {
        let key = format!("{}/{}", facts[0].leg.native, facts[0].key);
        self.history.extend(facts.clone());
        self.sent.insert(key.clone());
        self.outgoing.push_back(Told { instance, key, facts });
    }

    fn message(&mut self, leg: LegRef, at: Timestamp, author: Party, text: &str, marker: Option<&Command>) -> String {
        self.messages += 1;
        let id = format!("m{}", self.messages);
        let mut fact = Fact::new(FactKind::MessagePosted, leg, at, format!("{id}/1"));
        let marker = marker.map(|command| command.id.0.to_string());
        fact.message = Some(Message { id: id.clone(), text: text.into(), marker, ..Message::default() });
        fact.author = Some(author);
        let instance = if fact.leg.system == "amazon-connect" { "connect" } else { "acs" };
        self.tell(instance, vec![fact]);
        id
    }

    /// The thread that was opened last.
    pub(crate) fn opened(&self) -> Option<LegRef> {
        self.opened.clone()
    }

    /// The customer writes.
    pub(crate) fn customer_writes(&mut self, leg: LegRef, at: Timestamp, address: &str, text: &str) {
        self.message(leg, at, party(address, None), text, None);
    }

    /// The agent writes.
    pub(crate) fn agent_writes(&mut self, native: &str, at: Timestamp, text: &str) {
        self.message(contact(native), at, party("agent", Some(Role::Agent)), text, None);
    }

    /// Connect says that something happened to a contact.
    pub(crate) fn contact_moves(&mut self, kind: FactKind, native: &str, at: Timestamp, agent: Option<&str>) {
        self.tell("connect", vec![contact_fact(kind, native, at, agent)]);
    }

    /// An agent hands a contact over.
    pub(crate) fn hand_over(&mut self, from: &str, to: &str, at: Timestamp, agent: &str) {
        let mut next = contact_fact(FactKind::LegConnected, to, at, Some(agent));
        next.links.initial = Some(from.into());
        next.links.previous = Some(from.into());
        self.contact_moves(FactKind::LegEnded, from, at, None);
        self.tell("connect", vec![next]);
    }

    /// Somebody leaves a thread.
    pub(crate) fn leaves(&mut self, leg: LegRef, at: Timestamp, address: &str) {
        self.membership(FactKind::ParticipantLeft, leg, at, address);
    }

    fn membership(&mut self, kind: FactKind, leg: LegRef, at: Timestamp, address: &str) {
        self.messages += 1;
        let mut fact = Fact::new(kind, leg, at, format!("{}/{}", kind.name(), self.messages));
        fact.participant = Some(party(address, None));
        self.tell("acs", vec![fact]);
    }

    /// Carries a command as a worker would: what nothing protects is looked for when it may have been sent before.
    pub(crate) fn carry(&mut self, claim: &Claim, now: Timestamp) -> Answer {
        let command = &claim.command;
        if let Some(answer) = self.look_up(&command.action) {
            return answer;
        }
        if let Some(known) = self.effects.get(&command.id) {
            let is_read_back = matches!(command.action, Action::Say { .. }) && command.instance.0 == "acs";
            if is_read_back && !claim.uncertain {
                self.doubled.push(format!("{} {}", command.instance, command.purpose.0));
            }
            return known.clone();
        }
        let answer = self.suffer(command, now);
        self.effects.insert(command.id, answer.clone());
        answer
    }

    /// Questions have no effect.
    fn look_up(&self, action: &Action) -> Option<Answer> {
        let on = |leg: &LegRef, since: Timestamp| {
            let facts = self.history.iter().filter(|fact| fact.leg == *leg && fact.occurred_at >= since);
            Outcome::Observed { facts: facts.cloned().collect() }
        };
        let outcome = match action {
            Action::Inquire { leg } => on(leg, Timestamp::MIN),
            Action::Trace { leg } => {
                let follows = |fact: &&Fact| fact.leg.account == leg.account && fact.links.previous.is_some();
                Outcome::Observed { facts: self.history.iter().filter(follows).cloned().collect() }
            }
            Action::Recall { leg, since } => on(leg, since.unwrap_or(Timestamp::MIN)),
            Action::Describe { agent } => Outcome::Described { name: format!("Agent {agent}").into() },
            Action::Lookup { .. } => {
                let document = r#"{"id":"p-1","tier":"gold"}"#.into();
                Outcome::Profile { found: Some(Profile { name: "Jane Doe".into(), document, ..Profile::default() }) }
            }
            _ => return None,
        };
        Some((outcome, vec![]))
    }

    fn suffer(&mut self, command: &Command, now: Timestamp) -> Answer {
        self.ledger.entry(command.lane.clone()).or_default().push(line(command));
        let day = now.saturating_add(SignedDuration::from_hours(24)).unwrap();
        match &command.action {
            Action::Identify {} => {
                self.identities += 1;
                (Outcome::Identified { address: format!("8:acs:{}", self.identities).into() }, vec![])
            }
            Action::IssueToken { .. } => {
                (Outcome::Issued { expires_at: day }, vec![(SecretRole::UserToken, "user-token")])
            }
            Action::Open { members, .. } => {
                let leg = thread().sibling(&format!("19:opened-{}", command.id.0.simple()));
                let mut created = Fact::new(FactKind::LegInitiated, leg.clone(), now, "created");
                created.members = members.iter().map(|member| party(member.address.reveal().unwrap(), None)).collect();
                created.members.push(party(HUB, None));
                created.author = Some(party(HUB, None));
                self.opened = Some(leg.clone());
                self.tell("acs", vec![created]);
                (Outcome::Opened { leg, refused: 0 }, vec![])
            }
            Action::Place { .. } => {
                self.contacts += 1;
                let native = format!("c{}", self.contacts);
                if !self.is_silent {
                    self.contact_moves(FactKind::LegInitiated, &native, now, None);
                    self.contact_moves(FactKind::LegQueued, &native, now, None);
                }
                (
                    Outcome::Placed { leg: contact(&native), participant: "p-1".into() },
                    vec![(SecretRole::ParticipantToken, "participant-token")],
                )
            }
            Action::Enter { .. } => {
                (Outcome::Issued { expires_at: day }, vec![(SecretRole::ConnectionToken, "connection-token")])
            }
            Action::Say { leg, speaker, content } => {
                let author = match (command.instance.0.as_str(), speaker) {
                    ("connect", _) => party("p-1", Some(Role::Customer)),
                    _ => party(HUB, None),
                };
                let text = content.text.reveal().unwrap().to_owned();
                let id = self.message(leg.clone(), now, author, &text, Some(command));
                (Outcome::Said { message: id, at: Some(now) }, vec![])
            }
            Action::Join { leg, member } => {
                self.membership(FactKind::ParticipantJoined, leg.clone(), now, member.address.reveal().unwrap());
                (Outcome::Done {}, vec![])
            }
            Action::Leave { leg, address } => {
                self.membership(FactKind::ParticipantLeft, leg.clone(), now, address.reveal().unwrap());
                (Outcome::Done {}, vec![])
            }
            Action::End { leg } => {
                self.contact_moves(FactKind::LegEnded, &leg.native, now, None);
                (Outcome::Done {}, vec![])
            }
            _ => (Outcome::Done {}, vec![]),
        }
    }
}

fn party(address: &str, role: Option<Role>) -> Party {
    let name = if address == CUSTOMER { Personal::from("Jane") } else { Personal::NONE };
    Party { address: address.into(), name, role, ..Party::default() }
}

fn line(command: &Command) -> String {
    let what = match &command.action {
        Action::Say { speaker, content, .. } => {
            let who = if *speaker == Speaker::Agent { "agent says" } else { "says" };
            format!("{who} {:?}", content.text.reveal().unwrap())
        }
        Action::Place { target, .. } => format!("place {}", target.queue),
        action => action.name().to_owned(),
    };
    format!("{} {what}", command.instance)
}

/// Understands an envelope whose body is the facts themselves.
pub(crate) struct Spelled;

impl Decode for Spelled {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        match serde_json::from_slice(&envelope.body) {
            Ok(facts) => Decoded::Facts(facts),
            Err(error) => Decoded::Malformed { problem: error.to_string() },
        }
    }

    fn version(&self) -> &str {
        "m"
    }
}
