//! Webhooks: contact events from EventBridge, chat streaming from SNS. Pure.

mod certificate;
mod chat;
#[cfg(test)]
mod chat_tests;
mod contacts;
mod credential;
#[cfg(test)]
mod forge;
mod notice;
mod unverified;

pub(crate) use certificate::Trust;
pub(crate) use chat::{CHAT, ChatDoor};
pub(crate) use contacts::{CONTACTS, ContactsDoor};
pub(crate) use unverified::unverified;

use tandem_sdk::doors::{Receive, Received, Refusal, Request};
use url::Url;

/// An event may have 256 KiB; EventBridge asks for at most 1 MiB of answer with its `Range` header, and twice that is
/// what nothing documented reaches.
const CONTACTS_CAP: usize = 1 << 20;
/// A message may have 256 KiB of text, each byte of which JSON may write as six.
const CHAT_CAP: usize = 2 << 20;

/// The doors of one instance.
pub(crate) struct Webhooks {
    pub(crate) contacts: Option<ContactsDoor>,
    pub(crate) chat: Option<ChatDoor>,
}

impl Receive for Webhooks {
    fn doors(&self) -> Vec<(&'static str, usize)> {
        let contacts = self.contacts.as_ref().map(|_| (CONTACTS, CONTACTS_CAP));
        let chat = self.chat.as_ref().map(|_| (CHAT, CHAT_CAP));
        contacts.into_iter().chain(chat).collect()
    }

    fn receive(&self, request: &Request<'_>) -> Received {
        match (request.door, &self.contacts, &self.chat) {
            (CONTACTS, Some(door), _) => door.receive(request),
            (CHAT, _, Some(door)) => door.receive(request),
            (unknown, ..) => Received::Refused(Refusal::NoSuchDoor(unknown.to_owned())),
        }
    }

    fn may_fetch(&self, url: &Url) -> bool {
        self.chat.as_ref().is_some_and(|door| door.may_fetch(url.as_str()))
    }
}
