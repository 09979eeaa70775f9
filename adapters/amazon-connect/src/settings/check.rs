//! What stands after everything was checked. Every problem is named, not the first.

use std::path::Path;
use std::time::Duration;

use http::HeaderName;
use tandem_sdk::problem::Problem;
use tandem_sdk::secret::{Secret, SecretRef};
use url::Url;
use uuid::Uuid;

use super::{EventBridge, Settings, Sns};
use crate::topic::Topic;

/// Settings that can work.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) region: String,
    /// Lower case.
    pub(crate) instance_id: String,
    /// Access key id, secret access key, session token.
    pub(crate) credentials: Option<(Secret, Secret, Option<Secret>)>,
    pub(crate) connect_endpoint: Option<String>,
    pub(crate) participant_endpoint: Option<String>,
    pub(crate) eventbridge: Option<ApiDestination>,
    pub(crate) sns: Option<CheckedSns>,
    pub(crate) streaming_topic: Option<String>,
    pub(crate) chat_minutes: Option<i32>,
    pub(crate) content_types: Vec<String>,
    pub(crate) transcript_pages: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) quota_pause: Duration,
}

/// What a request of the API destination must carry.
#[derive(Clone, Debug)]
pub(crate) enum ApiDestination {
    /// This header with one of these values.
    ApiKey(HeaderName, Vec<Secret>),
    /// `Authorization: Basic` with one of these, each `user:password`.
    Basic(Vec<Secret>),
    /// `Authorization: Bearer` with one of these.
    Bearer(Vec<Secret>),
}

/// Which SNS messages are believed.
#[derive(Clone, Debug)]
pub(crate) struct CheckedSns {
    pub(crate) topics: Vec<Topic>,
    pub(crate) sha1: bool,
    pub(crate) sha256: bool,
    pub(crate) freshness: Duration,
    pub(crate) accept_unchained: bool,
}

/// Collects problems; a method that finds one returns nothing usable.
struct Findings<'a> {
    base: &'a Path,
    problems: Vec<Problem>,
}

impl Settings {
    /// Checks every key and reads every secret. `base` is the folder of the config file.
    pub(crate) fn check(self, base: &Path) -> Result<Checked, Vec<Problem>> {
        let mut findings = Findings { base, problems: Vec::new() };
        let region = findings.region(&self.region);
        let instance_id = findings.instance(&self.instance_id);
        let credentials = self.credentials.as_ref().and_then(|keys| {
            let id = findings.required_secret("credentials.access_key_id", keys.access_key_id.as_ref());
            let key = findings.required_secret("credentials.secret_access_key", keys.secret_access_key.as_ref());
            let token = keys.session_token.as_ref().and_then(|r| findings.secret("credentials.session_token", r));
            Some((id?, key?, token))
        });
        let connect_endpoint = findings.endpoint("endpoints.connect", self.endpoints.connect.as_ref());
        let participant_endpoint = findings.endpoint("endpoints.participant", self.endpoints.participant.as_ref());
        let eventbridge = self.eventbridge.as_ref().and_then(|section| findings.eventbridge(section));
        let sns = self.sns.as_ref().map(|section| findings.sns(section));
        let streaming_topic = findings.streaming_topic(&self, sns.as_ref());
        let chat_minutes = self.chat.duration.map(|duration| findings.chat_minutes(duration));
        if !self.chat.content_types.iter().any(|kind| kind == "text/plain") {
            findings.wrong("chat.content_types", format!("{:?}", self.chat.content_types), "text/plain among them");
        }
        if !(1..=500).contains(&self.chat.transcript_pages) {
            findings.wrong("chat.transcript_pages", self.chat.transcript_pages.to_string(), "1 to 500");
        }
        for (key, span, most) in [
            ("timeouts.connect", self.timeouts.connect, 60),
            ("timeouts.call", self.timeouts.call, 300),
            ("timeouts.quota_pause", self.timeouts.quota_pause, 3_600),
        ] {
            if span.is_zero() || span > Duration::from_secs(most) {
                findings.wrong(key, format!("{span:?}"), format!("more than nothing and at most {most}s"));
            }
        }
        if !findings.problems.is_empty() {
            return Err(findings.problems);
        }
        Ok(Checked {
            region,
            instance_id,
            credentials,
            connect_endpoint,
            participant_endpoint,
            eventbridge,
            sns,
            streaming_topic,
            chat_minutes,
            content_types: self.chat.content_types,
            transcript_pages: self.chat.transcript_pages,
            connect_timeout: self.timeouts.connect,
            call_timeout: self.timeouts.call,
            quota_pause: self.timeouts.quota_pause,
        })
    }
}

impl Findings<'_> {
    fn wrong(&mut self, key: &str, found: impl Into<String>, expected: impl Into<String>) {
        self.problems.push(Problem::new("settings.wrong_value", key, found, expected));
    }

    fn missing(&mut self, key: &str, expected: &str) {
        self.problems.push(Problem::new("settings.missing", key, "nothing", expected));
    }

    fn secret(&mut self, key: &str, reference: &SecretRef) -> Option<Secret> {
        match reference.resolve(self.base) {
            Ok(secret) if secret.reveal().is_empty() => self.wrong(key, "an empty secret", "at least one character"),
            Ok(secret) => return Some(secret),
            Err(error) => {
                let expected = "env:NAME or file:PATH of a secret that is there";
                self.problems.push(Problem::new("settings.secret", key, error.to_string(), expected));
            }
        }
        None
    }

    fn required_secret(&mut self, key: &str, reference: Option<&SecretRef>) -> Option<Secret> {
        match reference {
            Some(reference) => self.secret(key, reference),
            None => {
                self.missing(key, "env:NAME or file:PATH; without a fixed key, no section `credentials` at all");
                None
            }
        }
    }

    /// One secret, or two while it is being changed.
    fn secrets(&mut self, key: &str, references: &[SecretRef]) -> Vec<Secret> {
        if !(1..=2).contains(&references.len()) {
            self.wrong(key, format!("{} secrets", references.len()), "one, or two while it is being changed");
        }
        references.iter().filter_map(|reference| self.secret(key, reference)).collect()
    }

    fn region(&mut self, region: &str) -> String {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() {
            self.missing("region", "the AWS region of the instance, for instance eu-central-1");
        } else if !region.bytes().all(fits) {
            self.wrong("region", region, "an AWS region, for instance eu-central-1");
        }
        region.to_owned()
    }

    fn instance(&mut self, id: &str) -> String {
        if id.is_empty() {
            self.missing("instance_id", "the id of the Connect instance, a UUID");
        } else if Uuid::try_parse(id).is_err() || id.len() != 36 {
            self.wrong("instance_id", id, "a UUID, the last segment of the instance's ARN");
        }
        id.to_ascii_lowercase()
    }

    fn endpoint(&mut self, key: &str, url: Option<&Url>) -> Option<String> {
        let url = url?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if url.scheme() != "https" || !bare || url.host_str().is_none() {
            self.wrong(key, url.as_str(), "https, a host, perhaps a port, and nothing else");
            return None;
        }
        // The SDK joins paths that begin with a slash.
        Some(url.as_str().trim_end_matches('/').to_owned())
    }

    fn eventbridge(&mut self, section: &EventBridge) -> Option<ApiDestination> {
        let mut ways = Vec::new();
        if let Some(api_key) = &section.api_key {
            let secrets = self.secrets("eventbridge.api_key.secrets", &api_key.secrets);
            match HeaderName::try_from(api_key.header.as_str()) {
                Ok(header) => ways.push(ApiDestination::ApiKey(header, secrets)),
                Err(_) => self.wrong("eventbridge.api_key.header", &api_key.header, "the name of a header"),
            }
        }
        if let Some(basic) = &section.basic {
            if basic.username.is_empty() || basic.username.contains(':') {
                self.wrong("eventbridge.basic.username", &basic.username, "a user name without a colon");
            }
            let passwords = self.secrets("eventbridge.basic.passwords", &basic.passwords);
            let pair = |password: &Secret| Secret::new(format!("{}:{}", basic.username, password.reveal()));
            ways.push(ApiDestination::Basic(passwords.iter().map(pair).collect()));
        }
        if let Some(bearer) = &section.bearer {
            ways.push(ApiDestination::Bearer(self.secrets("eventbridge.bearer.tokens", &bearer.tokens)));
        }
        let named = [section.api_key.is_some(), section.basic.is_some(), section.bearer.is_some()];
        match named.iter().filter(|there| **there).count() {
            1 => ways.pop(),
            count => {
                self.wrong("eventbridge", format!("{count} ways to authenticate"), "one of api_key, basic, bearer");
                None
            }
        }
    }

    fn sns(&mut self, section: &Sns) -> CheckedSns {
        if section.topics.is_empty() {
            self.missing("sns.topics", "the ARN of at least one topic");
        }
        let mut topics = Vec::new();
        for arn in &section.topics {
            match Topic::parse(arn) {
                Some(topic) => topics.push(topic),
                None => self.wrong("sns.topics", arn, "arn:<partition>:sns:<region>:<account>:<name>, not FIFO"),
            }
        }
        let versions = &section.signature_versions;
        if versions.is_empty() || versions.iter().any(|version| !matches!(version.as_str(), "1" | "2")) {
            self.wrong("sns.signature_versions", format!("{versions:?}"), r#"["2"], ["1"] or both"#);
        }
        if section.freshness.is_zero() || section.freshness > Duration::from_secs(7 * 24 * 60 * 60) {
            self.wrong("sns.freshness", format!("{:?}", section.freshness), "more than nothing and at most seven days");
        }
        CheckedSns {
            topics,
            sha1: versions.iter().any(|version| version == "1"),
            sha256: versions.iter().any(|version| version == "2"),
            freshness: section.freshness,
            accept_unchained: section.accept_unchained,
        }
    }

    fn streaming_topic(&mut self, settings: &Settings, sns: Option<&CheckedSns>) -> Option<String> {
        let key = "chat.streaming_topic";
        let known = sns.map(|sns| sns.topics.as_slice()).unwrap_or_default();
        let Some(arn) = &settings.chat.streaming_topic else {
            match known {
                [only] if only.region() == settings.region => return Some(only.arn().to_owned()),
                [] | [_] => {}
                _ => self.missing(key, "which one of sns.topics Connect streams to"),
            }
            return None;
        };
        match Topic::parse(arn) {
            Some(topic) if topic.region() == settings.region => {
                if sns.is_some() && !known.iter().any(|known| known.arn() == arn) {
                    self.wrong(key, arn, "one of sns.topics, or its messages are refused");
                }
                return Some(arn.clone());
            }
            _ => self.wrong(key, arn, "the ARN of a standard topic in the region of the instance"),
        }
        None
    }

    fn chat_minutes(&mut self, duration: Duration) -> i32 {
        let minutes = i32::try_from(duration.as_secs() / 60).unwrap_or(i32::MAX);
        if !(60..=10_080).contains(&minutes) || duration != Duration::from_secs(duration.as_secs() / 60 * 60) {
            self.wrong("chat.duration", format!("{duration:?}"), "one hour to seven days, in whole minutes");
        }
        minutes
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    /// Settings that can work; `base` holds `key`.
    fn sample() -> &'static str {
        r#"
        region = "eu-central-1"
        instance_id = "11111111-2222-3333-4444-55555555AAAA"
        [credentials]
        access_key_id = "file:key"
        secret_access_key = "file:key"
        [eventbridge.api_key]
        header = "x-api-key"
        secrets = ["file:key"]
        [sns]
        topics = ["arn:aws:sns:eu-central-1:111122223333:chat"]
        "#
    }

    /// The checked settings of a document, or its problems as lines.
    fn checked(document: &str) -> Result<Checked, Vec<String>> {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("key"), "hunter2\n").unwrap();
        tandem_sdk::settings::read::<Settings>(document.parse().unwrap())
            .and_then(|settings| settings.check(base.path()))
            .map_err(|problems| problems.iter().map(|p| format!("{} [{}]", p.key, p.code)).collect())
    }

    #[test]
    fn the_sample_works_and_the_only_topic_is_the_one_to_stream_to() {
        let checked = checked(sample()).unwrap();
        assert_eq!(checked.instance_id, "11111111-2222-3333-4444-55555555aaaa");
        assert_eq!(checked.streaming_topic.as_deref(), Some("arn:aws:sns:eu-central-1:111122223333:chat"));
        let sns = checked.sns.unwrap();
        assert!(sns.sha256 && !sns.sha1 && !sns.accept_unchained);
    }

    #[test]
    fn the_readme_shows_settings_that_can_be_read() {
        let readme = include_str!("../../README.md");
        let block = readme.split("```toml").nth(1).unwrap().split("```").next().unwrap();
        let document: toml::Table = block.parse().unwrap();
        let settings = document["adapters"]["connect"]["settings"].as_table().unwrap();
        tandem_sdk::settings::read::<Settings>(settings.clone()).unwrap();
    }

    #[test]
    fn every_key_that_cannot_be_read_is_named() {
        let document = r#"
            region = 7
            instence_id = "x"
            [timeouts]
            call = "soon"
            [sns]
            topics = "arn"
        "#;
        assert_eq!(
            checked(document).unwrap_err(),
            [
                "instence_id [settings.unknown_key]",
                "region [settings.wrong_value]",
                "sns.topics [settings.wrong_value]",
                "timeouts.call [settings.wrong_value]",
            ]
        );
    }

    #[test]
    fn every_value_that_cannot_work_is_named() {
        let document = r#"
            region = "Frankfurt!"
            instance_id = "instance"
            [credentials]
            access_key_id = "hunter2"
            [endpoints]
            connect = "http://127.0.0.1:1/x"
            [eventbridge.api_key]
            header = "x api key"
            secrets = []
            [eventbridge.bearer]
            tokens = ["env:TANDEM_NO_SUCH_VARIABLE"]
            [sns]
            topics = ["arn:aws:sns:eu-central-1:111122223333:chat.fifo"]
            signature_versions = ["3"]
            freshness = "0s"
            [chat]
            streaming_topic = "arn:aws:sns:us-east-1:111122223333:chat"
            duration = "59m"
            content_types = ["text/markdown"]
            transcript_pages = 0
            [timeouts]
            call = "0s"
        "#;
        let keys: Vec<String> =
            checked(document).unwrap_err().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(
            keys,
            [
                "region",
                "instance_id",
                "credentials.access_key_id",
                "credentials.secret_access_key",
                "endpoints.connect",
                "eventbridge.api_key.secrets",
                "eventbridge.api_key.header",
                "eventbridge.bearer.tokens",
                "eventbridge",
                "sns.topics",
                "sns.signature_versions",
                "sns.freshness",
                "chat.streaming_topic",
                "chat.duration",
                "chat.content_types",
                "chat.transcript_pages",
                "timeouts.call",
            ]
        );
    }

    #[test]
    fn an_inline_secret_is_not_repeated_in_the_problem() {
        let base = tempfile::tempdir().unwrap();
        let document = sample().replacen("file:key", "hunter2", 1);
        let settings = tandem_sdk::settings::read::<Settings>(document.parse().unwrap()).unwrap();
        let problems = settings.check(base.path()).unwrap_err();
        assert!(problems.iter().all(|problem| !problem.to_string().contains("hunter2")));
    }
}
