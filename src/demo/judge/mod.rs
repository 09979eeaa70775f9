//! The judge: looks at the simulators' ledgers alone. Every message arrives, on the other side and nowhere else, in order
//! or marked late; nothing that a token or nature protects happens twice; both sides end.

mod effects;
mod marks;
mod talk;
mod thread;

use std::collections::BTreeMap;

use super::ledgers::Entries;
use marks::Marks;

/// What a journey said, each text with a mark of its own in it.
#[derive(Default)]
pub(super) struct Said {
    pub(super) journey: usize,
    pub(super) thread: String,
    /// The initial contact id.
    pub(super) contact: String,
    /// In the order in which it was said.
    pub(super) by_customer: Vec<Words>,
    pub(super) by_agents: Vec<Words>,
    /// Whether it was the customer who ended it.
    pub(super) customer_leaves: bool,
}

/// What was said in one breath.
pub(super) struct Words {
    pub(super) text: String,
    /// Whether it is the end of the message that the one before begins.
    pub(super) goes_on: bool,
}

/// What the judge has to know of the play.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// Whether messages wait for stragglers longer than any of them is late, so that none may be out of order.
    pub(super) in_order: bool,
    /// How often the hub was killed.
    pub(super) killed: usize,
}

/// What the judge found.
#[derive(Default)]
pub(super) struct Findings {
    /// What is not as it must be.
    pub(super) complaints: Vec<String>,
    /// Messages that nothing protects and that were written twice.
    pub(super) doubled: usize,
    /// Messages that went out marked late.
    pub(super) late: usize,
}

impl Findings {
    fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }
}

/// Judges what became of these journeys.
pub(super) fn judge(said: &[Said], acs: &Entries, connect: &Entries, terms: Terms) -> Findings {
    let mut findings = Findings::default();
    effects::none_twice(acs.all(), connect.all(), &mut findings);
    let lost_answers = effects::lost_answers(acs.all());
    let marks = Marks::of(said);
    for journey in said {
        talk::judge(journey, &marks, acs, connect, (terms, &lost_answers), &mut findings);
        thread::judge(journey, acs, &mut findings);
        effects::agents_side_ended(journey, connect, &mut findings);
    }
    thread::one_identity_each(acs.all(), terms, &lost_answers, &mut findings);
    findings
}

/// By what a call was about: calls whose answer was lost, so that the hub cannot know whether they had an effect.
type LostAnswers<'e> = BTreeMap<&'e str, usize>;

#[cfg(test)]
pub(super) mod forge {
    //! Ledgers of journeys that went well, to be spoiled by tests.

    use serde_json::{Value, json};

    use super::super::ledgers::Entry;
    use super::*;

    pub(super) fn entry(effect: &str, key: &str, detail: Value) -> Entry {
        Entry { seq: 0, at: jiff::Timestamp::UNIX_EPOCH, effect: effect.into(), key: key.into(), detail }
    }

    pub(super) fn words(texts: &[&str]) -> Vec<Words> {
        texts.iter().map(|text| Words { text: (*text).to_owned(), goes_on: false }).collect()
    }

    pub(super) fn said() -> Said {
        Said {
            journey: 0,
            thread: "t".into(),
            contact: "c".into(),
            by_customer: words(&["one", "two"]),
            by_agents: words(&["three", "four"]),
            customer_leaves: false,
        }
    }

    pub(super) fn posted(text: &str) -> Entry {
        let detail = json!({ "threadId": "t", "content": text, "metadata": { "tandem": text } });
        entry("message.posted", text, detail)
    }

    pub(super) fn sent(text: &str) -> Entry {
        let detail = json!({ "participantRole": "CUSTOMER", "initialContactId": "c", "content": text });
        entry("message.sent", text, detail)
    }

    pub(super) fn moved(effect: &str, id: &str, name: &str) -> Entry {
        entry(effect, &format!("t/{id}"), json!({ "displayName": name }))
    }

    /// A ledger of ACS and one of Connect.
    pub(super) fn went_well() -> (Vec<Entry>, Vec<Entry>) {
        let acs = vec![
            entry("identity.created", "customer", Value::Null),
            entry("identity.created", "ada", Value::Null),
            entry("identity.created", "grace", Value::Null),
            moved("participant.added", &format!("hub_{}", super::super::town::HUB_USER), ""),
            moved("participant.added", "customer", "Jane"),
            moved("participant.added", "ada", "Ada Agent 0"),
            posted("three"),
            moved("participant.removed", "ada", ""),
            moved("participant.added", "grace", "Grace Agent 0"),
            posted("four"),
            posted("This conversation has ended."),
            moved("participant.removed", "grace", ""),
        ];
        let of_chat = json!({ "initialContactId": "c" });
        let connect = vec![
            sent("one"),
            entry("contact.assigned", "c", of_chat.clone()),
            sent("two"),
            entry("contact.assigned", "c2", of_chat.clone()),
            entry("contact.ended", "c", of_chat.clone()),
            entry("contact.ended", "c2", of_chat),
        ];
        (acs, connect)
    }

    /// What is complained of when the ledgers are spoiled so.
    pub(super) fn complaints(spoil: impl FnOnce(&mut Vec<Entry>, &mut Vec<Entry>)) -> Vec<String> {
        let (mut acs, mut connect) = went_well();
        spoil(&mut acs, &mut connect);
        let (acs, connect) = (acs.into_iter().collect(), connect.into_iter().collect());
        judge(&[said()], &acs, &connect, Terms { in_order: false, killed: 0 }).complaints
    }

    #[test]
    fn a_journey_that_went_well_gives_no_reason_to_complain() {
        assert_eq!(complaints(|_, _| {}), Vec::<String>::new());
    }
}
