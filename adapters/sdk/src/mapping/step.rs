//! The steps of `as`.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::tape::{Kind, Node};
use super::value::{Type, Value};

/// One step between a path and a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Timestamp,
    EpochSeconds,
    EpochMillis,
    Happened,
    LastSegment,
    Lower,
    String,
    AcsIdentifier,
}

/// Amazon Connect writes "not happened" as one millisecond after the epoch; nothing a cloud reports is older than this.
const NEVER: Timestamp = Timestamp::constant(86_400, 0);

impl Step {
    const ALL: [(&'static str, Step); 8] = [
        ("timestamp", Step::Timestamp),
        ("epoch_seconds", Step::EpochSeconds),
        ("epoch_millis", Step::EpochMillis),
        ("happened", Step::Happened),
        ("last_segment", Step::LastSegment),
        ("lower", Step::Lower),
        ("string", Step::String),
        ("acs_identifier", Step::AcsIdentifier),
    ];

    /// The step of this name.
    pub(super) fn named(name: &str) -> Option<Step> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, step)| *step)
    }

    /// The names of all steps, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(|(name, _)| name).join(", ")
    }

    /// What it makes of such a value, or what it would need.
    pub(super) fn makes(self, of: Type) -> Result<Type, &'static str> {
        let (takes, needs, makes): (&[Type], _, _) = match self {
            Step::Timestamp => (&[Type::Json, Type::Text], "text", Type::Time),
            Step::EpochSeconds | Step::EpochMillis => (&[Type::Json, Type::Text], "a number", Type::Time),
            Step::Happened => (&[Type::Time], "a time", Type::Time),
            Step::LastSegment | Step::Lower => (&[Type::Json, Type::Text], "text", Type::Text),
            Step::String => (&[Type::Json, Type::Text, Type::Time], "text, a number or a time", Type::Text),
            Step::AcsIdentifier => (&[Type::Json, Type::Text], "an identifier", Type::Text),
        };
        if of == Type::Any || takes.contains(&of) { Ok(makes) } else { Err(needs) }
    }

    /// Takes the step; nothing when the value does not allow it.
    pub(super) fn take(self, value: Value<'_>) -> Option<Value<'_>> {
        match self {
            Step::Timestamp => match value {
                Value::Time(time) => Some(time),
                other => other.text().and_then(|text| timestamp(&text)),
            }
            .map(Value::Time),
            Step::EpochSeconds => epoch(value, 1_000_000_000).map(Value::Time),
            Step::EpochMillis => epoch(value, 1_000_000).map(Value::Time),
            Step::Happened => value.time().filter(|time| *time >= NEVER).map(Value::Time),
            Step::LastSegment => value.text().and_then(last_segment).map(Value::Text),
            Step::Lower => value.text().map(|text| Value::Text(lower(text))),
            Step::String => match value {
                Value::Json(node) => node.plain(),
                Value::Text(text) => Some(text),
                Value::Time(time) => Some(Cow::Owned(time.to_string())),
            }
            .map(Value::Text),
            Step::AcsIdentifier => match value {
                Value::Json(node) => acs_identifier(node),
                Value::Text(text) => Some(text),
                Value::Time(_) => None,
            }
            .filter(|id| !id.is_empty())
            .map(Value::Text),
        }
    }
}

/// RFC 3339 with any offset. Digits behind the nanosecond are dropped.
fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let dot = text.find('.')? + 1;
    let digits = text[dot..].bytes().take_while(u8::is_ascii_digit).count();
    let (head, tail) = (text.get(..dot + digits.min(9))?, text.get(dot + digits..)?);
    format!("{head}{tail}").parse().ok()
}

/// A number, or a text that is one, in units of so many nanoseconds since 1970.
fn epoch(value: Value<'_>, unit: i64) -> Option<Timestamp> {
    let plain = match value {
        Value::Json(node) => node.plain()?,
        other => other.text()?,
    };
    if let Ok(whole) = plain.parse::<i64>() {
        return Timestamp::from_nanosecond(i128::from(whole) * i128::from(unit)).ok();
    }
    let number: f64 = plain.parse().ok()?;
    let seconds = number * (unit as f64 / 1e9);
    let since = SignedDuration::try_from_secs_f64(seconds).ok()?;
    // Thousandths are the finest that any cloud gives; what is behind them in a float is noise.
    Timestamp::from_millisecond(i64::try_from(since.as_nanos().checked_add(500_000)?.div_euclid(1_000_000)).ok()?).ok()
}

/// What follows the last `/`, or the last `:` where there is no `/`.
fn last_segment(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let start = text.rfind('/').or_else(|| text.rfind(':')).map_or(0, |at| at + 1);
    if start == text.len() {
        return None;
    }
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..]),
        Cow::Owned(text) => Cow::Owned(text[start..].to_owned()),
    })
}

fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}

/// An ACS identifier as its raw id: `rawId` where it stands, else built from the child that says what it is, by the
/// prefixes of the ACS identifier model.
fn acs_identifier(node: Node<'_>) -> Option<Cow<'_, str>> {
    if let Kind::Text(text) = node.kind() {
        return Some(Cow::Borrowed(text));
    }
    let field = |parent: Node<'_>, key: &str| parent.get(key, false).and_then(|found| found.text().map(str::to_owned));
    if let Some(raw) = node.get("rawId", false).and_then(Node::text) {
        return Some(Cow::Borrowed(raw));
    }
    if let Some(user) = node.get("communicationUser", false) {
        return field(user, "id").map(Cow::Owned);
    }
    if let Some(phone) = node.get("phoneNumber", false) {
        return field(phone, "value").map(|number| Cow::Owned(format!("4:{number}")));
    }
    let cloud = |of: Node<'_>| field(of, "cloud").unwrap_or_default();
    if let Some(teams) = node.get("microsoftTeamsUser", false) {
        let anonymous = matches!(teams.get("isAnonymous", false).map(Node::kind), Some(Kind::Bool(true)));
        let prefix = match cloud(teams).as_str() {
            _ if anonymous => "8:teamsvisitor:",
            "dod" => "8:dod:",
            "gcch" => "8:gcch:",
            _ => "8:orgid:",
        };
        return field(teams, "userId").map(|id| Cow::Owned(format!("{prefix}{id}")));
    }
    let app = node.get("microsoftTeamsApp", false)?;
    let prefix = match cloud(app).as_str() {
        "dod" => "28:dod:",
        "gcch" => "28:gcch:",
        _ => "28:orgid:",
    };
    field(app, "appId").map(|id| Cow::Owned(format!("{prefix}{id}")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::super::tape::Tape;
    use super::*;

    fn take(step: Step, json: &str) -> Option<String> {
        let tape = Tape::parse_str(json).unwrap();
        match step.take(Value::Json(tape.top()))? {
            Value::Time(time) => Some(time.to_string()),
            other => other.text().map(Cow::into_owned),
        }
    }

    #[test]
    fn every_step_makes_what_the_clouds_write_usable() {
        for (step, from, to) in [
            (Step::Timestamp, r#""2021-02-20T01:07:10.5704596Z""#, Some("2021-02-20T01:07:10.5704596Z")),
            (Step::Timestamp, r#""2021-02-19T17:07:10.064-08:00""#, Some("2021-02-20T01:07:10.064Z")),
            (Step::Timestamp, r#""2021-02-20T01:07:10+00:00""#, Some("2021-02-20T01:07:10Z")),
            (Step::Timestamp, r#""2021-02-20T01:07:10.12345678901234Z""#, Some("2021-02-20T01:07:10.123456789Z")),
            (Step::Timestamp, r#""2021-02-20T01:07:10""#, None),
            (Step::Timestamp, r#""yesterday.at noon""#, None),
            (Step::Timestamp, r#""é.1é""#, None),
            (Step::Timestamp, "17", None),
            (Step::EpochSeconds, "1698113955.154", Some("2023-10-24T02:19:15.154Z")),
            (Step::EpochSeconds, "1698113955", Some("2023-10-24T02:19:15Z")),
            (Step::EpochSeconds, "1e300", None),
            (Step::EpochMillis, r#""1613694358927""#, Some("2021-02-19T00:25:58.927Z")),
            (Step::EpochMillis, "9223372036854775807", None),
            (Step::LastSegment, r#""arn:aws:connect:us-west-2:1:instance/i/agent/a-1""#, Some("a-1")),
            (Step::LastSegment, r#""arn:aws:sns:us-west-2:1:topic""#, Some("topic")),
            (Step::LastSegment, r#""plain""#, Some("plain")),
            (Step::LastSegment, r#""queue/""#, None),
            (Step::Lower, r#""ABC-é""#, Some("abc-é")),
            (Step::String, "1613694358927", Some("1613694358927")),
            (Step::String, r#""1613694358927""#, Some("1613694358927")),
            (Step::String, "-3", Some("-3")),
            (Step::String, "{}", None),
            (Step::AcsIdentifier, r#""8:acs:a_b""#, Some("8:acs:a_b")),
            (Step::AcsIdentifier, r#"{"rawId":"8:acs:a_b","communicationUser":{"id":"x"}}"#, Some("8:acs:a_b")),
            (Step::AcsIdentifier, r#"{"communicationUser":{"id":"8:acs:a_b"}}"#, Some("8:acs:a_b")),
            (Step::AcsIdentifier, r#"{"phoneNumber":{"value":"+15550100"}}"#, Some("4:+15550100")),
            (Step::AcsIdentifier, r#"{"microsoftTeamsUser":{"userId":"u"}}"#, Some("8:orgid:u")),
            (Step::AcsIdentifier, r#"{"microsoftTeamsUser":{"userId":"u","cloud":"gcch"}}"#, Some("8:gcch:u")),
            (
                Step::AcsIdentifier,
                r#"{"microsoftTeamsUser":{"userId":"u","isAnonymous":true}}"#,
                Some("8:teamsvisitor:u"),
            ),
            (Step::AcsIdentifier, r#"{"microsoftTeamsApp":{"appId":"b"}}"#, Some("28:orgid:b")),
            (Step::AcsIdentifier, r#"{"kind":"unknown"}"#, None),
            (Step::AcsIdentifier, "5", None),
        ] {
            assert_eq!(take(step, from).as_deref(), to, "{step:?} {from}");
        }
    }

    #[test]
    fn the_placeholder_of_1970_did_not_happen() {
        let at = |text: &str| Step::Happened.take(Value::Time(text.parse().unwrap())).is_some();
        assert!(!at("1970-01-01T00:00:00.001Z"));
        assert!(at("2023-10-24T02:39:15.240Z"));
    }

    #[test]
    fn steps_refuse_what_they_cannot_take_before_any_event_comes() {
        assert_eq!(Step::Happened.makes(Type::Json), Err("a time"));
        assert_eq!(Step::Lower.makes(Type::Time), Err("text"));
        assert_eq!(Step::String.makes(Type::Time), Ok(Type::Text));
        assert_eq!(Step::Happened.makes(Type::Any), Ok(Type::Time));
    }
}
