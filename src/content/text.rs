//! One way in for every content type.

use tandem_sdk::model::ContentType;

use super::{html, interactive};

/// Turns a message into text that every chat can show.
///
/// * text and Markdown stay as they are: Markdown is readable without being rendered;
/// * HTML becomes readable text, its links as `text (address)`;
/// * interactive messages become a numbered list, answers to them what was chosen;
/// * a message that is only files has whatever text came with it ([`super::not_carried`] tells of the files, and
///   [`super::NOTHING_TO_SHOW`] stands for those that nobody told of);
/// * of a type that nobody described only the type is told: raw JSON in a chat helps nobody, and it may hold what was
///   not meant for the other side.
pub fn to_text(content_type: &ContentType, text: &str) -> String {
    match content_type {
        ContentType::Text | ContentType::Markdown | ContentType::Attachment => text.to_owned(),
        ContentType::Html => html::to_text(text),
        ContentType::Interactive => interactive::message(text),
        ContentType::InteractiveResponse => interactive::answer(text),
        ContentType::Unknown(name) => {
            format!("[a message of type {} could not be carried over]", super::attachment::one_line(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_and_markdown_stay_as_they_are() {
        for kind in [ContentType::Text, ContentType::Markdown] {
            assert_eq!(to_text(&kind, "**a** <b> & c\n"), "**a** <b> & c\n");
        }
    }

    #[test]
    fn of_an_unknown_type_only_the_type_is_told() {
        let kind = ContentType::Unknown("application/x-thing\n".to_owned());
        assert_eq!(to_text(&kind, "{}"), "[a message of type application/x-thing could not be carried over]");
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text in "\\PC*|([<>/&;a-z\"'= {}\\[\\]:,-]|<a href=|<li>|<pre>|&#|&amp){0,200}") {
            for kind in [ContentType::Html, ContentType::Interactive, ContentType::InteractiveResponse] {
                let _ = to_text(&kind, &text);
            }
        }
    }
}
