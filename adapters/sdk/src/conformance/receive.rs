//! The checks of `Receive`.

use http::Method;
use http::header::HeaderValue;
use jiff::SignedDuration;

use super::mutate;
use super::subject::{Credential, Delivery, Subject};
use super::verdict::{Check, Verdict, verdict};
use crate::doors::{Envelope, Receive, Received, Refusal, Request};

/// Longer than any vendor goes on sending, and than any freshness window may be.
const LATE: SignedDuration = SignedDuration::from_hours(8 * 24);

pub(super) fn verdicts(subject: &Subject<'_>) -> Vec<Verdict> {
    let Some(door) = subject.receive else { return Vec::new() };
    subject.deliveries.iter().flat_map(|delivery| of_delivery(door, delivery)).collect()
}

fn of_delivery(door: &dyn Receive, delivery: &Delivery) -> Vec<Verdict> {
    let check = |check, run: &dyn Fn() -> Result<(), String>| verdict(check, &delivery.name, run);
    vec![
        check(Check::Kept, &|| kept(door, delivery)),
        check(Check::Duplicate, &|| duplicate(door, delivery)),
        check(Check::TamperedBody, &|| tampered_body(door, delivery)),
        check(Check::TamperedCredential, &|| tampered_credential(door, delivery)),
        check(Check::Stale, &|| {
            let now = delivery.now + LATE;
            refused(&door.receive(&Request { now, ..delivery.request(&Method::POST) }), "eight days late")
        }),
        check(Check::UnknownDoor, &|| match door
            .receive(&Request { door: "no-such-door", ..delivery.request(&Method::POST) })
        {
            Received::Refused(Refusal::NoSuchDoor(_)) => Ok(()),
            other => Err(format!("a door that is not there answers {}", name(&other))),
        }),
        check(Check::DamagedDelivery, &|| damaged(door, delivery)),
        check(Check::CredentialStripped, &|| stripped(door, delivery)),
    ]
}

fn envelopes(received: Received) -> Result<Vec<Envelope>, String> {
    match received {
        Received::Kept(kept) => Ok(kept.envelopes),
        other => Err(format!("it was {}", name(&other))),
    }
}

fn kept(door: &dyn Receive, delivery: &Delivery) -> Result<(), String> {
    let cap = door.doors().into_iter().find(|(name, _)| *name == delivery.door).map(|(_, cap)| cap);
    if cap.is_none_or(|cap| cap < delivery.body.len()) {
        return Err(format!("the door {} is not listed with room for it", delivery.door));
    }
    let envelopes = envelopes(door.receive(&delivery.request(&Method::POST)))?;
    if envelopes.is_empty() {
        return Err("nothing was kept of it".to_owned());
    }
    for envelope in envelopes {
        if envelope.dedupe.is_empty() || envelope.dedupe.iter().any(String::is_empty) {
            return Err("an envelope has no dedupe key".to_owned());
        }
        if envelope.origin.is_empty() || envelope.door != delivery.door {
            return Err("an envelope does not say how or where it came".to_owned());
        }
    }
    Ok(())
}

fn duplicate(door: &dyn Receive, delivery: &Delivery) -> Result<(), String> {
    let first = envelopes(door.receive(&delivery.request(&Method::POST)))?;
    let later = delivery.now + SignedDuration::from_secs(20);
    let second = envelopes(door.receive(&Request { now: later, ..delivery.request(&Method::POST) }))?;
    if first == second { Ok(()) } else { Err("a second delivery gives other envelopes".to_owned()) }
}

fn tampered_body(door: &dyn Receive, delivery: &Delivery) -> Result<(), String> {
    for (n, body) in mutate::flipped(&delivery.body).enumerate() {
        match door.receive(&Request { body: &body, ..delivery.request(&Method::POST) }) {
            Received::Refused(Refusal::NotAuthentic(_)) | Received::NeedKey(_) => {}
            // What is not signed may change; what is kept as signed may not. The adapter decides which bytes those are:
            // whatever is kept must then be the same as without the damage.
            Received::Kept(kept) if delivery.credential == Credential::Body => {
                let whole = envelopes(door.receive(&delivery.request(&Method::POST)))?;
                let same = kept.envelopes.iter().zip(&whole).all(|(kept, whole)| kept.dedupe == whole.dedupe);
                if !same || kept.envelopes.len() != whole.len() {
                    return Err(format!("damage {n} passed for another message"));
                }
            }
            other => return Err(format!("damage {n} was {}", name(&other))),
        }
    }
    Ok(())
}

fn tampered_credential(door: &dyn Receive, delivery: &Delivery) -> Result<(), String> {
    match &delivery.credential {
        Credential::Body => Ok(()),
        Credential::Query => {
            for place in mutate::places(delivery.query.len()) {
                let mut query = delivery.query.clone().into_bytes();
                query[place] = if query[place] == b'x' { b'y' } else { b'x' };
                let query = String::from_utf8_lossy(&query).into_owned();
                refused(&door.receive(&Request { query: &query, ..delivery.request(&Method::POST) }), "another query")?;
            }
            refused(&door.receive(&Request { query: "", ..delivery.request(&Method::POST) }), "no query")
        }
        Credential::Header(header) => {
            let mut headers = delivery.headers.clone();
            let value = headers.remove(*header).ok_or("the delivery has no such header")?;
            refused(&door.receive(&Request { headers: &headers, ..delivery.request(&Method::POST) }), "no header")?;
            for place in mutate::places(value.len()) {
                let mut value = value.as_bytes().to_vec();
                value[place] = if value[place] == b'x' { b'y' } else { b'x' };
                headers.insert(*header, HeaderValue::from_bytes(&value).map_err(|error| error.to_string())?);
                let received = door.receive(&Request { headers: &headers, ..delivery.request(&Method::POST) });
                refused(&received, "another header")?;
            }
            Ok(())
        }
    }
}

fn damaged(door: &dyn Receive, delivery: &Delivery) -> Result<(), String> {
    let bodies = mutate::flipped(&delivery.body).chain(mutate::truncated(&delivery.body));
    for body in bodies.chain(mutate::hostile(&delivery.body)) {
        let received = door.receive(&Request { body: &body, ..delivery.request(&Method::POST) });
        let Received::Kept(kept) = received else { continue };
        if kept.envelopes.iter().any(|envelope| envelope.dedupe.is_empty()) {
            return Err("an envelope of a damaged body has no dedupe key".to_owned());
        }
    }
    Ok(())
}

fn stripped(door: &dyn Receive, delivery: &Delivery) -> Result<(), String> {
    let secret = match &delivery.credential {
        Credential::Header(header) => {
            delivery.headers.get(*header).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        }
        Credential::Query => delivery.query.split('=').next_back().unwrap_or_default().to_owned(),
        Credential::Body => {
            let body: serde_json::Value = serde_json::from_slice(&delivery.body).map_err(|error| error.to_string())?;
            body["Signature"].as_str().unwrap_or_default().to_owned()
        }
    };
    for envelope in envelopes(door.receive(&delivery.request(&Method::POST)))? {
        let kept = format!("{:?} {:?} {:?}", envelope.dedupe, envelope.origin, envelope.kind);
        let body = String::from_utf8_lossy(&envelope.body);
        if !secret.is_empty() && (kept.contains(&secret) || body.contains(&secret)) {
            return Err("the credential is kept".to_owned());
        }
    }
    Ok(())
}

fn refused(received: &Received, what: &str) -> Result<(), String> {
    match received {
        Received::Refused(Refusal::NotAuthentic(_)) => Ok(()),
        other => Err(format!("{what}: it was {}", name(other))),
    }
}

fn name(received: &Received) -> String {
    match received {
        Received::Kept(_) => "kept".to_owned(),
        Received::Refused(refusal) => format!("refused: {refusal}"),
        Received::NeedKey(url) => format!("in need of {}", url.host_str().unwrap_or_default()),
    }
}
