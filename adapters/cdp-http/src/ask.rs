//! Identities → questions, in the configured order of preference. Pure.

use tandem_sdk::model::Identity;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::settings::{Asking, Checked, Method, Row};

/// What stands for the identity in an address.
pub(crate) const VALUE: &str = "{value}";
/// Longest value that is asked with, in bytes; no identity is that long.
const MAX_VALUE: usize = 512;

/// One question to the CDP. Holds personal data: it has no `Debug`.
pub(crate) struct Question {
    pub(crate) url: Url,
    /// Text of a JSON object, for POST.
    pub(crate) body: Option<String>,
}

/// The questions for these identities, the best first.
pub(crate) fn questions(settings: &Checked, identities: &[Identity]) -> Vec<Question> {
    let of_row = |row: &Row| {
        let value = identities.iter().find(|identity| identity.kind == row.kind)?.value.reveal()?.trim();
        question(settings.method, row, value)
    };
    let most = if settings.ask == Asking::Best { 1 } else { settings.rows.len() };
    settings.rows.iter().filter_map(of_row).take(most).collect()
}

/// The question for one value; none for a value that cannot be an identity or would lead to another path.
pub(crate) fn question(method: Method, row: &Row, value: &str) -> Option<Question> {
    let in_path = row.url.contains(VALUE);
    if value.is_empty() || value.len() > MAX_VALUE || (in_path && matches!(value, "." | "..")) {
        return None;
    }
    // Form encoding writes a space as a plus, which means itself in a path.
    let encoded = byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20");
    let mut url = Url::parse(&row.url.replace(VALUE, &encoded)).ok()?;
    let mut body = None;
    match (&row.parameter, method) {
        (Some(parameter), Method::Get) => drop(url.query_pairs_mut().append_pair(parameter, value)),
        (Some(parameter), Method::Post) => {
            let field = (parameter.clone(), serde_json::Value::from(value));
            body = Some(serde_json::Value::Object([field].into_iter().collect()).to_string());
        }
        (None, Method::Post) => body = Some("{}".to_owned()),
        (None, Method::Get) => {}
    }
    Some(Question { url, body })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use std::path::Path;

    use proptest::prelude::*;
    use tandem_sdk::model::{IdentityKind, Personal};

    use super::*;
    use crate::Settings;

    fn settings(toml: &str) -> Checked {
        toml::from_str::<Settings>(toml).unwrap().check(Path::new(".")).unwrap()
    }

    fn identity(kind: IdentityKind, value: &str) -> Identity {
        Identity { kind, value: Personal::new(value), source: "acs".to_owned(), verified: true }
    }

    fn asked(settings: &Checked, identities: &[Identity]) -> Vec<(String, Option<String>)> {
        questions(settings, identities).into_iter().map(|asked| (asked.url.to_string(), asked.body)).collect()
    }

    const ROWS: &str = "
        [[identities]]
        kind = 'customer'
        url = 'https://cdp.example.com/v1/profiles/{value}?fields=all'
        [[identities]]
        kind = 'phone'
        parameter = 'phone'";

    fn get(ask: &str) -> Checked {
        settings(&format!("url = 'https://cdp.example.com/v1/search'\nask = '{ask}'\n{ROWS}"))
    }

    #[test]
    fn the_best_identity_is_asked_with_whatever_the_order_they_come_in() {
        let identities = [identity(IdentityKind::Phone, "+43 1"), identity(IdentityKind::Customer, "a/b c+d")];
        let path = ("https://cdp.example.com/v1/profiles/a%2Fb%20c%2Bd?fields=all".to_owned(), None);
        let query = ("https://cdp.example.com/v1/search?phone=%2B43+1".to_owned(), None);
        assert_eq!(asked(&get("best"), &identities), std::slice::from_ref(&path));
        assert_eq!(asked(&get("each"), &identities), [path, query.clone()]);
        assert_eq!(asked(&get("best"), &identities[..1]), [query]);
        assert_eq!(asked(&get("best"), &[identity(IdentityKind::Email, "a@example.com")]), []);
    }

    #[test]
    fn a_post_carries_the_identity_in_an_object() {
        let settings = settings(
            "url = 'https://cdp.example.com/find'\nmethod = 'POST'\n[[identities]]\nkind = 'email'\nparameter = 'mail'",
        );
        let expected = ("https://cdp.example.com/find".to_owned(), Some(r#"{"mail":"a\"b@example.com"}"#.to_owned()));
        assert_eq!(asked(&settings, &[identity(IdentityKind::Email, "a\"b@example.com")]), [expected]);
    }

    proptest! {
        #[test]
        fn no_value_leads_to_another_host_or_path(value in "\\PC{0,40}|\\.{1,3}|[./?#%@:\\\\]{1,8}") {
            for question in questions(&get("best"), &[identity(IdentityKind::Customer, &value)]) {
                prop_assert_eq!(question.url.host_str(), Some("cdp.example.com"));
                prop_assert_eq!(question.url.query(), Some("fields=all"));
                let segments: Vec<_> = question.url.path_segments().unwrap().collect();
                prop_assert_eq!((segments.len(), segments[0], segments[1]), (3, "v1", "profiles"));
            }
        }
    }
}
