#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
use std::collections::BTreeMap;

use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::{Attachment, Channel, Derive, IdKey, InteractionId, Lane, Message, Party, Purpose, SubjectId};
use tandem_sdk::secret::SecretRole;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn leg(system: &str, account: &str, kind: &str, native: &str) -> LegRef {
    LegRef { system: system.into(), account: account.into(), kind: kind.into(), native: native.into() }
}

fn thread() -> LegRef {
    leg("acs", "r1", "thread", "t1")
}

fn contact() -> LegRef {
    leg("connect", "i1", "contact", "c1")
}

fn key(name: &str) -> PartyKey {
    PartyKey::of(&IdKey::new(b"an id key of a test house, 32 byte"), "acs", name)
}

fn party(name: &str) -> Party {
    Party { key: Some(key(name)), ..Party::default() }
}

fn known() -> Known {
    Known { hub: Some(key("hub")) }
}

fn opened() -> Interaction {
    let id = InteractionId(Derive::entity("test").uuid());
    Interaction::open(id, SubjectId(id.0), 1, Channel::Chat, NOW)
}

fn fact(kind: FactKind, leg: LegRef, fill: impl FnOnce(&mut Fact)) -> Fact {
    let mut fact = Fact::new(kind, leg, NOW, "k");
    fill(&mut fact);
    fact
}

/// The names of the changes that a fact makes.
fn names(it: &mut Interaction, fact: &Fact, known: Known) -> Vec<&'static str> {
    let name = |change: &Change| match change {
        Change::Appeared { .. } => "appeared",
        Change::Moved { .. } => "moved",
        Change::Queued { .. } => "queued",
        Change::Joined { .. } => "joined",
        Change::Left { .. } => "left",
        Change::Said { .. } => "said",
        Change::HubAbsent { .. } => "hub absent",
    };
    it.fold_fact(fact, known, NOW).iter().map(name).collect()
}

fn command(action: Action, n: u64) -> Arc<Command> {
    Arc::new(Command {
        id: CommandId(Derive::entity("test").number(n).uuid()),
        lane: Lane("lane".into()),
        instance: "acs".into(),
        purpose: Purpose(format!("purpose/{n}")),
        action,
        uses: BTreeMap::new(),
        keeps: BTreeMap::new(),
        order: n,
        owed_at: None,
        expires_at: NOW,
    })
}

/// Owes a command and gives it this outcome; says whether the command came back.
fn settle(it: &mut Interaction, command: &Arc<Command>, result: Result<Outcome, AdapterError>) -> bool {
    it.fold_step(&Step::Command(Arc::clone(command)), NOW);
    let input = Input::Outcome { command: command.id, result, repeated: false };
    it.fold_input(&input).is_some_and(|settled| settled.id == command.id)
}

#[test]
fn whoever_comes_and_goes_is_told_once() {
    let mut it = opened();
    let comes = fact(FactKind::ParticipantJoined, thread(), |fact| fact.participant = Some(party("jane")));
    let goes =
        Fact { kind: FactKind::ParticipantLeft, occurred_at: Timestamp::from_second(1).unwrap(), ..comes.clone() };
    assert_eq!(names(&mut it, &comes, known()), ["appeared", "joined"]);
    assert_eq!(names(&mut it, &comes, known()), [""; 0]);
    assert_eq!(names(&mut it, &goes, known()), ["left"]);
    assert_eq!(names(&mut it, &goes, known()), [""; 0]);
}

#[test]
fn a_queue_is_told_when_it_is_another_one() {
    let mut it = opened();
    let queued =
        |queue: Option<&str>| fact(FactKind::LegQueued, contact(), |fact| fact.queue = queue.map(str::to_owned));
    assert_eq!(names(&mut it, &queued(None), known()), ["appeared", "moved"]);
    assert_eq!(names(&mut it, &queued(Some("q1")), known()), ["queued"]);
    assert_eq!(names(&mut it, &queued(Some("q1")), known()), [""; 0]);
    assert_eq!(names(&mut it, &queued(Some("q2")), known()), ["queued"]);
}

#[test]
fn the_hub_is_absent_where_the_source_first_tells_who_is_there_and_it_is_not_among_them() {
    let told = |leg: LegRef, members: &[&str]| {
        fact(FactKind::LegUpdated, leg, |fact| fact.members = members.iter().map(|name| party(name)).collect())
    };
    let is_absent = |before: &[Fact], fact: &Fact, known: Known| {
        let mut it = opened();
        before.iter().for_each(|fact| drop(it.fold_fact(fact, known, NOW)));
        names(&mut it, fact, known).contains(&"hub absent")
    };
    let alone = told(thread(), &["jane"]);
    let both = told(thread(), &["jane", "hub"]);
    let joined = fact(FactKind::ParticipantJoined, thread(), |fact| fact.participant = Some(party("jane")));
    for (before, fact, known, expected, why) in [
        (vec![], &alone, known(), true, "told, and it is not there"),
        (vec![], &both, known(), false, "it is there"),
        (vec![], &told(thread(), &[]), known(), false, "nobody was told"),
        (vec![], &joined, known(), false, "one who comes does not say who is there"),
        (vec![both.clone()], &alone, known(), false, "it was there when it was told"),
        (vec![], &told(contact(), &["jane"]), known(), false, "the hub is no member of an agents' leg"),
        (vec![], &alone, Known::default(), false, "nobody knows who the hub is"),
    ] {
        assert_eq!(is_absent(&before, fact, known), expected, "{why}");
    }
}

#[test]
fn a_leg_is_on_the_side_of_the_cloud_in_which_it_is() {
    let mut it = opened();
    for (leg, side) in [
        (thread(), Side::Customer),
        (contact(), Side::Agents),
        (leg("acs", "r1", "call", "a1"), Side::Customer),
        (leg("connect", "i1", "chat", "c2"), Side::Agents),
        (leg("connect", "i2", "chat", "c3"), Side::Customer),
        (leg("lex", "i1", "session", "s1"), Side::Customer),
    ] {
        assert_eq!(it.side_of(&leg), side, "{leg:?}");
        drop(it.fold_fact(&fact(FactKind::LegInitiated, leg, |_| {}), known(), NOW));
    }
    assert_eq!(it.side_of(&leg("acs", "r1", "contact", "c9")), Side::Customer, "where its cloud is known, that counts");
}

#[test]
fn what_a_cloud_answers_is_known_afterwards() {
    let mut it = opened();
    let opens = command(Action::Open { topic: "a parcel".into(), members: Vec::new() }, 1);
    assert!(settle(&mut it, &opens, Ok(Outcome::Opened { leg: thread(), refused: 0 })));
    assert_eq!(it.leg(&thread()).map(|leg| leg.side), Some(Side::Customer));

    let identifies = command(Action::Identify {}, 2);
    assert!(settle(&mut it, &identifies, Ok(Outcome::Identified { address: "8:acs:jane".into() })));
    assert_eq!(it.customer.address.reveal(), Some("8:acs:jane"));
    assert!(it.owed.is_empty());
    let again = Input::Outcome { command: identifies.id, result: Ok(Outcome::Done {}), repeated: false };
    assert!(it.fold_input(&again).is_none(), "it has its outcome");
}

#[test]
fn a_command_that_died_is_owed_again_when_it_is_sent_back() {
    let mut it = opened();
    let leaves = command(Action::Leave { leg: thread(), address: "8:acs:alex".into() }, 1);
    let error = AdapterError::new(ErrorKind::Refused, "leave", "no");
    assert!(settle(&mut it, &leaves, Err(error)));
    assert!(it.owed.is_empty() && it.dead.contains_key(&leaves.id));
    let later = Timestamp::from_second(99).unwrap();
    assert!(it.fold_input(&Input::Redriven { command: leaves.id, expires_at: later, order: 7 }).is_none());
    assert_eq!(it.owed.get(&leaves.id).map(|command| (command.expires_at, command.order)), Some((later, 7)));
    assert!(it.dead.is_empty());
}

#[test]
fn a_timer_that_fired_is_set_no_more() {
    let mut it = opened();
    it.fold_step(&Step::Timer { name: "patience".into(), due: Some(NOW) }, NOW);
    assert!(it.timers.contains_key("patience"));
    it.fold_input(&Input::Timer { name: "patience".into(), due: NOW });
    assert!(it.timers.is_empty());
}

/// Who speaks, and whether it is meant for the other side; nothing where a message is an echo of ours.
fn heard(it: &mut Interaction, leg: LegRef, author: Party, message: Message) -> Option<(Role, bool)> {
    let posted = fact(FactKind::MessagePosted, leg, |fact| {
        fact.message = Some(message);
        fact.author = Some(author);
    });
    it.fold_fact(&posted, known(), NOW).into_iter().find_map(|change| match change {
        Change::Said { role, crosses, .. } => Some((role, crosses)),
        _ => None,
    })
}

fn said(it: &mut Interaction, leg: LegRef, author: Party, marker: Option<&str>) -> Option<Role> {
    let message =
        Message { id: "m".into(), text: "Hello".into(), marker: marker.map(str::to_owned), ..Message::default() };
    heard(it, leg, author, message).map(|(role, _)| role)
}

#[test]
fn an_echo_is_ours_when_sender_and_mark_are_ours() {
    let as_a = |role| Party { role: Some(role), ..Party::default() };
    for (leg, author, marker, expected, why) in [
        (thread(), party("hub"), Some("m"), None, "the hub wrote it"),
        (thread(), party("alex"), Some("m"), None, "the hub wrote it in the agent's name"),
        (thread(), party("hub"), None, Some(Role::System), "somebody else writes with the hub's identity"),
        (thread(), party("alex"), None, Some(Role::Agent), "the agent writes there themselves"),
        (thread(), party("jane"), Some("m"), Some(Role::Customer), "anybody can write our mark"),
        (thread(), Party::default(), Some("m"), Some(Role::Customer), "nobody says who wrote it"),
        (contact(), as_a(Role::Customer), None, None, "the hub speaks as the customer there"),
        (contact(), as_a(Role::Agent), None, Some(Role::Agent), "the agent answers"),
        (contact(), as_a(Role::Agent), Some("m"), Some(Role::Agent), "marks mean nothing there"),
        (contact(), party("hub"), None, Some(Role::System), "a flow speaks"),
    ] {
        let mut it = opened();
        it.agent_parties.push(key("alex"));
        assert_eq!(said(&mut it, leg, author, marker), expected, "{why}");
    }
}

#[test]
fn the_customer_is_whoever_writes_first_where_customers_do() {
    let jane = Party { address: "8:acs:jane".into(), name: "Jane".into(), ..party("jane") };
    let john = Party { address: "8:acs:john".into(), name: "John".into(), ..party("john") };
    let mut it = opened();
    said(&mut it, thread(), party("hub"), None);
    said(&mut it, contact(), Party { role: Some(Role::Agent), ..john.clone() }, None);
    assert_eq!(it.customer.key, None);
    said(&mut it, thread(), jane, None);
    said(&mut it, thread(), john, None);
    assert_eq!(it.customer.key, Some(key("jane")));
    assert_eq!((it.customer.address.reveal(), it.customer.name.reveal()), (Some("8:acs:jane"), Some("Jane")));
}

#[test]
fn what_one_side_alone_may_read_does_not_cross() {
    for (leg, visibility, crosses) in [
        (thread(), Visibility::All, true),
        (thread(), Visibility::Customer, false),
        (thread(), Visibility::Agent, true),
        (contact(), Visibility::All, true),
        (contact(), Visibility::Customer, true),
        (contact(), Visibility::Agent, false),
    ] {
        let message = Message { visibility, ..Message::default() };
        let author = Party { role: Some(Role::Agent), ..party("alex") };
        let (_, does) = heard(&mut opened(), leg.clone(), author, message).unwrap();
        assert_eq!(does, crosses, "{} {visibility:?}", leg.system);
    }
}

#[test]
fn secrets_of_its_own_are_its_own_until_they_are_forgotten() {
    let mut it = opened();
    let issues = |n: u64, name: &str| {
        let mut command = Arc::unwrap_or_clone(command(Action::IssueToken { address: "8:acs:jane".into() }, n));
        command.keeps.insert(SecretRole::UserToken, name.to_owned());
        Arc::new(command)
    };
    for (n, name) in [(1, "i/one"), (2, "i/two"), (3, "house/hub")] {
        settle(&mut it, &issues(n, name), Ok(Outcome::Issued { expires_at: NOW }));
    }
    assert_eq!(it.secrets, ["i/one", "i/two"]);
    it.fold_step(&Step::Forget { secrets: vec!["i/one".into()] }, NOW);
    assert_eq!(it.secrets, ["i/two"]);
}

#[test]
fn an_agent_who_comes_ends_the_doubt_that_was_asked_about_and_no_other() {
    let assigned = Step::Note(Box::new(Note::Assigned { agent: "agent-1".into(), leg: contact() }));
    let traced = Step::Note(Box::new(Note::Traced {}));
    for (doubt, step, expected) in [
        (Doubt::None, &assigned, Doubt::None),
        (Doubt::Away, &assigned, Doubt::Away),
        (Doubt::Asked, &assigned, Doubt::None),
        (Doubt::Away, &traced, Doubt::Asked),
    ] {
        let mut it = opened();
        it.doubt = doubt;
        it.fold_step(step, NOW);
        assert_eq!(it.doubt, expected, "{doubt:?}");
    }
    let mut it = opened();
    it.doubt = Doubt::Away;
    it.fold_step(&assigned, NOW);
    it.fold_step(&traced, NOW);
    assert_eq!(it.doubt, Doubt::None, "the agent came while the cloud was asked");
}

/// What a message of this kind has to say to the other side.
fn held(it: &mut Interaction, kind: FactKind, message: Message) -> Option<Held> {
    let fact = fact(kind, thread(), |fact| {
        fact.message = Some(message);
        fact.author = Some(party("jane"));
    });
    it.fold_fact(&fact, known(), NOW).into_iter().find_map(|change| match change {
        Change::Said { held, .. } => Some(held),
        _ => None,
    })
}

#[test]
fn what_is_written_changed_and_taken_back_is_told_as_such() {
    for (kind, change) in [
        (FactKind::MessagePosted, Some(Relay::Posted)),
        (FactKind::MessageEdited, Some(Relay::Edited)),
        (FactKind::MessageDeleted, Some(Relay::Deleted)),
        (FactKind::ParticipantJoined, None),
    ] {
        let held = held(&mut opened(), kind, Message::default());
        assert_eq!(held.map(|held| held.change), change, "{kind:?}");
    }
}

#[test]
fn files_are_told_by_their_names_in_place_of_the_text_that_stands_for_them() {
    let attachments = vec![Attachment { name: "slip.pdf".into(), ..Attachment::default() }];
    let line = crate::content::not_carried(&attachments[0]);
    for (content_type, expected) in
        [(ContentType::Attachment, line.clone()), (ContentType::Text, format!("See this\n{line}"))]
    {
        let message =
            Message { content_type, text: "See this".into(), attachments: attachments.clone(), ..Message::default() };
        let held = held(&mut opened(), FactKind::MessagePosted, message).unwrap();
        assert_eq!(held.content.text.reveal(), Some(expected.as_str()));
    }
}

#[test]
fn what_a_placement_was_told_waits_for_the_next_one_until_an_agent_is_there() {
    let mut it = opened();
    let message = held(&mut it, FactKind::MessagePosted, Message::default()).unwrap();
    let other = Held { key: "other".into(), ..message.clone() };
    for held in [&message, &other] {
        it.fold_step(&Step::Note(Box::new(Note::Waiting(held.clone()))), NOW);
    }
    let told = |placement| {
        let key = message.key.clone();
        Step::Note(Box::new(Note::Relayed { to: Side::Agents, at: NOW, key, placement }))
    };
    let waiting = |it: &Interaction| it.waiting.iter().map(|held| (held.key.clone(), held.told)).collect::<Vec<_>>();
    it.fold_step(&told(2), NOW);
    assert_eq!(waiting(&it), [(message.key.clone(), 2), ("other".to_owned(), 0)]);
    it.fold_step(&Step::Note(Box::new(Note::Assigned { agent: "agent-1".into(), leg: contact() })), NOW);
    it.fold_step(&told(2), NOW);
    assert_eq!(waiting(&it), [("other".to_owned(), 0)]);
}
