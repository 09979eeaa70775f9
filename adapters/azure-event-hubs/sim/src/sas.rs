//! Tokens signed with the key of a shared access policy.
//!
//! `SharedAccessSignature sr=RESOURCE&sig=BASE64&se=SECONDS&skn=POLICY`, each value percent-encoded; signed is the encoded
//! resource, a line feed and the expiry, with HMAC-SHA256 under the bytes of the key's text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;

use crate::address::{host, is_within, path};
use crate::grants::Grant;
use crate::settings::{Right, SasRule};

/// What a token allows for `name`, the resource that it was put for.
///
/// # Errors
/// Why it allows nothing, for the client: a sentence without any part of the token.
pub(crate) fn verify(token: &str, name: &str, rules: &[SasRule], now: Timestamp) -> Result<Grant, String> {
    let fields = token.strip_prefix("SharedAccessSignature ").ok_or("the token is no shared access signature")?;
    let field = |wanted: &str| {
        let mut found = fields.split('&').filter_map(|field| field.split_once('='));
        found.find(|(key, _)| *key == wanted).map(|(_, value)| value).ok_or(format!("the token has no {wanted}"))
    };
    let (resource, signature, expiry, policy) = (field("sr")?, field("sig")?, field("se")?, field("skn")?);
    let policy = decoded(policy);
    let rule = rules.iter().find(|rule| rule.name == policy).ok_or("the token names a policy that does not exist")?;
    let signature = STANDARD.decode(decoded(signature)).map_err(|_| "the signature is no base64")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, rule.key.as_bytes());
    hmac::verify(&key, format!("{resource}\n{expiry}").as_bytes(), &signature)
        .map_err(|_| "the signature does not fit the token")?;
    let until = expiry.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let until = until.ok_or("the expiry is no number of seconds")?;
    if until <= now {
        return Err("the token has expired".to_owned());
    }
    let audience = decoded(resource);
    if !host(&audience).eq_ignore_ascii_case(host(name)) || !is_within(path(name), path(&audience)) {
        return Err("the token is for another audience".to_owned());
    }
    Ok(Grant { rights: rule.rights.clone(), until })
}

/// A token as a client signs it, for tests and for whoever plays a client.
#[must_use]
pub fn sign(resource: &str, policy: &str, key: &str, expires: Timestamp) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let (resource, expiry) = (encode(resource), expires.as_second());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes()));
    format!("SharedAccessSignature sr={resource}&sig={}&se={expiry}&skn={}", encode(&signature), encode(policy))
}

/// Percent-decoded; a plus stays one, since base64 has it and clients do not always encode it.
fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Whether policies with these rights may do something.
pub(crate) const ANY: [Right; 3] = [Right::Send, Right::Listen, Right::Manage];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    const POLICY: &str = "RootManageSharedAccessKey";

    fn rules() -> Vec<SasRule> {
        vec![SasRule { name: POLICY.to_owned(), key: "c2VjcmV0".to_owned(), rights: vec![Right::Listen] }]
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_known_answer_is_signed_and_accepted() {
        let token = sign("sb://ns.servicebus.windows.net/hub", POLICY, "c2VjcmV0", at(1_704_067_200));
        let known = "SharedAccessSignature sr=sb%3A%2F%2Fns.servicebus.windows.net%2Fhub&\
                     sig=YCJOiEzMKkaUHNa%2BLrhFnG8vN6VT6pvXxZ61vuxhcI8%3D&se=1704067200&skn=RootManageSharedAccessKey";
        assert_eq!(token, known);
        let name = "amqps://ns.servicebus.windows.net:5671/hub/Partitions/0";
        assert_eq!(verify(&token, name, &rules(), at(1_704_067_199)).unwrap().rights, [Right::Listen]);
    }

    #[test]
    fn tokens_that_do_not_hold_are_refused_with_the_reason() {
        let good = sign("sb://host/hub", POLICY, "c2VjcmV0", at(2_000));
        let now = at(1_000);
        for (token, name, now, reason) in [
            (good.clone(), "sb://host/hub", at(2_000), "expired"),
            (good.clone(), "sb://host/other", now, "audience"),
            (good.clone(), "sb://host/hub2", now, "audience"),
            (good.clone(), "sb://elsewhere/hub", now, "audience"),
            (good.replace("se=2000", "se=9000"), "sb://host/hub", now, "signature"),
            (sign("sb://host/hub", POLICY, "wrong", at(2_000)), "sb://host/hub", now, "signature"),
            (sign("sb://host/hub", "nobody", "c2VjcmV0", at(2_000)), "sb://host/hub", now, "policy"),
            ("SharedAccessSignature sr=x".to_owned(), "sb://host/hub", now, "no sig"),
            ("Bearer x".to_owned(), "sb://host/hub", now, "shared access"),
        ] {
            let refused = verify(&token, name, &rules(), now).unwrap_err();
            assert!(refused.contains(reason), "{reason}: {refused}");
        }
    }
}
