#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
use std::collections::BTreeMap;

use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::{Channel, Derive, IdKey, InteractionId, Lane, Party, Purpose, SubjectId};

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
