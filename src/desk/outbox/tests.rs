#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
use proptest::prelude::*;
use tandem_sdk::model::{Action, Derive, Purpose};
use tandem_sdk::secret::SecretRole;

use super::*;

fn command(lane: &str, n: u64) -> Command {
    Command {
        id: CommandId(Derive::entity("test").part(lane).number(n).uuid()),
        lane: Lane(lane.into()),
        instance: "x".into(),
        purpose: Purpose(format!("p/{n}")),
        action: Action::Identify {},
        uses: BTreeMap::new(),
        keeps: BTreeMap::new(),
        order: n,
        owed_at: None,
        expires_at: Timestamp::MAX,
    }
}

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(n).unwrap()
}

/// What was done to it becomes durable.
fn commit(outbox: &mut Outbox) {
    let batch = outbox.complete();
    outbox.is_durable(batch);
}

#[test]
fn of_a_lane_only_the_head_is_in_flight() {
    let mut outbox = Outbox::default();
    outbox.push(command("a", 1), Owner::House, second(0), false);
    outbox.push(command("a", 2), Owner::House, second(0), false);
    outbox.push(command("b", 1), Owner::House, second(0), false);
    commit(&mut outbox);

    let first = outbox.next(second(1)).unwrap().command;
    let other = outbox.next(second(1)).unwrap().command;
    assert_eq!((first.lane.0.as_str(), other.lane.0.as_str()), ("a", "b"));
    assert!(outbox.next(second(1)).is_none());
    assert_eq!((outbox.len(), outbox.in_flight(), outbox.owner(first.id)), (3, 2, Some(Owner::House)));

    outbox.settle(first.id);
    assert_eq!((outbox.len(), outbox.in_flight(), outbox.owner(first.id)), (2, 1, None));
    commit(&mut outbox);
    assert_eq!(outbox.next(second(1)).unwrap().command.id, command("a", 2).id);
    outbox.settle(other.id);
    outbox.settle(command("a", 2).id);
    assert_eq!((outbox.len(), outbox.in_flight()), (0, 0));
}

#[test]
fn it_says_whose_commands_have_no_outcome_and_gives_out_what_was_put_in_their_place() {
    let mut outbox = Outbox::default();
    let owner = InteractionId(Derive::entity("test").uuid());
    outbox.push(command("a", 1), Owner::Interaction(owner), second(0), false);
    outbox.push(command("b", 2), Owner::House, second(0), false);
    commit(&mut outbox);
    assert_eq!(outbox.interactions(), BTreeSet::from([owner]));
    outbox.replace(&Arc::new(Command { order: 9, ..command("a", 1) }));
    assert_eq!(outbox.next(second(0)).unwrap().command.order, 9);
    outbox.settle(command("a", 1).id);
    assert_eq!(outbox.interactions(), BTreeSet::new());
}

#[test]
fn what_is_in_flight_stays_so_when_the_desk_reads_its_commands_back() {
    let mut before = Outbox::default();
    before.push(command("a", 1), Owner::House, second(0), false);
    before.push(command("b", 2), Owner::House, second(0), false);
    commit(&mut before);
    let flying = before.next(second(0)).unwrap().command;
    let mut after = Outbox::default();
    after.push(command("a", 1), Owner::House, second(5), true);
    after.push(command("b", 2), Owner::House, second(5), true);
    after.push(command("c", 3), Owner::House, second(5), true);
    commit(&mut after);
    after.inherit(before);

    let given: Vec<_> = std::iter::from_fn(|| after.next(second(9)))
        .map(|entry| (entry.command.lane.0.clone(), entry.uncertain))
        .collect();
    assert_eq!(given, [("b".to_owned(), false), ("c".to_owned(), true)], "of c it knows nothing");
    after.defer(flying.id, second(20), true, true);
    assert_eq!(after.next(second(20)).unwrap().attempts, 2);
}

#[test]
fn an_outcome_that_did_not_become_durable_leaves_its_command_in_flight() {
    let owed = || {
        let mut outbox = Outbox::default();
        outbox.push(command("a", 1), Owner::House, second(0), true);
        outbox.push(command("b", 2), Owner::House, second(0), true);
        commit(&mut outbox);
        outbox
    };
    let mut before = owed();
    let (with_worker, without) = (before.next(second(0)).unwrap().command, before.next(second(0)).unwrap().command);
    let earlier = before.complete();
    before.settle(with_worker.id);
    before.defer(without.id, second(7), false, false);
    before.settle(without.id);
    before.is_durable(earlier);
    let mut after = owed();
    after.inherit(before);

    assert_eq!((after.in_flight(), after.next_due()), (1, Some(second(7))));
    assert_eq!(after.next(second(9)).unwrap().command.id, without.id);
    assert!(after.next(second(9)).is_none(), "the other one's worker offers its outcome again");
    after.settle(with_worker.id);
    after.settle(without.id);
    commit(&mut after);
    let mut again = owed();
    again.inherit(after);
    assert_eq!(again.next(second(9)).map(|entry| entry.uncertain), Some(true));
}

#[test]
fn a_head_without_its_secret_is_held_until_whoever_yields_it_has_its_outcome() {
    let mut outbox = Outbox::default();
    let (mut uses, mut yields) = (command("a", 1), command("b", 2));
    uses.uses.insert(SecretRole::UserToken, "token".into());
    yields.keeps.insert(SecretRole::UserToken, "token".into());
    outbox.push(uses.clone(), Owner::House, second(0), false);
    outbox.push(yields.clone(), Owner::House, second(0), false);
    commit(&mut outbox);
    assert!(outbox.yields("token") && !outbox.yields("other"));
    assert!(outbox.owes(&"x".into(), "identify") && !outbox.owes(&"y".into(), "identify"));
    outbox.next(second(1)).unwrap();
    outbox.hold(uses.id, "token", second(1), second(100), false);
    assert_eq!(outbox.next(second(99)).unwrap().command.id, yields.id);
    assert!(outbox.next(second(99)).is_none());

    outbox.settle(yields.id);
    assert!(outbox.owes(&"x".into(), "identify"), "the other one");
    commit(&mut outbox);
    assert_eq!(outbox.next(second(2)).unwrap().command.id, uses.id);
    outbox.settle(uses.id);
    assert!(!outbox.yields("token") && !outbox.owes(&"x".into(), "identify"));
}

#[test]
fn nothing_goes_before_what_owes_it_and_what_it_follows_are_durable() {
    let mut outbox = Outbox::default();
    outbox.push(command("a", 1), Owner::House, second(0), false);
    let first = outbox.complete();
    outbox.push(command("a", 2), Owner::House, second(0), false);
    outbox.push(command("b", 3), Owner::House, second(0), false);
    assert!(outbox.next(second(1)).is_none());
    outbox.is_durable(first);
    let (given, nothing) = (outbox.next(second(1)), outbox.next(second(1)));
    assert_eq!((given.map(|entry| entry.command.order), nothing.is_none()), (Some(1), true));

    let second_batch = outbox.complete();
    outbox.settle(command("a", 1).id);
    outbox.is_durable(second_batch);
    let (given, nothing) = (outbox.next(second(1)), outbox.next(second(1)));
    assert_eq!((given.map(|entry| entry.command.order), nothing.is_none()), (Some(3), true));
    commit(&mut outbox);
    assert_eq!(outbox.next(second(1)).map(|entry| entry.command.order), Some(2));
}

#[test]
fn a_head_whose_secret_is_on_its_way_to_the_disk_goes_when_that_is_durable() {
    let mut outbox = Outbox::default();
    let (mut uses, mut yields) = (command("a", 1), command("b", 2));
    uses.uses.insert(SecretRole::UserToken, "token".into());
    yields.keeps.insert(SecretRole::UserToken, "token".into());
    outbox.push(uses.clone(), Owner::House, second(0), false);
    outbox.push(yields.clone(), Owner::House, second(0), false);
    commit(&mut outbox);
    outbox.next(second(1)).unwrap();
    outbox.hold(uses.id, "token", second(1), second(100), false);
    outbox.settle(yields.id);
    assert!(outbox.next(second(200)).is_none(), "what yields it is not durable");
    commit(&mut outbox);
    outbox.next(second(1)).unwrap();
    outbox.put_off(uses.id, second(1), false);
    assert!(outbox.next(second(200)).is_none());
    commit(&mut outbox);
    let again = outbox.next(second(1)).unwrap();
    assert_eq!((again.command.id, again.attempts, again.waited), (uses.id, 1, true), "it was not tried");
}

#[test]
fn a_deferred_head_keeps_its_place_and_its_doubt() {
    let mut outbox = Outbox::default();
    outbox.push(command("a", 1), Owner::House, second(0), false);
    outbox.push(command("a", 2), Owner::House, second(0), false);
    commit(&mut outbox);
    let first = outbox.next(second(0)).unwrap().command;
    outbox.defer(first.id, second(10), true, true);

    assert!(outbox.next(second(9)).is_none());
    let again = outbox.next(second(10)).unwrap();
    assert_eq!((again.command.id, again.attempts, again.uncertain), (first.id, 2, true));
    assert!(!again.waited, "it was tried");
}

proptest! {
    #[test]
    fn every_command_is_given_out_once_in_the_order_of_its_lane(lanes in prop::collection::vec(0_u8..4, 1..40)) {
        let mut outbox = Outbox::default();
        for (n, lane) in lanes.iter().enumerate() {
            outbox.push(command(&lane.to_string(), n as u64), Owner::House, second(0), false);
        }
        commit(&mut outbox);
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut total = 0;
        while let Some(entry) = outbox.next(second(1)) {
            let n: u64 = entry.command.purpose.0[2..].parse().unwrap();
            seen.entry(entry.command.lane.0.clone()).or_default().push(n);
            outbox.settle(entry.command.id);
            commit(&mut outbox);
            total += 1;
        }
        prop_assert_eq!(total, lanes.len());
        prop_assert!(seen.values().all(|order| order.is_sorted()));
        prop_assert_eq!(outbox.len(), 0);
    }
}
