//! The webhook part: who may deliver and subscribe, and how we know.

use std::time::Duration;

use http::HeaderName;
use tandem_sdk::secret::Secret;
use url::Url;

use super::report::Report;
use super::{Entra, EventGrid};

/// The webhook part of the settings. Names that are compared without regard to case are in lower case.
#[derive(Debug)]
pub(crate) struct CheckedEvents {
    pub(crate) topics: Vec<String>,
    pub(crate) subscriptions: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) query: Option<(String, Vec<Secret>)>,
    pub(crate) headers: Vec<(HeaderName, Vec<Secret>)>,
    pub(crate) entra: Option<CheckedEntra>,
    pub(crate) body_cap: usize,
    pub(crate) max_events: usize,
}

/// The Entra part of [`CheckedEvents`].
#[derive(Debug)]
pub(crate) struct CheckedEntra {
    pub(crate) audiences: Vec<String>,
    pub(crate) issuers: Vec<String>,
    pub(crate) app_id: String,
    pub(crate) role: Option<String>,
    pub(crate) jwks_url: Url,
    pub(crate) leeway: Duration,
}

/// Checks the part `event_grid`; nothing when anything in it is wrong.
pub(super) fn events(grid: EventGrid, report: &mut Report<'_>) -> Option<CheckedEvents> {
    let before = report.problems.len();
    if grid.topics.is_empty() && grid.subscriptions.is_empty() {
        let expected = "at least one topic or subscription name; else any stranger could subscribe the URL";
        report.missing("event_grid.topics", expected);
    }
    if grid.query.is_none() && grid.headers.is_empty() && grid.entra.is_none() {
        report.missing("event_grid.query", "at least one of query, headers and entra; Event Grid signs nothing");
    }
    if grid.body_cap.0 < 1 << 20 {
        let expected = "at least 1MiB, the vendor's maximum";
        report.wrong("event_grid.body_cap", format!("{} bytes", grid.body_cap.0), expected);
    }
    if !(1..=100_000).contains(&grid.max_events) {
        report.wrong("event_grid.max_events", grid.max_events.to_string(), "1 to 100000");
    }
    let query = grid.query.map(|query| {
        if query.name.is_empty() {
            report.wrong("event_grid.query.name", "an empty name", "the name of a query parameter");
        }
        let secrets = report.secrets("event_grid.query.secrets", &query.secrets);
        (query.name, secrets)
    });
    if grid.headers.len() > 10 {
        let found = format!("{} headers", grid.headers.len());
        report.wrong("event_grid.headers", found, "at most 10, the vendor's maximum");
    }
    let mut headers = Vec::new();
    for (n, header) in grid.headers.iter().enumerate() {
        let key = format!("event_grid.headers.{n}");
        let secrets = report.secrets(&format!("{key}.secrets"), &header.secrets);
        match HeaderName::from_bytes(header.name.as_bytes()) {
            Ok(name) if name.as_str().starts_with("aeg-") => {
                report.wrong(&format!("{key}.name"), header.name.as_str(), "a name that does not begin with aeg-");
            }
            Ok(name) if name == http::header::AUTHORIZATION && grid.entra.is_some() => {
                report.wrong(&format!("{key}.name"), header.name.as_str(), "another name: entra uses this header");
            }
            Ok(name) => headers.push((name, secrets)),
            Err(_) => report.wrong(&format!("{key}.name"), header.name.as_str(), "the name of an HTTP header"),
        }
    }
    let entra = grid.entra.map(|entra| self::entra(entra, report));
    let fold = |names: Vec<String>| names.iter().map(|name| crate::receive::fold(name)).collect();
    (report.problems.len() == before).then(|| CheckedEvents {
        topics: fold(grid.topics),
        subscriptions: fold(grid.subscriptions),
        origins: fold(grid.origins),
        query,
        headers,
        entra: entra.flatten(),
        body_cap: grid.body_cap.0,
        max_events: grid.max_events,
    })
}

fn entra(entra: Entra, report: &mut Report<'_>) -> Option<CheckedEntra> {
    let key = |name: &str| format!("event_grid.entra.{name}");
    let tenant = entra.tenant.as_deref().and_then(|tenant| tenant.parse::<uuid::Uuid>().ok());
    match (&entra.tenant, tenant) {
        (None, _) => report.missing(&key("tenant"), "the tenant id, a GUID"),
        (Some(found), None) => report.wrong(&key("tenant"), found.as_str(), "the tenant id, a GUID"),
        _ => {}
    }
    if entra.audiences.is_empty() {
        let expected = "the application id or application id URI that the event subscription names";
        report.missing(&key("audiences"), expected);
    }
    if entra.app_id.is_empty() {
        report.wrong(&key("app_id"), "an empty id", "the application id of Event Grid");
    }
    if entra.leeway > Duration::from_secs(3600) {
        report.wrong(&key("leeway"), format!("{} seconds", entra.leeway.as_secs_f64()), "at most 1h");
    }
    let tenant = tenant.unwrap_or_default();
    let jwks_url =
        entra.jwks_url.unwrap_or_else(|| format!("https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys"));
    let jwks_url = report.url(&key("jwks_url"), &jwks_url)?;
    let issuers = if entra.issuers.is_empty() {
        vec![format!("https://sts.windows.net/{tenant}/"), format!("https://login.microsoftonline.com/{tenant}/v2.0")]
    } else {
        entra.issuers
    };
    Some(CheckedEntra {
        audiences: entra.audiences,
        issuers,
        app_id: entra.app_id,
        role: Some(entra.role).filter(|role| !role.is_empty()),
        jwks_url,
        leeway: entra.leeway,
    })
}
