#![doc = include_str!("../README.md")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tandem_sdk::doors::{Carry, Context, Decode, Doors, Kind, Probe, Reading, Receive, Traits};
use tandem_sdk::problem::Problem;

mod carry;
mod client;
mod decode;
mod failure;
mod probe;
mod receive;
mod settings;
mod signature;
#[cfg(feature = "sim")]
pub mod sim;

use carry::Carrier;
use client::Client;
use probe::ResourceProbe;
use receive::EventsDoor;
use settings::Checked;

pub use carry::MARKER;
pub use decode::Tables;
pub use settings::{Entra, EventGrid, HeaderSecret, QuerySecret, Settings, Size};

/// Azure Communication Services chat, reported by Event Grid.
pub const KIND: Kind = Kind { name: "azure-communication", build, read: Some(read) };

/// Longest message text, in bytes of UTF-8. The vendor says 28 KB and not what a KB is; this fits both ways.
pub const MESSAGE_LIMIT: usize = 28_000;

/// Reads settings and mappings and opens every door but `lookup`; `receive` only where `event_grid` is configured.
///
/// # Errors
///
/// Every unreadable key, or else every wrong setting and everything wrong in the mappings.
fn build(settings: toml::Table, context: &Context<'_>) -> Result<Doors, Vec<Problem>> {
    let settings: Settings = tandem_sdk::settings::read(settings)?;
    let checked = Checked::new(settings, context.base)?;
    let topics = checked.events.as_ref().map(|events| events.topics.clone()).unwrap_or_default();
    let decode = Tables::load(&context.mappings.join(KIND.name), &checked.account)?.of_topics(topics);
    let decode: Arc<dyn Decode> = Arc::new(decode);
    let endpoint = checked.endpoint.as_str().trim_end_matches('/').to_owned();
    let client = Client {
        http: context.http.clone(),
        endpoint: checked.endpoint,
        key: checked.key,
        timeout: checked.request_timeout,
        answer_cap: checked.answer_cap,
    };
    let probe = ResourceProbe {
        client: client.clone(),
        identity_version: checked.identity_version.clone(),
        chat_version: checked.chat_version.clone(),
        hub_address: checked.hub_address.clone(),
        takes_any_topic: checked.events.as_ref().is_some_and(|events| events.topics.is_empty()),
    };
    let carrier = Carrier {
        client,
        account: checked.account.clone(),
        identity_version: checked.identity_version,
        chat_version: checked.chat_version,
        token_lifetime: checked.token_lifetime,
        page_size: checked.page_size,
        max_pages: checked.max_pages,
        messages_own_share: checked.messages_own_share,
        decode: Arc::clone(&decode),
    };
    Ok(Doors {
        receive: checked.events.map(|events| Arc::new(EventsDoor::new(events)) as Arc<dyn Receive>),
        decode: Some(decode),
        carry: Some(Arc::new(carrier) as Arc<dyn Carry>),
        lookup: None,
        probe: Some(Arc::new(probe) as Arc<dyn Probe>),
        traits: Traits {
            hub_address: Some(checked.hub_address),
            endpoint: Some(endpoint),
            account: checked.account,
            message_limit: MESSAGE_LIMIT,
            agents: BTreeMap::new(),
        },
    })
}

/// Reads bodies as Event Grid delivers them, in both schemas, batched or not.
fn read(mappings: &Path, account: &str) -> Result<Reading, Vec<Problem>> {
    let decode = Tables::load(&mappings.join(KIND.name), account)?;
    Ok(Reading { split: receive::unverified, decode: Arc::new(decode) })
}
