//! References such as `$.Attributes.name` in parameters.

use super::interpret::Scene;

/// The value of a single reference; none when there is no such thing or it is empty.
pub(super) fn value<'a>(scene: &'a Scene<'_>, reference: &str) -> Option<&'a str> {
    let path = reference.strip_prefix("$.")?;
    let found = match path.split_once('.') {
        Some(("Attributes", key)) => scene.attributes.get(key).map(String::as_str),
        None if path == "Channel" => Some("CHAT"),
        None if path == "ContactId" => Some(scene.contact_id),
        None if path == "InitialContactId" => Some(scene.initial_contact_id),
        None if path == "InstanceARN" => Some(scene.instance_arn),
        _ => None,
    };
    found.filter(|value| !value.is_empty())
}

/// A parameter that is either static or one reference.
pub(super) fn single(scene: &Scene<'_>, parameter: &str) -> Option<String> {
    if parameter.starts_with("$.") { value(scene, parameter).map(str::to_owned) } else { Some(parameter.to_owned()) }
}

/// A text with references in it; what is not there becomes nothing.
pub(super) fn text(scene: &Scene<'_>, template: &str) -> String {
    let mut rest = template;
    let mut text = String::new();
    while let Some(at) = rest.find("$.") {
        text.push_str(&rest[..at]);
        let length = rest[at + 2..]
            .find(|character: char| !(character.is_ascii_alphanumeric() || "._-".contains(character)))
            .map_or(rest.len() - at, |end| end + 2);
        // A full stop that ends a sentence is no part of the reference.
        let reference = rest[at..at + length].trim_end_matches('.');
        text.push_str(value(scene, reference).unwrap_or_default());
        rest = &rest[at + reference.len().max(2)..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn attributes() -> BTreeMap<String, String> {
        [("name", "Ada"), ("empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn references_are_filled_in_and_unknown_ones_vanish() {
        let attributes = attributes();
        let scene = Scene::for_test(&attributes);
        let cases = [
            ("Hello $.Attributes.name!", "Hello Ada!"),
            ("Hello $.Attributes.name.", "Hello Ada."),
            ("[$.Attributes.nobody] $.Channel", "[] CHAT"),
            ("5 $. and $", "5  and $"),
            ("$.Attributes.name", "Ada"),
        ];
        for (template, expected) in cases {
            assert_eq!(text(&scene, template), expected, "{template:?}");
        }
        assert_eq!(single(&scene, "$.Attributes.empty"), None);
        assert_eq!(single(&scene, "$.External.x"), None);
        assert_eq!(single(&scene, "plain"), Some("plain".to_owned()));
    }

    proptest! {
        #[test]
        fn no_template_panics_or_loops(template in "[$.a-zA ä]{0,60}") {
            let attributes = attributes();
            drop(text(&Scene::for_test(&attributes), &template));
        }
    }
}
