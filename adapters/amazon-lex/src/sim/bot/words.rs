//! A text as the bot hears it: words in lower case, without punctuation.

/// The words of a text. Case and punctuation do not count; a placeholder stays what it is.
pub(super) fn words(text: &str) -> Vec<String> {
    let bare = |word: &str| {
        if placeholder(word).is_some() {
            return word.to_owned();
        }
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '\'' | '-' | '+' | '@' | '.');
        let word: String = word.to_lowercase().chars().filter(kept).collect();
        word.trim_matches(['.', '-', '\'']).to_owned()
    };
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}

/// The slot's name in `{Name}`.
pub(super) fn placeholder(word: &str) -> Option<&str> {
    word.strip_prefix('{')?.strip_suffix('}')
}

/// The names of the slots in a sample utterance.
pub(super) fn placeholders(utterance: &str) -> impl Iterator<Item = &str> {
    utterance.split_whitespace().filter_map(placeholder)
}

/// Whether a text is one of these phrases.
pub(in crate::sim) fn is_one_of(text: &str, phrases: &[String]) -> bool {
    let said = words(text);
    phrases.iter().any(|phrase| words(phrase) == said)
}
