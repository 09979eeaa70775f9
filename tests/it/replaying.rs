//! A replay names what other rules and other mappings would have made of the same log.

use tandem::interactions::Settings;
use tandem::replay::Room;
use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::model::{FactKind, Personal};

use crate::clouds::Spelled;
use crate::desk_house::RULES;
use crate::journeys::a_thread_of_the_site;
use crate::play::Play;

/// Reads messages otherwise: louder, and without what an agent calls `Hello`.
struct Louder;

impl Decode for Louder {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        let Decoded::Facts(mut facts) = Spelled.decode(envelope) else { panic!("a journey spells its facts") };
        for message in facts.iter_mut().filter_map(|fact| fact.message.as_mut()) {
            message.text = Personal::new(message.text.reveal().unwrap().to_uppercase());
        }
        facts.retain(|fact| fact.kind != FactKind::LegQueued);
        Decoded::Facts(facts)
    }

    fn version(&self) -> &str {
        "louder"
    }
}

#[tokio::test]
async fn what_was_in_force_gives_what_was_recorded() {
    let play = a_thread_of_the_site(Play::new(Settings::default(), true, vec![])).await;
    let replayed = play.replayed(RULES, &Spelled);
    assert_eq!((replayed.different, replayed.passed_over), (0, 0));
    assert!(replayed.decoded > 10 && replayed.turns > 30, "{replayed:?}");
    let same = format!("# A remark changes no decision.\n{RULES}");
    assert_eq!(play.replayed(&same, &Spelled).different, 0);
}

#[tokio::test]
async fn other_rules_are_named_where_they_decide_otherwise() {
    let play = a_thread_of_the_site(Play::new(Settings::default(), true, vec![])).await;
    let replayed = play.replayed(&RULES.replace("queue-gold", "queue-silver"), &Spelled);
    assert_eq!(replayed.different, 1, "a difference does not spread: {:?}", replayed.differences);
    let found = &replayed.differences[0];
    assert_eq!(found.room, Room::Conduct);
    assert!(found.recorded.contains("queue-gold") && found.now.contains("queue-silver"), "{found:?}");
}

#[tokio::test]
async fn other_mappings_are_named_where_they_understand_otherwise() {
    let play = a_thread_of_the_site(Play::new(Settings::default(), true, vec![])).await;
    let replayed = play.replayed(RULES, &Louder);
    let of = |now: &str| replayed.differences.iter().filter(|found| found.now == now).count();
    assert_eq!((of("no such fact"), of("other message")), (1, replayed.different as usize - 1));
    assert!(of("other message") > 5 && replayed.differences.iter().all(|found| found.room == Room::Decode));
    let told = serde_json::to_string(&replayed).unwrap().to_lowercase();
    assert!(!told.contains("i need help"), "what was said is not shown");
}
