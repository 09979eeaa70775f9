//! Long text becomes pieces that a cloud takes.

use unicode_segmentation::UnicodeSegmentation;

/// No character of UTF-8 is longer; a smaller limit could not be kept.
const LONGEST_CHAR: usize = 4;

/// Splits text into pieces of at most `limit_bytes` bytes of UTF-8 (limits under 4 count as 4).
///
/// A piece ends at the end of a paragraph or line if there is one in the second half of what fits, else at the end of
/// a word, else between two characters as a reader sees them. The pieces put together are the text, except for the
/// white space at the cuts. Text that fits is one piece; blank text is none.
pub fn split(text: &str, limit_bytes: usize) -> Vec<String> {
    let limit = limit_bytes.max(LONGEST_CHAR);
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let cut = cut(rest, limit);
        let (piece, after) = rest.split_at(cut.at);
        let piece = if cut.between_words { piece.trim_end() } else { piece };
        if !piece.trim().is_empty() {
            pieces.push(piece.to_owned());
        }
        rest = if cut.between_words { after.trim_start() } else { after };
    }
    if !rest.trim().is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

struct Cut {
    at: usize,
    /// White space stands there, which may go.
    between_words: bool,
}

/// The best place to cut `text`, which is longer than `limit`. Looks at no more than the limit and one character.
fn cut(text: &str, limit: usize) -> Cut {
    let end = text.floor_char_boundary(limit);
    // With the next character in sight, the segmentation knows whether a boundary stands at `end`.
    let window = &text[..end + text[end..].chars().next().map_or(0, char::len_utf8)];
    let (mut paragraph, mut line, mut word, mut seen) = (0, 0, 0, 0);
    let mut after_break = None;
    for (at, grapheme) in window.grapheme_indices(true).take_while(|(at, _)| *at <= end) {
        seen = at;
        if !grapheme.chars().all(char::is_whitespace) {
            after_break = None;
            continue;
        }
        word = at;
        if grapheme.contains('\n') {
            line = at;
            match after_break {
                Some(first) => paragraph = first,
                None => after_break = Some(at),
            }
        }
    }
    let half = limit / 2;
    for at in [paragraph, line, word] {
        let far_enough = if at == word { 0 } else { half };
        if at > far_enough {
            return Cut { at, between_words: true };
        }
    }
    // A single character as a reader sees it can be longer than any limit: then a cut inside it is all that is left.
    Cut { at: if seen > 0 { seen } else { end }, between_words: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_fits_is_one_piece() {
        assert_eq!(split(" a b ", 5), [" a b "]);
        assert_eq!(split("", 5), Vec::<String>::new());
        assert_eq!(split(" \n ", 2), Vec::<String>::new());
    }

    #[test]
    fn a_piece_ends_where_a_reader_would_pause() {
        let rows: [(&str, usize, &[&str]); 8] = [
            ("one two three", 8, &["one two", "three"]),
            ("one two three", 7, &["one two", "three"]),
            ("aaaa bb\ncc dd ee", 12, &["aaaa bb", "cc dd ee"]),
            ("aaaa\n\nbb\ncc dd ee ff", 12, &["aaaa\n\nbb", "cc dd ee ff"]),
            ("aaaaaa\n\nb\ncc dd ee ff", 11, &["aaaaaa", "b\ncc dd ee", "ff"]),
            ("abcdefgh", 4, &["abcd", "efgh"]),
            ("äöüß", 5, &["äö", "üß"]),
            ("👩‍👩‍👧👩‍👩‍👧", 20, &["👩‍👩‍👧", "👩‍👩‍👧"]),
        ];
        for (text, limit, pieces) in rows {
            assert_eq!(split(text, limit), pieces, "{text:?} {limit}");
        }
    }

    #[test]
    fn the_longest_message_of_one_cloud_fits_the_other_in_two() {
        let text = "word ".repeat(28 * 1024 / 5);
        let pieces = split(&text, 16_384);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces.join(" ").trim_end(), text.trim_end());
    }

    #[test]
    fn one_endless_character_is_cut_in_time() {
        let text = format!("e{}", "\u{301}".repeat(100_000));
        assert_eq!(split(&text, 4).concat(), text);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_white_space_and_no_piece_is_too_long(
            text in "([a-zäß👍🏽\u{301}\u{200d}👩]| |\n|\r\n|\u{a0}){0,120}", limit in 0_usize..40
        ) {
            let pieces = split(&text, limit);
            for piece in &pieces {
                prop_assert!(piece.len() <= limit.max(4) && !piece.trim().is_empty());
            }
            let dense = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(dense(&pieces.concat()), dense(&text));
            let mut rest = text.as_str();
            for piece in &pieces {
                let at = rest.find(piece.as_str());
                prop_assert!(at.is_some_and(|at| rest[..at].trim().is_empty()), "{:?} in {:?}", piece, rest);
                rest = &rest[at.unwrap_or(0) + piece.len()..];
            }
        }
    }
}
