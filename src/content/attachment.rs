//! Files that stay behind are told of, not dropped in silence.

use tandem_sdk::model::Attachment;

/// Longest name that is told, in characters.
const NAME: usize = 120;

/// The line that stands for a message without anything to read. ACS events do not tell of files: one that is only a
/// file comes as a message without text.
pub const NOTHING_TO_SHOW: &str = "[a message without text, for instance a file, could not be carried over]";

/// The line that stands for a file which the other side does not get, for instance
/// `[file plan.png (image/png) could not be carried over]`.
pub fn not_carried(attachment: &Attachment) -> String {
    let name = attachment.name.reveal().map(one_line).filter(|name| !name.is_empty());
    let media_type = attachment.media_type.as_deref().map(one_line).filter(|media_type| !media_type.is_empty());
    let what = match (name, media_type) {
        (Some(name), Some(media_type)) => format!("file {name} ({media_type})"),
        (Some(name), None) => format!("file {name}"),
        (None, Some(media_type)) => format!("a file ({media_type})"),
        (None, None) => "a file".to_owned(),
    };
    format!("[{what} could not be carried over]")
}

/// A name as one short line: names come from the sender's machine and may hold anything.
pub(super) fn one_line(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    match clean.char_indices().nth(NAME) {
        None => clean.to_owned(),
        Some((end, _)) => format!("{}…", &clean[..end]),
    }
}

#[cfg(test)]
mod tests {
    use tandem_sdk::model::Personal;

    use super::*;

    fn line(name: Option<&str>, media_type: Option<&str>) -> String {
        not_carried(&Attachment {
            id: "1".to_owned(),
            name: name.map_or(Personal::NONE, Personal::new),
            media_type: media_type.map(str::to_owned),
            url: Personal::NONE,
        })
    }

    #[test]
    fn a_file_is_named_as_far_as_it_is_known() {
        assert_eq!(line(Some("name.png"), Some("image/png")), "[file name.png (image/png) could not be carried over]");
        assert_eq!(line(Some("name.png"), None), "[file name.png could not be carried over]");
        assert_eq!(line(None, Some("image/png")), "[a file (image/png) could not be carried over]");
        assert_eq!(line(Some("\n"), None), "[a file could not be carried over]");
    }

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(line(Some("a\r\nb"), None), "[file a  b could not be carried over]");
        assert!(line(Some(&"ü".repeat(5_000)), None).chars().count() < 160);
    }
}
