#![doc = include_str!("../README.md")]

mod carry;
mod decode;
mod probe;
mod receive;
mod settings;
#[cfg(feature = "sim")]
pub mod sim;
mod topic;

pub use decode::Tables;
pub use settings::{ApiKey, Basic, Bearer, Chat, Credentials, Endpoints, EventBridge, Settings, Sns, Timeouts};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tandem_sdk::doors::{Context, Decode, Doors, Kind, Reading, Traits};
use tandem_sdk::problem::Problem;

use carry::{Carrier, Clouds, Relate};
use receive::{ChatDoor, ContactsDoor, Trust, Webhooks};

/// The name of this kind, and the system in leg refs.
pub const SYSTEM: &str = "amazon-connect";
/// What a leg of this kind is.
pub const CONTACT: &str = "contact";
/// Longest message that Connect takes, in bytes of UTF-8.
pub const MESSAGE_LIMIT: usize = 16_384;

/// Amazon Connect chat.
pub const KIND: Kind = Kind { name: SYSTEM, build, read: Some(read) };

/// Reads EventBridge events, their bare detail, SNS messages, and arrays of them.
fn read(mappings: &Path, account: &str) -> Result<Reading, Vec<Problem>> {
    let decode = Tables::load(&mappings.join(SYSTEM), account)?;
    Ok(Reading { split: receive::unverified, decode: Arc::new(decode) })
}

fn build(settings: toml::Table, context: &Context<'_>) -> Result<Doors, Vec<Problem>> {
    let checked = tandem_sdk::settings::read::<Settings>(settings)?.check(context.base)?;
    let mut problems = Vec::new();
    let mut noted = |found: Vec<Problem>| problems.extend(found);
    let decode = Tables::load(&context.mappings.join(SYSTEM), &checked.instance_id).map_err(&mut noted).ok();
    let decode = decode.map(Tables::of_this_instance_only);
    let clouds = Clouds::new(&checked, context.trust).map_err(&mut noted).ok();
    let trust = match &checked.sns {
        Some(sns) if !sns.accept_unchained => Trust::chained(context.trust).map_err(&mut noted).ok(),
        _ => Some(Trust::Unchained),
    };
    let (Some(decode), Some(clouds), Some(trust)) = (decode, clouds, trust) else { return Err(problems) };
    let decode: Arc<dyn Decode> = Arc::new(decode);

    let topics = checked.sns.as_ref().map(|sns| sns.topics.clone()).unwrap_or_default();
    let webhooks = Webhooks {
        contacts: checked.eventbridge.map(ContactsDoor::new),
        chat: checked.sns.map(|sns| ChatDoor::new(sns, trust)),
    };
    let any_door = webhooks.contacts.is_some() || webhooks.chat.is_some();
    let carrier = Carrier {
        clouds: clouds.clone(),
        relate: Relate::new(Arc::clone(&decode)),
        http: context.http.clone(),
        topics,
    };
    Ok(Doors {
        receive: any_door.then(|| Arc::new(webhooks) as _),
        decode: Some(decode),
        carry: Some(Arc::new(carrier)),
        lookup: None,
        probe: Some(Arc::new(probe::Connection { clouds })),
        traits: Traits {
            hub_address: None,
            endpoint: None,
            account: checked.instance_id,
            message_limit: MESSAGE_LIMIT,
            agents: BTreeMap::new(),
        },
    })
}
