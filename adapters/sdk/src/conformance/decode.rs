//! The checks of `Decode`.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::mutate;
use super::subject::{Sample, Subject, Understood};
use super::verdict::{Check, Verdict, verdict};
use crate::doors::{Decode, Decoded, Envelope};
use crate::model::Fact;

pub(super) fn verdicts(subject: &Subject<'_>) -> Vec<Verdict> {
    let door = subject.decode;
    let mut verdicts = Vec::new();
    for sample in &subject.samples {
        let check = |check, run: &dyn Fn() -> Result<(), String>| verdict(check, &sample.name, run);
        verdicts.push(check(Check::Understood, &|| understood(door, sample)));
        verdicts.push(check(Check::Facts, &|| facts(door, sample)));
        verdicts.push(check(Check::UnknownField, &|| unknown_field(door, sample)));
        verdicts.push(check(Check::DamagedEvent, &|| damaged(door, sample)));
    }
    for (one, other) in &subject.twins {
        verdicts.push(verdict(Check::Twins, one, || twins(subject, one, other)));
    }
    verdicts
}

fn decode(door: &dyn Decode, sample: &Sample, body: Bytes) -> Decoded {
    door.decode(&Envelope {
        door: sample.door.to_owned(),
        kind: None,
        dedupe: vec!["sample".to_owned()],
        origin: vec!["sample".to_owned()],
        body,
    })
}

fn of(decoded: &Decoded) -> Understood {
    match decoded {
        Decoded::Facts(_) => Understood::Facts,
        Decoded::Ignored { unknown: false, .. } => Understood::Ignored,
        Decoded::Ignored { unknown: true, .. } => Understood::Unknown,
        Decoded::Malformed { .. } => Understood::Malformed,
    }
}

fn understood(door: &dyn Decode, sample: &Sample) -> Result<(), String> {
    let decoded = decode(door, sample, sample.body.clone());
    if let Decoded::Ignored { reason, .. } = &decoded
        && reason.is_empty()
    {
        return Err("it is ignored without a reason".to_owned());
    }
    if of(&decoded) == sample.understood { Ok(()) } else { Err(format!("it is {decoded:?}")) }
}

fn facts(door: &dyn Decode, sample: &Sample) -> Result<(), String> {
    if door.version().is_empty() {
        return Err("the decoder has no version".to_owned());
    }
    let decoded = decode(door, sample, sample.body.clone());
    if decoded != decode(door, sample, sample.body.clone()) {
        return Err("it is understood in two ways".to_owned());
    }
    let Decoded::Facts(facts) = decoded else { return Ok(()) };
    if facts.is_empty() {
        return Err("no facts, and no reason".to_owned());
    }
    let whole = |fact: &Fact| {
        let leg = &fact.leg;
        let named = [&leg.system, &leg.account, &leg.kind, &leg.native, &fact.key].iter().all(|text| !text.is_empty());
        named && leg.account == leg.account.to_ascii_lowercase() && fact.occurred_at > Timestamp::UNIX_EPOCH
    };
    match facts.iter().find(|fact| !whole(fact)) {
        Some(fact) => Err(format!("{fact:?} lacks something that every fact has")),
        None => Ok(()),
    }
}

fn unknown_field(door: &dyn Decode, sample: &Sample) -> Result<(), String> {
    let Ok(mut event) = serde_json::from_slice::<Value>(&sample.body) else { return Ok(()) };
    let before = decode(door, sample, sample.body.clone());
    grow(&mut event);
    let after = decode(door, sample, Bytes::from(event.to_string()));
    // A key may be a digest of the whole event; everything else stays.
    let stays = match (&before, &after) {
        (Decoded::Facts(before), Decoded::Facts(after)) => {
            let same = |(one, other): (&Fact, &Fact)| {
                Fact { key: String::new(), ..one.clone() } == Fact { key: String::new(), ..other.clone() }
            };
            before.len() == after.len() && before.iter().zip(after).all(same)
        }
        _ => before == after,
    };
    if stays { Ok(()) } else { Err(format!("with unknown fields it is {after:?}")) }
}

/// Adds an unknown field to every object.
fn grow(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(grow);
            object.insert("unheardOf".to_owned(), json!({"new": [1, null, "x"]}));
        }
        Value::Array(items) => items.iter_mut().for_each(grow),
        _ => {}
    }
}

fn damaged(door: &dyn Decode, sample: &Sample) -> Result<(), String> {
    for body in mutate::truncated(&sample.body) {
        let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        if !whole && of(&decode(door, sample, body.clone())) != Understood::Malformed {
            return Err(format!("cut off after {} bytes it is not malformed", body.len()));
        }
    }
    for body in mutate::flipped(&sample.body).chain(mutate::hostile(&sample.body)) {
        if let Decoded::Facts(facts) = decode(door, sample, body)
            && facts.iter().any(|fact| fact.leg.native.is_empty() || fact.key.is_empty())
        {
            return Err("a damaged event gives a fact without a leg or a key".to_owned());
        }
    }
    Ok(())
}

fn twins(subject: &Subject<'_>, one: &str, other: &str) -> Result<(), String> {
    let find = |name: &str| {
        let sample = subject.samples.iter().find(|sample| sample.name == name);
        sample.ok_or_else(|| format!("there is no sample {name}"))
    };
    let (one, other) = (find(one)?, find(other)?);
    let (first, second) =
        (decode(subject.decode, one, one.body.clone()), decode(subject.decode, other, other.body.clone()));
    match (&first, &second) {
        (Decoded::Facts(_), _) if first == second => Ok(()),
        _ => Err(format!("{first:?}\nis not\n{second:?}")),
    }
}
