//! Who said what, found by the mark that makes each text one of a kind.

use std::collections::HashMap;

use super::{Said, Words};

/// What somebody said in a journey.
#[derive(Clone, Copy)]
pub(super) struct Spoken<'s> {
    pub(super) journey: usize,
    pub(super) by_customer: bool,
    pub(super) words: &'s Words,
}

/// Everything that was said, by the mark in brackets at its end. Of many journeys there is too much to look for each text
/// of one in every text of the others.
pub(super) struct Marks<'s> {
    by_mark: HashMap<&'s str, Vec<Spoken<'s>>>,
    /// Without a mark.
    plain: Vec<Spoken<'s>>,
}

impl<'s> Marks<'s> {
    /// Of all but what stands for a message, which many have.
    pub(super) fn of(said: &'s [Said]) -> Self {
        let mut marks = Marks { by_mark: HashMap::new(), plain: Vec::new() };
        for of in said {
            for (by_customer, side) in [(true, &of.by_customer), (false, &of.by_agents)] {
                for words in side.iter().filter(|words| !words.text.starts_with('(')) {
                    let spoken = Spoken { journey: of.journey, by_customer, words };
                    match words.text.rfind('[').filter(|_| words.text.ends_with(']')) {
                        Some(start) => marks.by_mark.entry(&words.text[start..]).or_default().push(spoken),
                        None => marks.plain.push(spoken),
                    }
                }
            }
        }
        marks
    }

    /// What of it is in this text.
    pub(super) fn within<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Spoken<'s>> + use<'a, 's> {
        let ends = text.match_indices('[').filter_map(|(start, _)| text[start..].split_inclusive(']').next());
        let marked = ends.filter_map(|mark| self.by_mark.get(mark)).flatten();
        marked.chain(&self.plain).filter(|spoken| text.contains(&spoken.words.text)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::forge::words;
    use super::*;

    #[test]
    fn what_was_said_is_found_in_whatever_it_became_part_of() {
        let side = |texts: &[&str]| words(texts);
        let said = [
            Said { journey: 1, by_customer: side(&["Hello? [1.c0]", "(a message was taken back)"]), ..Said::default() },
            Said { journey: 11, by_agents: side(&["Yes. [11.a0]", "no mark"]), ..Said::default() },
        ];
        let marks = Marks::of(&said);
        let found =
            |text: &str| marks.within(text).map(|spoken| (spoken.journey, spoken.by_customer)).collect::<Vec<_>>();
        assert_eq!(found("Jane: Hello? [1.c0]"), [(1, true)]);
        assert_eq!(found("<p>Yes. [11.a0]</p> and [x Hello? [1.c0]"), [(11, false), (1, true)]);
        assert_eq!(found("there is no mark here"), [(11, false)]);
        assert_eq!(found("Good bye [1.c0], Yes. [1.a0] (a message was taken back) ["), []);
    }
}
