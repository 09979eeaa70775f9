//! Chat streaming, as SNS posts it over HTTPS: `Content-Type: text/plain` with JSON inside, signed.
//!
//! What is refused is lost (SNS takes a 4xx for final), so only what is positively wrong is refused; but nothing can be
//! believed that is not signed, so what cannot be read at all is positively wrong too.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use tandem_sdk::doors::{Envelope, Kept, Received, Refusal, Request};
use tandem_sdk::secret::Secret;

use super::certificate::{Trust, Unfit, public_key};
use super::notice::{Notice, NoticeType};
use crate::settings::CheckedSns;
use crate::topic::{Topic, exact, is_authority_address};

/// The name of the door.
pub(crate) const CHAT: &str = "chat";

/// How far SNS's clock and ours may be apart.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(300);

/// The door for chat streaming.
pub(crate) struct ChatDoor {
    sns: CheckedSns,
    trust: Trust,
}

/// What is read of a chat item to name it. All of it is inside the signed `Message`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Item {
    id: Option<String>,
    contact_id: Option<String>,
    initial_contact_id: Option<String>,
    r#type: Option<String>,
    content_type: Option<String>,
    attachments: Vec<Attachment>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Attachment {
    status: Option<String>,
}

impl ChatDoor {
    /// A door for these topics, believing certificates as `trust` says.
    pub(crate) fn new(sns: CheckedSns, trust: Trust) -> Self {
        ChatDoor { sns, trust }
    }

    pub(super) fn may_fetch(&self, url: &str) -> bool {
        let chained = matches!(self.trust, Trust::Chain(_));
        self.sns.topics.iter().any(|topic| topic.serves_certificate(url)) || (chained && is_authority_address(url))
    }

    pub(super) fn receive(&self, request: &Request<'_>) -> Received {
        match self.verified(request) {
            Ok(kept) => Received::Kept(kept),
            Err(refused) => refused,
        }
    }

    fn verified(&self, request: &Request<'_>) -> Result<Kept, Received> {
        let wrong = |why: &str| Received::Refused(Refusal::NotAuthentic(why.to_owned()));
        if request.method != Method::POST {
            return Err(wrong("SNS posts"));
        }
        if request.headers.get("x-amz-sns-rawdelivery").is_some_and(|raw| raw.as_bytes() == b"true") {
            return Err(wrong("raw delivery carries no signature; switch it off on the subscription"));
        }
        let notice: Notice<'_> = serde_json::from_slice(request.body).map_err(|_| wrong("not a signed SNS message"))?;
        let kind = notice.notice_type().ok_or_else(|| wrong("no type that SNS has"))?;
        // Everything that costs nothing comes before the certificate, so that nobody can make us fetch one at will.
        let topic = self.topic(&notice).ok_or_else(|| wrong("the topic is not one of sns.topics"))?;
        if !match notice.signature_version.as_ref() {
            "1" => self.sns.sha1,
            "2" => self.sns.sha256,
            _ => false,
        } {
            return Err(wrong("the signature version is not one of sns.signature_versions"));
        }
        self.fresh(&notice, request.now).map_err(wrong)?;
        let address = Some(notice.signing_cert_url.as_ref())
            .filter(|url| topic.serves_certificate(url))
            .and_then(exact)
            .ok_or_else(|| wrong("the certificate is not at the SNS host of the topic's region"))?;
        let Some(document) = request.keys.get(&address) else { return Err(Received::NeedKey(address)) };
        let key = public_key(document, topic, request.now, &self.trust, request.keys).map_err(|unfit| match unfit {
            Unfit::Wrong(why) => wrong(&why),
            Unfit::Needs(link) => Received::NeedKey(link),
            // Asking for what is already there says that it is no good: the hub fetches afresh or answers 503.
            Unfit::Unreadable => Received::NeedKey(address),
        })?;
        if !notice.is_signed_by(&key, kind) {
            return Err(wrong("the signature does not fit"));
        }
        self.keep(&notice, kind, topic)
    }

    fn topic(&self, notice: &Notice<'_>) -> Option<&Topic> {
        self.sns.topics.iter().find(|topic| topic.arn() == notice.topic_arn)
    }

    fn fresh(&self, notice: &Notice<'_>, now: Timestamp) -> Result<(), &'static str> {
        let said: Timestamp = notice.timestamp.parse().map_err(|_| "the timestamp is no time")?;
        let age = now.duration_since(said);
        if age > jiff::SignedDuration::try_from(self.sns.freshness + CLOCK_DIFFERENCE).unwrap_or_default() {
            return Err("the message is older than sns.freshness");
        }
        if age < -jiff::SignedDuration::from_secs(CLOCK_DIFFERENCE.as_secs().cast_signed()) {
            return Err("the message is from the future");
        }
        Ok(())
    }

    fn keep(&self, notice: &Notice<'_>, kind: NoticeType, topic: &Topic) -> Result<Kept, Received> {
        let mut kept = Kept::default();
        match kind {
            NoticeType::SubscriptionConfirmation => {
                let url = notice.subscribe_url.as_deref().filter(|url| topic.confirms(url)).ok_or_else(|| {
                    Received::Refused(Refusal::NotAuthentic("the SubscribeURL is not of this topic".to_owned()))
                })?;
                kept.confirm.push((topic.arn().to_owned(), Secret::new(url)));
            }
            NoticeType::Notification | NoticeType::UnsubscribeConfirmation => {
                kept.envelopes.push(envelope(notice, kind));
            }
        }
        Ok(kept)
    }
}

fn envelope(notice: &Notice<'_>, kind: NoticeType) -> Envelope {
    let item = match kind {
        NoticeType::Notification => serde_json::from_str::<Item>(&notice.message).unwrap_or_default(),
        _ => Item::default(),
    };
    let named = match kind {
        NoticeType::Notification => item.kind(),
        _ => Some(notice.r#type.to_string()),
    };
    let dedupe = item.key().into_iter().chain([format!("sns/{}", notice.message_id)]).collect();
    Envelope {
        door: CHAT.to_owned(),
        kind: named,
        dedupe,
        origin: vec![format!("sns_signature_v{}", notice.signature_version)],
        body: notice.to_keep().into(),
    }
}

impl Item {
    /// `MESSAGE`, `ATTACHMENT`, or for an event its content type.
    fn kind(&self) -> Option<String> {
        match self.r#type.as_deref() {
            Some("EVENT") => self.content_type.clone().or_else(|| self.r#type.clone()),
            _ => self.r#type.clone(),
        }
    }

    /// The same for every delivery of the item, whatever SNS wraps around it. An attachment whose file has been looked
    /// at since is told again under the same id, so the states of files belong to it.
    fn key(&self) -> Option<String> {
        let id = self.id.as_deref().filter(|id| !id.is_empty())?;
        let contact = self.contact_id.as_deref().or(self.initial_contact_id.as_deref())?;
        let mut key = format!("item/{contact}/{}/{id}", self.r#type.as_deref().unwrap_or_default());
        for attachment in &self.attachments {
            key.push('/');
            key.push_str(attachment.status.as_deref().unwrap_or_default());
        }
        Some(key)
    }
}
