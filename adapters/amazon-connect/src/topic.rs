//! SNS topics, and the one host that may speak for each of them.

use url::Url;

/// Domain under which Amazon Trust Services serves the certificates of its authorities.
const AUTHORITIES: &str = ".amazontrust.com";

/// A standard topic. Its ARN decides which host serves its certificates and confirms its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    arn: String,
    region: String,
    host: String,
}

impl Topic {
    /// Reads `arn:<partition>:sns:<region>:<account>:<name>`. FIFO topics have no HTTPS subscribers.
    pub(crate) fn parse(arn: &str) -> Option<Topic> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return None };
        let domain = match partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            _ => return None,
        };
        let region_fits =
            region.len() >= 3 && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let account_fits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let name_fits = (1..=256).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (region_fits && account_fits && name_fits).then(|| Topic {
            arn: arn.to_owned(),
            region: region.to_owned(),
            host: format!("sns.{region}.{domain}"),
        })
    }

    /// The ARN.
    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// The region.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// The names that a signing certificate may have. Older regions share one certificate for `sns.amazonaws.com`;
    /// regions that are opted into have their own.
    pub(crate) fn certificate_names(&self) -> [String; 3] {
        let domain = self.host.splitn(3, '.').nth(2).unwrap_or_default();
        [format!("sns.{domain}"), self.host.clone(), format!("sns-signing.{}.{domain}", self.region)]
    }

    /// Whether a `SigningCertURL` is one that this topic's signatures may name: https, the host of the region, the file
    /// name that SNS gives its certificates, and nothing else. The text is compared, not what a parser makes of it, so
    /// ports, user names, queries, fragments, dots and encodings have no say.
    pub(crate) fn serves_certificate(&self, url: &str) -> bool {
        self.path_of(url)
            .and_then(|path| path.strip_prefix("SimpleNotificationService-"))
            .and_then(|file| file.strip_suffix(".pem"))
            .is_some_and(|id| {
                (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            })
    }

    /// Whether a `SubscribeURL` confirms a subscription to this very topic, at the host of the region.
    pub(crate) fn confirms(&self, url: &str) -> bool {
        let Some(query) = self.path_of(url).and_then(|path| path.strip_prefix('?')) else { return false };
        let values = |name: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .collect::<Vec<_>>()
        };
        let printable = query.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        printable
            && values("Action") == ["ConfirmSubscription"]
            && values("TopicArn") == [self.arn.as_str()]
            && values("Token").len() == 1
    }

    /// What follows `https://<host>/`.
    fn path_of<'u>(&self, url: &'u str) -> Option<&'u str> {
        url.strip_prefix("https://")?.strip_prefix(self.host.as_str())?.strip_prefix('/')
    }
}

/// Whether an authority's own certificate may be fetched from here: `http(s)://crt.<authority>.amazontrust.com/<file>`
/// with `<file>` ending in `.cer` or `.crt`. Plain http is what certificates name, and is enough: what is fetched counts
/// only when it fits a chain to an authority that we already trust.
pub(crate) fn is_authority_address(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else { return false };
    let Some((host, file)) = rest.split_once('/') else { return false };
    let simple = |text: &str| !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let label = host.strip_prefix("crt.").and_then(|host| host.strip_suffix(AUTHORITIES));
    let name = file.strip_suffix(".cer").or_else(|| file.strip_suffix(".crt"));
    label.is_some_and(simple) && name.is_some_and(simple)
}

/// The URL as the key ring knows it, when parsing changes nothing about it.
pub(crate) fn exact(url: &str) -> Option<Url> {
    Url::parse(url).ok().filter(|parsed| parsed.as_str() == url)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:chat";
    const GOOD: &str = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem";

    #[test]
    fn only_standard_topics_are_topics() {
        for good in [
            TOPIC,
            "arn:aws-cn:sns:cn-north-1:111122223333:chat_1",
            "arn:aws-us-gov:sns:us-gov-west-1:111122223333:a-b",
        ] {
            assert_eq!(Topic::parse(good).unwrap().arn(), good);
        }
        for wrong in [
            "",
            "arn:aws:sns:eu-central-1:111122223333:chat.fifo",
            "arn:aws:sns:eu-central-1:111122223333:chat:subscription",
            "arn:aws:sqs:eu-central-1:111122223333:chat",
            "arn:evil:sns:eu-central-1:111122223333:chat",
            "arn:aws:sns:eu.central:111122223333:chat",
            "arn:aws:sns:eu-central-1:11112222333:chat",
            "arn:aws:sns:eu-central-1:111122223333:",
        ] {
            assert_eq!(Topic::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_regions_own_host_serves_certificates() {
        let topic = Topic::parse(TOPIC).unwrap();
        assert!(topic.serves_certificate(GOOD));
        for wrong in [
            // Another region, another partition, another host altogether.
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com.cn/SimpleNotificationService-0a1b.pem",
            "https://s3.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.comevil/SimpleNotificationService-0a1b.pem",
            "https://evil-sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://evil.sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            // Everything around the host.
            "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com:443/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-0a1b.pem",
            "https://user@sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com\\@evil.example/SimpleNotificationService-0a1b.pem",
            "https:/sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com./SimpleNotificationService-0a1b.pem",
            " https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            // The path.
            "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem?x=1",
            "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem#x",
            "https://sns.eu-central-1.amazonaws.com/x/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com/../SimpleNotificationService-0a1b.pem",
            "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-.pem",
            "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-xyz.pem",
            "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem.exe",
            "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a%31b.pem",
            "https://sns.eu-central-1.amazonaws.com/evil.pem",
            "",
        ] {
            assert!(!topic.serves_certificate(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_subscription_is_confirmed_only_for_its_own_topic_at_its_own_host() {
        let topic = Topic::parse(TOPIC).unwrap();
        let good =
            format!("https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=a");
        assert!(topic.confirms(&good));
        for (from, to) in [
            ("https", "http"),
            ("eu-central-1.amazonaws", "us-east-1.amazonaws"),
            ("amazonaws.com/", "amazonaws.com:443/"),
            ("amazonaws.com/", "amazonaws.com.evil.example/"),
            ("//sns", "//user@sns"),
            ("/?", "/path?"),
            ("ConfirmSubscription", "Unsubscribe"),
            (":chat", ":other"),
            ("&Token=a", ""),
            ("&Token=a", "&Token=a#x"),
            ("&Token=a", "&Token=a&Action=Unsubscribe"),
            ("&Token=a", "&Token=a b"),
        ] {
            assert!(!topic.confirms(&good.replacen(from, to, 1)), "{from} -> {to}");
        }
    }

    #[test]
    fn authorities_are_fetched_from_amazon_trust_services_alone() {
        for good in ["http://crt.r2m01.amazontrust.com/r2m01.cer", "http://crt.sca1b.amazontrust.com/sca1b.crt"] {
            assert!(is_authority_address(good), "{good}");
        }
        for wrong in [
            "http://crt.amazontrust.com/r2m01.cer",
            "http://crt.r2m01.amazontrust.com.evil.example/r2m01.cer",
            "http://crt.evil.example/.amazontrust.com/r2m01.cer",
            "http://crt.r2m01.amazontrust.com:80/r2m01.cer",
            "http://user@crt.r2m01.amazontrust.com/r2m01.cer",
            "http://crt.r2m01.amazontrust.com/r2m01.cer?x",
            "http://crt.r2m01.amazontrust.com/../r2m01.cer",
            "ftp://crt.r2m01.amazontrust.com/r2m01.cer",
            "http://169.254.169.254/latest.cer",
        ] {
            assert!(!is_authority_address(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_url_that_is_accepted_leads_a_parser_to_another_host(url in "https://sns.eu-central-1.amazonaws.com[ -~]{0,40}") {
            let topic = Topic::parse(TOPIC).unwrap();
            if topic.serves_certificate(&url) || topic.confirms(&url) {
                let parsed = Url::parse(&url).unwrap();
                prop_assert_eq!(parsed.host_str(), Some("sns.eu-central-1.amazonaws.com"));
            }
        }
    }
}
