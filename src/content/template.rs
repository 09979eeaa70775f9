//! Texts from the config with named places, for instance `{agent} is here now.`.

use tandem_sdk::problem::Problem;

/// A text whose places are known and checked. `{{` and `}}` stand for the braces themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(String),
}

impl Template {
    /// Reads a text that may use the places in `known`. Every problem is named; their keys are empty, for
    /// [`Problem::under`].
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Vec<Problem>> {
        let mut parts = Vec::new();
        let mut problems = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(after_twin) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after_twin;
                continue;
            }
            let place = after.split_once('}').filter(|(name, _)| brace == "{" && !name.contains('{'));
            let Some((name, after_place)) = place else {
                problems.push(Problem::new(
                    "template.open_brace",
                    "",
                    format!("a lone {brace} at character {}", text.len() - rest.len() + at + 1),
                    "{name} for a place, {{ or }} for a brace",
                ));
                break;
            };
            rest = after_place;
            if known.contains(&name) {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Place(name.to_owned()));
            } else {
                problems.push(Problem::new("template.unknown_place", "", format!("{{{name}}}"), expected(known)));
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        if problems.is_empty() { Ok(Template(parts)) } else { Err(problems) }
    }

    /// The text with its places filled. Values are taken as they are: a value that looks like a place is not one. A
    /// place without a value stays empty.
    pub fn render(&self, values: &[(&str, &str)]) -> String {
        let value = |place: &str| values.iter().find(|(name, _)| *name == place).map_or("", |(_, value)| value);
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Place(name) => value(name),
            })
            .collect()
    }

    /// Whether there is nothing to say: an empty text in the config switches a message off.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn expected(known: &[&str]) -> String {
    if known.is_empty() {
        return "no places are known in this text".to_owned();
    }
    let names: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
    format!("one of {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[&str] = &["agent", "queue"];

    #[test]
    fn places_are_filled() {
        let rows = [
            ("Hello", "Hello"),
            ("{agent} is here", "Ann {queue} is here"),
            ("{queue}{queue}", "BillingBilling"),
            ("{{agent}} }}{{", "{agent} }{"),
            ("", ""),
        ];
        for (text, said) in rows {
            let template = Template::parse(text, KNOWN).unwrap();
            assert_eq!(template.render(&[("agent", "Ann {queue}"), ("queue", "Billing")]), said, "{text}");
        }
        assert_eq!(Template::parse("[{agent}]", KNOWN).unwrap().render(&[]), "[]");
        assert!(Template::parse("", KNOWN).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let problems =
            |text| Template::parse(text, KNOWN).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            problems("{agnet} {x}"),
            [
                ": {agnet}; one of {agent}, {queue} [template.unknown_place]",
                ": {x}; one of {agent}, {queue} [template.unknown_place]"
            ]
        );
        for text in ["a {", "a } b", "{a {agent}", "{"] {
            let found = Template::parse(text, KNOWN).unwrap_err();
            assert_eq!((found.len(), found[0].code), (1, "template.open_brace"), "{text}");
        }
        assert_eq!(Template::parse("{x}", &[]).unwrap_err()[0].expected, "no places are known in this text");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_escaped_text_comes_back(text in "[{}a-cä]{0,30}") {
            if let Ok(template) = Template::parse(&text, KNOWN) {
                prop_assert!(template.render(&[]).len() <= text.len());
            }
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::parse(&escaped, &[]).unwrap().render(&[]), text);
        }
    }
}
