//! The signature of an SNS message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use serde_json::{Map, Value, json};
use tandem_sdk::sim::RsaIdentity;

/// Signed keys of a Notification, in byte order. `Subject` counts when it is there.
const NOTIFICATION: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
/// Signed keys of a SubscriptionConfirmation.
const CONFIRMATION: [&str; 7] = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// Who signs, and how.
pub(super) struct Signer {
    identity: RsaIdentity,
    version: u8,
    certificate_path: String,
    certificate_url: String,
}

impl Signer {
    pub(super) fn new(identity: RsaIdentity, version: u8, region: &str) -> Self {
        let hash = hex::encode(digest::digest(&digest::SHA256, identity.certificate_pem.as_bytes()));
        let certificate_path = format!("/SimpleNotificationService-{}.pem", &hash[..32]);
        let certificate_url = format!("https://sns.{region}.amazonaws.com{certificate_path}");
        Self { identity, version, certificate_path, certificate_url }
    }

    pub(super) fn certificate_path(&self) -> &str {
        &self.certificate_path
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.identity.certificate_pem
    }

    /// Adds what a receiver needs to verify the body.
    pub(super) fn sign(&self, body: &mut Map<String, Value>) {
        let text = string_to_sign(body);
        let signature = match self.version {
            1 => self.identity.sign_sha1(text.as_bytes()),
            _ => self.identity.sign_sha256(text.as_bytes()),
        };
        body.insert("SignatureVersion".to_owned(), json!(self.version.to_string()));
        body.insert("Signature".to_owned(), json!(STANDARD.encode(signature)));
        body.insert("SigningCertURL".to_owned(), json!(self.certificate_url));
    }
}

/// Key, line break, value, line break, for every signed key that is there.
fn string_to_sign(body: &Map<String, Value>) -> String {
    let notification = body.get("Type").is_some_and(|kind| kind == "Notification");
    let keys: &[&str] = if notification { &NOTIFICATION } else { &CONFIRMATION };
    let mut text = String::new();
    for key in keys {
        if let Some(Value::String(value)) = body.get(*key) {
            text.push_str(&format!("{key}\n{value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_notification_is_signed_over_six_keys_and_nothing_else() {
        let mut notification = body(json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": "line\n\"two\"", "Timestamp": "now",
            "UnsubscribeURL": "u", "MessageAttributes": {"a": {"Type": "String", "Value": "b"}}, "SubscribeURL": "no",
        }));
        let without = "Message\nline\n\"two\"\nMessageId\nm\nTimestamp\nnow\nTopicArn\nt\nType\nNotification\n";
        assert_eq!(string_to_sign(&notification), without);
        notification.insert("Subject".to_owned(), json!("s"));
        assert_eq!(string_to_sign(&notification), without.replace("Timestamp\n", "Subject\ns\nTimestamp\n"));
    }

    #[test]
    fn a_confirmation_is_signed_over_token_and_subscribe_url_too() {
        let confirmation = body(json!({
            "Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": "t", "Message": "x", "Timestamp": "now",
            "Token": "k", "SubscribeURL": "u",
        }));
        assert_eq!(
            string_to_sign(&confirmation),
            "Message\nx\nMessageId\nm\nSubscribeURL\nu\nTimestamp\nnow\nToken\nk\nTopicArn\nt\nType\nSubscriptionConfirmation\n"
        );
    }
}
