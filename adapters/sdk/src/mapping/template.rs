//! The template of a fact's key.

use std::borrow::Cow;

use ring::digest;

use super::path::{Inner, Path, Scope};
use super::tape::{Kind, Node};
use super::target::Target;
use crate::model::{DIGEST, Fact};

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(String),
    /// The first of these that is there.
    Slot(Vec<Choice>),
}

#[derive(Debug)]
struct Choice {
    what: What,
    digest: bool,
    unless: Option<What>,
}

#[derive(Debug)]
enum What {
    Field(Target),
    Path(Path),
}

/// Why a template cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It cannot be read.
    Unreadable(String),
    /// It names a field that no fact has.
    UnknownField(String),
    /// It would put personal data into a key.
    Personal(String),
}

impl Template {
    /// Compiles a template.
    pub(super) fn parse(written: &str, fold: bool, inner: &mut Inner) -> Result<Self, Fault> {
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((slot, after)) = after.split_once('}') else {
                return Err(Fault::Unreadable("a `{` is not closed".to_owned()));
            };
            parts.push(Part::Literal(literal.to_owned()));
            let choices = slot.split(", else ").map(|choice| Choice::parse(choice, fold, inner));
            parts.push(Part::Slot(choices.collect::<Result<_, _>>()?));
            rest = after;
        }
        if rest.contains('}') {
            return Err(Fault::Unreadable("a `}` has no `{`".to_owned()));
        }
        parts.push(Part::Literal(rest.to_owned()));
        if written.is_empty() {
            return Err(Fault::Unreadable("it is empty".to_owned()));
        }
        Ok(Template(parts))
    }

    /// The fields that it reads.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Target> {
        let choices = self.0.iter().flat_map(|part| match part {
            Part::Literal(_) => [].iter(),
            Part::Slot(choices) => choices.iter(),
        });
        choices.flat_map(|choice| std::iter::once(&choice.what).chain(&choice.unless)).filter_map(|what| match what {
            What::Field(target) => Some(target),
            What::Path(_) => None,
        })
    }

    /// The key of this fact. An absent part goes together with the slash before it.
    pub(super) fn render(&self, fact: &Fact, scope: Scope<'_>) -> String {
        let mut key = String::with_capacity(80);
        for part in &self.0 {
            match part {
                Part::Literal(text) => key.push_str(text),
                Part::Slot(choices) => match choices.iter().find_map(|choice| choice.value(fact, scope)) {
                    Some(text) => key.push_str(&text),
                    None if key.ends_with('/') => {
                        key.pop();
                    }
                    None => {}
                },
            }
        }
        key
    }
}

impl Choice {
    fn parse(written: &str, fold: bool, inner: &mut Inner) -> Result<Self, Fault> {
        let (what, unless) = match written.split_once(" unless ") {
            Some((what, unless)) => (what, Some(What::parse(unless.trim(), fold, inner)?)),
            None => (written, None),
        };
        let (what, digest) = match what.trim().strip_suffix(" digest") {
            Some(what) => (what, true),
            None => (what, false),
        };
        let what = What::parse(what.trim(), fold, inner)?;
        match &what {
            What::Field(target) if target.is_personal() && !digest => Err(Fault::Personal(written.trim().to_owned())),
            _ => Ok(Choice { what, digest, unless }),
        }
    }

    fn value<'t>(&self, fact: &'t Fact, scope: Scope<'t>) -> Option<Cow<'t, str>> {
        let value =
            if self.digest { Some(Cow::Owned(self.what.digest(fact, scope)?)) } else { self.what.value(fact, scope) }?;
        match &self.unless {
            Some(unless) if self.what.value(fact, scope) == unless.value(fact, scope) => None,
            _ => Some(value),
        }
    }
}

impl What {
    fn parse(written: &str, fold: bool, inner: &mut Inner) -> Result<Self, Fault> {
        if written.starts_with("$.") {
            return Path::parse(written, fold, inner).map(What::Path).map_err(Fault::Unreadable);
        }
        if let Some(relative) = written.strip_prefix('.') {
            let relative = if relative.is_empty() { "." } else { relative };
            return Path::parse(relative, fold, inner).map(What::Path).map_err(Fault::Unreadable);
        }
        Target::named(written).map(What::Field).ok_or_else(|| Fault::UnknownField(written.to_owned()))
    }

    fn value<'t>(&self, fact: &'t Fact, scope: Scope<'t>) -> Option<Cow<'t, str>> {
        match self {
            What::Field(target) => target.read(fact),
            What::Path(path) => path.find(scope).and_then(Node::plain),
        }
    }

    /// Marked, so that [`Fact::identify`] puts a keyed one in its place: whoever sees the key of a fact and guesses an address
    /// must not be able to find out that they are right.
    fn digest(&self, fact: &Fact, scope: Scope<'_>) -> Option<String> {
        let node = match self {
            What::Field(_) => None,
            What::Path(path) => Some(path.find(scope)?),
        };
        let text = match node {
            Some(node) if matches!(node.kind(), Kind::Object | Kind::List) => {
                let mut text = String::with_capacity(1024);
                write_sorted(node, &mut text);
                Cow::Owned(text)
            }
            _ => self.value(fact, scope)?,
        };
        Some(format!("{DIGEST}{}", hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))))
    }
}

/// Writes a value so that two with the same content have the same text, whatever the order of their keys. Every text is
/// length-prefixed, so that no two contents run together.
fn write_sorted(node: Node<'_>, text: &mut String) {
    let put = |text: &mut String, value: &str| {
        text.push_str(&value.len().to_string());
        text.push(':');
        text.push_str(value);
    };
    match node.kind() {
        Kind::Null => text.push('n'),
        Kind::Text(value) => put(text, value),
        Kind::List => {
            text.push('[');
            node.content().for_each(|(_, item)| write_sorted(item, text));
            text.push(']');
        }
        Kind::Object => {
            text.push('{');
            let mut content: Vec<_> = node.content().collect();
            content.sort_by_key(|(key, _)| *key);
            for (key, value) in content {
                put(text, key);
                write_sorted(value, text);
            }
            text.push('}');
        }
        Kind::Bool(_) | Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) => {
            text.push('=');
            put(text, &node.plain().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use jiff::Timestamp;

    use super::super::tape::Tape;
    use super::*;
    use crate::model::{FactKind, LegRef, Message};

    fn render(template: &str, version: Option<&str>, payload: &str) -> String {
        let leg = LegRef { system: "s".into(), account: "a".into(), kind: "thread".into(), native: "n".into() };
        let mut fact = Fact::new(FactKind::MessageEdited, leg, Timestamp::constant(60, 0), "");
        fact.message = Some(Message {
            id: "1".into(),
            version: version.map(str::to_owned),
            text: "hi".into(),
            ..Message::default()
        });
        let mut inner = Inner::default();
        let template = Template::parse(template, false, &mut inner).unwrap();
        let tape = Tape::parse_str(payload).unwrap();
        let opened = inner.open(&tape);
        template.render(&fact, Scope::new(&tape, &opened))
    }

    #[test]
    fn a_key_is_put_together_from_what_is_there() {
        let edited = "message.edited/{message.id}/{message.version unless message.id, else occurred_at}";
        for (template, version, payload, key) in [
            ("leg.initiated", None, "{}", "leg.initiated"),
            ("posted/{message.id}/{message.version}", Some("2"), "{}", "posted/1/2"),
            ("posted/{message.id}/{message.version}", None, "{}", "posted/1"),
            (edited, Some("2"), "{}", "message.edited/1/2"),
            (edited, Some("1"), "{}", "message.edited/1/1970-01-01T00:01:00Z"),
            (edited, None, "{}", "message.edited/1/1970-01-01T00:01:00Z"),
            ("x/{.v}/{$.w.json().z}", None, r#"{"v":5,"w":"{\"z\":true}"}"#, "x/5/true"),
            (
                "x/{message.text digest}",
                None,
                "{}",
                "x/sha256:8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",
            ),
        ] {
            assert_eq!(render(template, version, payload), key, "{template} {version:?}");
        }
    }

    #[test]
    fn the_digest_of_an_object_does_not_depend_on_the_order_of_its_keys() {
        let one = render("{. digest}", None, r#"{"a":1,"b":[{"c":"x","d":null}]}"#);
        assert_eq!(one, render("{. digest}", None, r#"{"b":[{"d":null,"c":"x"}],"a":1}"#));
        assert_eq!(one.len(), DIGEST.len() + 64);
        assert_ne!(one, render("{. digest}", None, r#"{"a":2,"b":[{"c":"x","d":null}]}"#));
    }

    #[test]
    fn a_template_that_cannot_be_or_would_show_a_person_is_refused() {
        let fault = |template| Template::parse(template, false, &mut Inner::default()).unwrap_err();
        assert_eq!(fault("x/{author.address}"), Fault::Personal("author.address".to_owned()));
        assert_eq!(fault("x/{message.sender}"), Fault::UnknownField("message.sender".to_owned()));
        for template in ["", "x/{message.id", "x/}", "x/{$.a..b}"] {
            assert!(matches!(fault(template), Fault::Unreadable(_)), "{template}");
        }
    }
}
