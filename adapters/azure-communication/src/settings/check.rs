//! Settings → what the doors work with. Every problem is named, not only the first; no value of a secret is.

use std::path::Path;
use std::time::Duration;

use tandem_sdk::problem::Problem;
use url::Url;

use super::Settings;
use super::events::{self, CheckedEvents};
use super::report::Report;
use crate::signature::AccessKey;

/// Settings that were found right, secrets resolved.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) endpoint: Url,
    pub(crate) key: AccessKey,
    pub(crate) account: String,
    pub(crate) hub_address: String,
    pub(crate) events: Option<CheckedEvents>,
    pub(crate) identity_version: String,
    pub(crate) chat_version: String,
    pub(crate) token_lifetime: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) answer_cap: usize,
    pub(crate) page_size: u32,
    pub(crate) max_pages: u32,
    pub(crate) messages_own_share: f64,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Checked {
    /// Checks everything and resolves the secrets, `file:` ones from `base`.
    pub(crate) fn new(settings: Settings, base: &Path) -> Result<Checked, Vec<Problem>> {
        let mut report = Report { base, problems: Vec::new() };
        let credential = credential(&settings, &mut report);
        let account = credential.as_ref().and_then(|(endpoint, _)| account(&settings, endpoint, &mut report));
        let hub_address = hub_address(&settings, &mut report);
        limits(&settings, &mut report);
        let events = settings.event_grid.map(|grid| events::events(grid, &mut report));
        match (credential, account, hub_address) {
            (Some((endpoint, key)), Some(account), Some(hub_address)) if report.problems.is_empty() => Ok(Checked {
                endpoint,
                key,
                account,
                hub_address,
                events: events.flatten(),
                identity_version: settings.identity_version,
                chat_version: settings.chat_version,
                token_lifetime: settings.token_lifetime,
                request_timeout: settings.request_timeout,
                answer_cap: settings.answer_cap.0,
                page_size: settings.page_size,
                max_pages: settings.max_pages,
                messages_own_share: settings.messages_own_share,
            }),
            _ => Err(report.problems),
        }
    }
}

fn credential(settings: &Settings, report: &mut Report<'_>) -> Option<(Url, AccessKey)> {
    const EITHER: &str = "either connection, or endpoint and access_key";
    match (&settings.connection, &settings.endpoint, &settings.access_key) {
        (Some(connection), None, None) => {
            let secret = report.secret("connection", connection)?;
            let Some((endpoint, key)) = connection_string(secret.reveal()) else {
                let found = "a connection string without endpoint or accesskey";
                report.wrong("connection", found, "endpoint=https://…;accesskey=…");
                return None;
            };
            let url = endpoint_url("connection", endpoint, report);
            Some((url?, access_key("connection", key, report)?))
        }
        (None, Some(endpoint), Some(key)) => {
            let url = endpoint_url("endpoint", endpoint, report);
            let key = report.secret("access_key", key)?;
            let key = access_key("access_key", key.reveal(), report);
            Some((url?, key?))
        }
        (None, None, None) => {
            report.missing("connection", EITHER);
            None
        }
        (None, None, Some(_)) => {
            report.missing("endpoint", EITHER);
            None
        }
        (None, Some(_), None) => {
            report.missing("access_key", EITHER);
            None
        }
        (Some(_), _, _) => {
            report.wrong("connection", "connection beside endpoint or access_key", EITHER);
            None
        }
    }
}

/// Endpoint and key. Names fold, order is free, a value goes on after its first `=`.
fn connection_string(text: &str) -> Option<(&str, &str)> {
    let value = |wanted: &str| {
        text.split(';')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    };
    Some((value("endpoint")?, value("accesskey")?))
}

fn endpoint_url(key: &str, text: &str, report: &mut Report<'_>) -> Option<Url> {
    let url = report.url(key, text)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        report.wrong(key, text, "an endpoint without path and query");
        return None;
    }
    Some(url)
}

fn access_key(key: &str, text: &str, report: &mut Report<'_>) -> Option<AccessKey> {
    let access_key = AccessKey::from_base64(text);
    if access_key.is_none() {
        report.wrong(key, "an access key that is not base64", "the access key as the portal shows it");
    }
    access_key
}

fn account(settings: &Settings, endpoint: &Url, report: &mut Report<'_>) -> Option<String> {
    if let Some(resource) = &settings.resource {
        let account = resource.trim().to_lowercase();
        if account.is_empty() {
            report.wrong("resource", "an empty name", "the name of the ACS resource");
        }
        return Some(account);
    }
    let host = endpoint.host_str().unwrap_or_default();
    let vendor = [".communication.azure.com", ".communication.azure.us"].iter().any(|zone| host.ends_with(zone));
    match host.split('.').next() {
        Some(label) if vendor && !label.is_empty() => Some(label.to_owned()),
        _ => {
            report.missing("resource", "the name of the ACS resource, since the endpoint does not say it");
            None
        }
    }
}

fn hub_address(settings: &Settings, report: &mut Report<'_>) -> Option<String> {
    const EXPECTED: &str = "the raw id of the hub's own identity in this resource, 8:acs:…";
    let Some(address) = &settings.hub_address else {
        report.missing("hub_address", EXPECTED);
        return None;
    };
    let suffix = address.strip_prefix("8:").and_then(|rest| rest.split_once(':')).map(|(_, suffix)| suffix);
    if suffix.is_none_or(str::is_empty) {
        report.wrong("hub_address", address.as_str(), EXPECTED);
        return None;
    }
    Some(address.clone())
}

fn limits(settings: &Settings, report: &mut Report<'_>) {
    let said = |duration: Duration| format!("{} seconds", duration.as_secs_f64());
    if settings.token_lifetime < 60 * MINUTE || settings.token_lifetime > 1440 * MINUTE {
        report.wrong("token_lifetime", said(settings.token_lifetime), "1h to 24h");
    }
    if settings.request_timeout.is_zero() || settings.request_timeout > 5 * MINUTE {
        report.wrong("request_timeout", said(settings.request_timeout), "more than 0s, at most 5m");
    }
    if settings.answer_cap.0 < 1 << 16 {
        report.wrong("answer_cap", format!("{} bytes", settings.answer_cap.0), "at least 64KiB");
    }
    if !(1..=200).contains(&settings.page_size) {
        report.wrong("page_size", settings.page_size.to_string(), "1 to 200");
    }
    if !(1..=1000).contains(&settings.max_pages) {
        report.wrong("max_pages", settings.max_pages.to_string(), "1 to 1000");
    }
    // A tenth is one message in ten seconds; with less the hub would never write.
    if !(0.1..=1.0).contains(&settings.messages_own_share) {
        report.wrong("messages_own_share", settings.messages_own_share.to_string(), "0.1 to 1");
    }
    for (key, version) in [("identity_version", &settings.identity_version), ("chat_version", &settings.chat_version)] {
        let date = version.get(..10).is_some_and(|date| date.parse::<jiff::civil::Date>().is_ok());
        if !date || !version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            report.wrong(key, version.as_str(), "an api-version such as 2024-03-07");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    /// Right settings, `event_grid` with the given further lines, and the secrets `old`, `new` and `key` as files.
    pub(crate) fn sample(event_grid: &str) -> Checked {
        check(&format!(
            "endpoint = 'https://contoso.communication.azure.com/'\naccess_key = 'file:key'\nhub_address = '8:acs:hub'\n\
             [event_grid]\ntopics = ['/subscriptions/S/ResourceGroups/r/providers/x/contoso']\n{event_grid}"
        ))
        .unwrap()
    }

    fn check(text: &str) -> Result<Checked, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        for (name, value) in [
            ("key", key.to_owned()),
            ("old", "old secret".to_owned()),
            ("new", "new secret".to_owned()),
            ("empty", "\n".to_owned()),
            ("connection", format!("AccessKey={key};Endpoint=https://contoso.communication.azure.com/\n")),
        ] {
            std::fs::write(folder.path().join(name), value).unwrap();
        }
        tandem_sdk::settings::read::<Settings>(text.parse().unwrap())
            .and_then(|settings| Checked::new(settings, folder.path()))
    }

    /// `key: found` of every problem.
    fn problems(text: &str) -> Vec<String> {
        check(text).unwrap_err().into_iter().map(|problem| format!("{}: {}", problem.key, problem.found)).collect()
    }

    #[test]
    fn a_connection_string_says_endpoint_account_and_key() {
        let checked = check("connection = 'file:connection'\nhub_address = '8:acs:hub'").unwrap();
        assert_eq!(checked.endpoint.as_str(), "https://contoso.communication.azure.com/");
        assert_eq!(checked.account, "contoso");
        assert!(checked.events.is_none());
    }

    #[test]
    fn entra_defaults_follow_the_tenant() {
        let checked = sample(&format!("entra = {{ tenant = '{TENANT}', audiences = ['api://hub'] }}"));
        let entra = checked.events.unwrap().entra.unwrap();
        assert_eq!(entra.issuers[0], format!("https://sts.windows.net/{TENANT}/"));
        assert_eq!(entra.issuers[1], format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
        assert_eq!(entra.jwks_url.as_str(), format!("https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"));
    }

    #[test]
    fn every_unreadable_key_is_named_at_once() {
        assert_eq!(
            problems(
                "acess_key = 1\nendpoint = 3\npage_size = 'x'\n[event_grid]\nbody_cap = '8MB'\n[event_grid.entra]\nfoo = 1\nleeway = '?'"
            ),
            [
                "acess_key: unknown field `acess_key`",
                "endpoint: a value of type integer that cannot be used",
                "event_grid.body_cap: a value of type string that cannot be used",
                "event_grid.entra.foo: unknown field `foo`",
                "event_grid.entra.leeway: a value of type string that cannot be used",
                "page_size: a value of type string that cannot be used",
            ]
        );
    }

    #[test]
    fn every_wrong_setting_is_named_at_once() {
        assert_eq!(
            problems(
                "access_key = 'hunter2'\nendpoint = 'http://contoso'\nhub_address = 'hub'\npage_size = 500\n\
                 messages_own_share = 1.5\n\
                 token_lifetime = '30m'\nchat_version = 'latest'\n\
                 [event_grid]\nheaders = [{ name = 'aeg-x', secrets = ['file:old'] }, { name = 'x y' }]\n\
                 [event_grid.query]\nsecrets = ['env:TANDEM_NO_SUCH_VARIABLE', 'file:empty']\n\
                 [event_grid.entra]\ntenant = 'contoso'\nleeway = '2h'\njwks_url = 'keys'"
            ),
            [
                "endpoint: http://contoso",
                "access_key: a secret is written as env:NAME or file:PATH, not inline",
                "hub_address: hub",
                "token_lifetime: 1800 seconds",
                "page_size: 500",
                "messages_own_share: 1.5",
                "chat_version: latest",
                "event_grid.topics: nothing",
                "event_grid.query.secrets: environment variable TANDEM_NO_SUCH_VARIABLE is not set",
                "event_grid.query.secrets: an empty secret",
                "event_grid.headers.0.name: aeg-x",
                "event_grid.headers.1.secrets: 0 secrets",
                "event_grid.headers.1.name: x y",
                "event_grid.entra.tenant: contoso",
                "event_grid.entra.audiences: nothing",
                "event_grid.entra.leeway: 7200 seconds",
                "event_grid.entra.jwks_url: keys",
            ]
        );
    }

    #[test]
    fn nothing_at_all_names_what_is_needed() {
        assert_eq!(problems(""), ["connection: nothing", "hub_address: nothing"]);
        assert_eq!(
            problems("connection = 'file:connection'\nhub_address = '8:acs:hub'\n[event_grid]\ntopics = ['t']"),
            ["event_grid.query: nothing"]
        );
        assert_eq!(
            problems("connection = 'file:connection'\nendpoint = 'https://x'\nhub_address = '8:acs:hub'"),
            ["connection: connection beside endpoint or access_key"]
        );
    }
}
