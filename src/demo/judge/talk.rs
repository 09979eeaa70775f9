//! What was said and what was heard.

use super::super::ledgers::Entries;
use super::{Findings, LostAnswers, Marks, Said, Terms, Words};

/// Words that the hub puts before a message that is older than one relayed before it.
const LATE: &str = "(sent earlier)";

/// What one side heard: texts and what makes each one of a kind, in order.
type Heard<'e> = Vec<(&'e str, &'e str)>;

/// Everything that one side said was heard on the other, in order or marked late, and nowhere else.
pub(super) fn judge(
    journey: &Said,
    marks: &Marks<'_>,
    acs: &Entries,
    connect: &Entries,
    (terms, lost): (Terms, &LostAnswers<'_>),
    findings: &mut Findings,
) {
    let to_agents = connect.about(&journey.contact).filter(|entry| entry.is_said_by_customer_in(&journey.contact));
    let to_customer = acs.about(&journey.thread).filter(|entry| entry.is_posted_by_hub_in(&journey.thread));
    let at_agents: Heard<'_> = to_agents.map(|entry| (entry.text("content"), entry.key.as_str())).collect();
    let at_customer: Heard<'_> = to_customer.map(|entry| (entry.text("content"), entry.key.as_str())).collect();
    // A token protects what is sent to Connect; in ACS a request may land after the look for it.
    let may_double = |key: &str| terms.killed > 0 || lost.contains_key(key);
    let agents = Side { journey: journey.journey, name: "agents", in_order: terms.in_order };
    agents.judge(&journey.by_customer, &at_agents, |_| false, findings);
    let customer = Side { name: "customer", ..agents };
    customer.judge(&journey.by_agents, &at_customer, may_double, findings);
    let echo = |words: &Words, place: &str, findings: &mut Findings| {
        findings.complain(format!("journey {}: {:?} came into its {place}", journey.journey, words.text));
    };
    // What somebody said comes out on the other side of their own chat alone.
    for (text, _) in &at_customer {
        for spoken in marks.within(text).filter(|spoken| spoken.by_customer || spoken.journey != journey.journey) {
            echo(spoken.words, "thread", findings);
        }
    }
    for (text, _) in &at_agents {
        for spoken in marks.within(text).filter(|spoken| !spoken.by_customer || spoken.journey != journey.journey) {
            echo(spoken.words, "contact", findings);
        }
    }
    let closings = at_customer.iter().filter(|(text, _)| text.starts_with("This conversation has ended")).count();
    if closings == 0 && !journey.customer_leaves {
        findings.complain(format!("journey {}: the customer was never told of the end", journey.journey));
    }
}

#[derive(Clone, Copy)]
struct Side {
    journey: usize,
    name: &'static str,
    in_order: bool,
}

impl Side {
    fn complain(self, words: &Words, what: &str, findings: &mut Findings) {
        findings.complain(format!("journey {}: {} heard {:?} {what}", self.journey, self.name, words.text));
    }

    fn judge(self, said: &[Words], heard: &Heard<'_>, may_double: impl Fn(&str) -> bool, findings: &mut Findings) {
        // Where each was heard first, and its place among what was said.
        let mut firsts: Vec<(usize, usize)> = Vec::new();
        for (n, words) in said.iter().enumerate() {
            let places: Vec<usize> = (0..heard.len()).filter(|place| heard[*place].0.contains(&words.text)).collect();
            let Some((first, again)) = places.split_first() else {
                self.complain(words, "never", findings);
                continue;
            };
            firsts.push((*first, n));
            findings.doubled += again.len();
            if again.iter().any(|place| heard[*place].1 != heard[*first].1 || !may_double(heard[*place].1)) {
                self.complain(words, &format!("{} times", places.len()), findings);
            }
        }
        firsts.sort_unstable();
        let mut newest = 0;
        for (place, n) in firsts {
            let words = &said[n];
            let (is_overtaken, is_late) = (n < newest, heard[place].0.starts_with(LATE));
            newest = newest.max(n);
            if words.goes_on {
                continue;
            }
            findings.late += usize::from(is_late);
            match (is_overtaken, is_late) {
                (true, _) if self.in_order => self.complain(words, "out of order, although it waits", findings),
                (true, false) => self.complain(words, "out of order and not marked late", findings),
                (false, true) => self.complain(words, "in order and marked late", findings),
                (true, true) | (false, false) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::ledgers::Entry;
    use super::super::forge::{complaints, posted, sent, words};
    use super::*;

    fn judged(in_order: bool, heard: &[&str]) -> usize {
        let heard: Heard<'_> = heard.iter().map(|text| (*text, "key")).collect();
        let mut findings = Findings::default();
        let side = Side { journey: 0, name: "agents", in_order };
        side.judge(&words(&["one", "two", "three"]), &heard, |_| false, &mut findings);
        findings.complaints.len()
    }

    #[test]
    fn what_is_missing_doubled_or_out_of_order_is_a_complaint() {
        assert_eq!(judged(true, &["one", "two", "three"]), 0);
        assert_eq!(judged(false, &["two", "(sent earlier) one", "three"]), 0);
        assert_eq!(judged(true, &["two", "(sent earlier) one", "three"]), 1);
        assert_eq!(judged(false, &["two", "one", "three"]), 1);
        assert_eq!(judged(false, &["three", "(sent earlier) one", "(sent earlier) two"]), 0);
        assert_eq!(judged(false, &["one", "(sent earlier) two", "three"]), 1);
        assert_eq!(judged(false, &["one", "one", "two", "three"]), 1);
        assert_eq!(judged(false, &["one", "three"]), 1);
    }

    #[test]
    fn a_double_is_forgiven_only_where_its_own_answer_was_lost() {
        let heard = vec![("one", "a"), ("one", "a"), ("two", "b")];
        let doubled = |lost: &str| {
            let mut findings = Findings::default();
            let side = Side { journey: 0, name: "customer", in_order: false };
            let lost = BTreeMap::from([(lost, 1)]);
            side.judge(&words(&["one", "two"]), &heard, |key| lost.contains_key(key), &mut findings);
            (findings.complaints.len(), findings.doubled)
        };
        assert_eq!(doubled("a"), (0, 1));
        assert_eq!(doubled("b"), (1, 1));
    }

    #[test]
    fn what_comes_back_or_goes_elsewhere_is_a_complaint() {
        assert_eq!(complaints(|acs, _| acs.push(posted("Jane: one"))).len(), 1);
        assert_eq!(complaints(|_, connect| connect.push(sent("Ada: three"))).len(), 1);
    }

    #[test]
    fn an_end_of_which_the_customer_is_not_told_is_a_complaint() {
        let untold = |acs: &mut Vec<Entry>| acs.retain(|entry| !entry.text("content").starts_with("This conversation"));
        assert_eq!(complaints(|acs, _| untold(acs)).len(), 1);
    }
}
