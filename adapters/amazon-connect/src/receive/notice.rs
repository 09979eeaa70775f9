//! One SNS message as it stands in a request, and what of it is signed.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The three types of message that SNS posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoticeType {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

/// An SNS message. Unknown fields are let through unread; fields that are signed must be text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Notice<'b> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'b, str>,
    #[serde(borrow)]
    pub(super) message_id: Cow<'b, str>,
    #[serde(borrow)]
    pub(super) topic_arn: Cow<'b, str>,
    #[serde(borrow)]
    pub(super) message: Cow<'b, str>,
    #[serde(borrow)]
    pub(super) timestamp: Cow<'b, str>,
    #[serde(borrow, default)]
    subject: Option<Cow<'b, str>>,
    #[serde(borrow, default)]
    token: Option<Cow<'b, str>>,
    #[serde(borrow, default, rename = "SubscribeURL")]
    pub(super) subscribe_url: Option<Cow<'b, str>>,
    #[serde(borrow)]
    pub(super) signature_version: Cow<'b, str>,
    #[serde(borrow)]
    signature: Cow<'b, str>,
    #[serde(borrow, rename = "SigningCertURL")]
    pub(super) signing_cert_url: Cow<'b, str>,
    /// Not signed. Kept unread until the message is known to be authentic; may be anything.
    #[serde(borrow, default)]
    message_attributes: Option<&'b RawValue>,
}

/// What is kept of a message: no signature, no token, no address that could end or renew the subscription.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeptNotice<'n> {
    r#type: &'n str,
    message_id: &'n str,
    topic_arn: &'n str,
    message: &'n str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_attributes: Option<Value>,
    timestamp: &'n str,
}

impl Notice<'_> {
    /// The type, if SNS has such a type.
    pub(super) fn notice_type(&self) -> Option<NoticeType> {
        match self.r#type.as_ref() {
            "Notification" => Some(NoticeType::Notification),
            "SubscriptionConfirmation" => Some(NoticeType::SubscriptionConfirmation),
            "UnsubscribeConfirmation" => Some(NoticeType::UnsubscribeConfirmation),
            _ => None,
        }
    }

    /// Whether the key behind this RSA public key (PKCS#1 DER) signed the message.
    pub(super) fn is_signed_by(&self, public_key: &[u8], kind: NoticeType) -> bool {
        let algorithm: &'static RsaParameters = match self.signature_version.as_ref() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        let Ok(signature) = STANDARD.decode(self.signature.as_bytes()) else { return false };
        let key = UnparsedPublicKey::new(algorithm, public_key);
        let holds = |text: String| key.verify(text.as_bytes(), &signature).is_ok();
        match kind {
            NoticeType::Notification => holds(self.string_to_sign(&[])),
            NoticeType::SubscriptionConfirmation => holds(self.string_to_sign(&["SubscribeURL", "Token"])),
            // The guide and the vendor's own validator disagree about what is signed here; both mean the same message.
            NoticeType::UnsubscribeConfirmation => {
                holds(self.string_to_sign(&["SubscribeURL", "Token"])) || holds(self.string_to_sign(&["SubscribeURL"]))
            }
        }
    }

    /// Name, line break, value, line break, in byte order of the names; what is absent is left out. `Message`,
    /// `MessageId`, `Timestamp`, `TopicArn`, `Type` always; `Subject` where it is there; `extra` for confirmations.
    fn string_to_sign(&self, extra: &[&str]) -> String {
        let among = |name: &str| extra.contains(&name);
        let mut text = String::with_capacity(self.message.len() + 512);
        for (name, value) in [
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_ref()),
            ("SubscribeURL", self.subscribe_url.as_ref().filter(|_| among("SubscribeURL"))),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", self.token.as_ref().filter(|_| among("Token"))),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&self.r#type)),
        ] {
            if let Some(value) = value {
                text.extend([name, "\n", value.as_ref(), "\n"]);
            }
        }
        text
    }

    /// The bytes to keep. Attributes that are not an object of readable JSON are left out: they are not signed, so
    /// nothing may depend on them.
    pub(super) fn to_keep(&self) -> Vec<u8> {
        let attributes = self.message_attributes.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let kept = KeptNotice {
            r#type: &self.r#type,
            message_id: &self.message_id,
            topic_arn: &self.topic_arn,
            message: &self.message,
            message_attributes: attributes.filter(Value::is_object),
            timestamp: &self.timestamp,
        };
        serde_json::to_vec(&kept).expect("strings and JSON values are always JSON")
    }
}
