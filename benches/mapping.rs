//! What a table costs against structs written by hand, for the five kinds of event that a chat makes most of.
//!
//! Both sides parse the same bytes and make the same fact, which is asserted first; the ratio is taken in one run, round
//! by round. `cargo bench --bench mapping --no-default-features` builds and links no cloud's SDK.
#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed benchmark")]

use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tandem_sdk::doors::Decoded;
use tandem_sdk::mapping::{DecodeContext, MappingSet};
use tandem_sdk::model::{
    Attachment, Channel, ContentType, Direction, Fact, FactKind, LegRef, Links, Message, Party, Personal, Role,
    Visibility,
};

/// How long one side of one kind is measured, in rounds that alternate with the other side.
const ROUND: Duration = Duration::from_millis(100);
const ROUNDS: usize = 10;

const ACCOUNT: &str = "configured";

struct Case {
    name: &'static str,
    mappings: &'static str,
    door: &'static str,
    example: &'static str,
    by_hand: fn(&[u8]) -> Option<Fact>,
}

const CASES: [Case; 5] = [
    Case {
        name: "ACS message in a thread",
        mappings: "azure-communication",
        door: "events",
        example: "message-in-thread",
        by_hand: acs_message,
    },
    Case {
        name: "Connect chat message",
        mappings: "amazon-connect",
        door: "chat",
        example: "chat-message",
        by_hand: chat_message,
    },
    Case {
        name: "Connect contact queued",
        mappings: "amazon-connect",
        door: "contacts",
        example: "contact-queued",
        by_hand: contact,
    },
    Case {
        name: "Connect contact connected to agent",
        mappings: "amazon-connect",
        door: "contacts",
        example: "contact-connected-to-agent",
        by_hand: contact,
    },
    Case {
        name: "Connect contact disconnected",
        mappings: "amazon-connect",
        door: "contacts",
        example: "contact-disconnected",
        by_hand: contact,
    },
];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    println!("{:<36} {:>6} {:>11} {:>9} {:>11} {:>6}", "kind", "bytes", "table /s", "µs/event", "by hand /s", "ratio");
    let (mut bytes, mut table_total, mut hand_total) = (0, Duration::ZERO, Duration::ZERO);
    for case in CASES {
        let set = MappingSet::load(&root.join(case.mappings)).unwrap();
        let context = DecodeContext { system: case.mappings, account: ACCOUNT, door: Some(case.door) };
        let pretty = std::fs::read(root.join(case.mappings).join(format!("examples/{}.json", case.example))).unwrap();
        let body = serde_json::from_slice::<serde_json::Value>(&pretty).unwrap().to_string().into_bytes();
        let Decoded::Facts(facts) = set.decode(&body, &context) else { panic!("{} is no fact", case.example) };
        assert_eq!(facts, [(case.by_hand)(&body).unwrap()], "both sides make the same fact");

        let (mut table, mut hand) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            table = table.min(time(|| drop(black_box(set.decode(black_box(&body), &context)))));
            hand = hand.min(time(|| drop(black_box((case.by_hand)(black_box(&body))))));
        }
        bytes += body.len();
        table_total += table;
        hand_total += hand;
        line(case.name, body.len(), table, hand);
    }
    let kinds = u32::try_from(CASES.len()).unwrap();
    line("all five", bytes / CASES.len(), table_total / kinds, hand_total / kinds);
}

/// The time of one call, from one round.
fn time(mut call: impl FnMut()) -> Duration {
    let begin = Instant::now();
    let mut calls = 0_u32;
    while begin.elapsed() < ROUND {
        for _ in 0..100 {
            call();
        }
        calls += 100;
    }
    begin.elapsed() / calls
}

fn line(name: &str, bytes: usize, table: Duration, hand: Duration) {
    let per_second = |each: Duration| 1.0 / each.as_secs_f64();
    println!(
        "{name:<36} {bytes:>6} {:>11.0} {:>9.2} {:>11.0} {:>6.2}",
        per_second(table),
        table.as_secs_f64() * 1e6,
        per_second(hand),
        per_second(table) / per_second(hand),
    );
}

fn leg(system: &str, account: String, kind: &str, native: &str) -> LegRef {
    LegRef { system: system.to_owned(), account, kind: kind.to_owned(), native: native.to_owned() }
}

fn own(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}

#[derive(Deserialize)]
struct Acs<'a> {
    #[serde(borrow)]
    data: AcsData<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AcsData<'a> {
    #[serde(borrow)]
    thread_id: Cow<'a, str>,
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    message_body: Cow<'a, str>,
    #[serde(borrow)]
    compose_time: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    sender_display_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sender_communication_identifier: AcsIdentifier<'a>,
    #[serde(borrow)]
    metadata: AcsMetadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AcsIdentifier<'a> {
    #[serde(borrow)]
    raw_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct AcsMetadata<'a> {
    #[serde(borrow)]
    tandem: Option<Cow<'a, str>>,
}

fn acs_message(body: &[u8]) -> Option<Fact> {
    let Acs { data } = serde_json::from_slice(body).ok()?;
    let leg = leg("azure-communication", ACCOUNT.to_owned(), "thread", &data.thread_id);
    let key = format!("message.posted/{}/{}", data.message_id, data.version);
    let mut fact = Fact::new(FactKind::MessagePosted, leg, data.compose_time.parse().ok()?, key);
    fact.message = Some(Message {
        id: data.message_id.into_owned(),
        version: Some(data.version.into_owned()),
        content_type: if data.r#type.eq_ignore_ascii_case("text") { ContentType::Text } else { ContentType::Html },
        text: Personal::new(data.message_body),
        marker: own(data.metadata.tandem),
        ..Message::default()
    });
    fact.author = Some(Party {
        address: Personal::new(data.sender_communication_identifier.raw_id),
        name: own(data.sender_display_name).into(),
        ..Party::default()
    });
    Some(fact)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notice<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    message_attributes: NoticeAttributes<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NoticeAttributes<'a> {
    #[serde(borrow)]
    message_visibility: NoticeAttribute<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NoticeAttribute<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item<'a> {
    #[serde(borrow)]
    absolute_time: Cow<'a, str>,
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    content_type: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    participant_id: Cow<'a, str>,
    #[serde(borrow)]
    display_name: Cow<'a, str>,
    #[serde(borrow)]
    participant_role: Cow<'a, str>,
    #[serde(borrow)]
    initial_contact_id: Cow<'a, str>,
    #[serde(borrow)]
    contact_id: Cow<'a, str>,
    #[serde(borrow, default)]
    attachments: Vec<ItemAttachment<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemAttachment<'a> {
    #[serde(borrow)]
    attachment_id: Cow<'a, str>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    attachment_name: Option<Cow<'a, str>>,
}

fn chat_message(body: &[u8]) -> Option<Fact> {
    let notice: Notice<'_> = serde_json::from_slice(body).ok()?;
    let item: Item<'_> = serde_json::from_str(&notice.message).ok()?;
    let leg = leg("amazon-connect", ACCOUNT.to_owned(), "contact", &item.contact_id);
    let key = format!("message.posted/{}", item.id);
    let mut fact = Fact::new(FactKind::MessagePosted, leg, item.absolute_time.parse().ok()?, key);
    fact.channel = Some(Channel::Chat);
    fact.links = Links { initial: Some(item.initial_contact_id.into_owned()), ..Links::default() };
    let attachments = item.attachments.into_iter().map(|attachment| Attachment {
        id: attachment.attachment_id.into_owned(),
        media_type: own(attachment.content_type),
        name: own(attachment.attachment_name).into(),
        ..Attachment::default()
    });
    fact.message = Some(Message {
        id: item.id.into_owned(),
        content_type: match item.content_type.as_ref() {
            "text/plain" => ContentType::Text,
            "text/markdown" => ContentType::Markdown,
            other => ContentType::Unknown(other.to_owned()),
        },
        text: Personal::new(item.content),
        visibility: match notice.message_attributes.message_visibility.value.as_ref() {
            "ALL" => Visibility::All,
            "CUSTOMER" => Visibility::Customer,
            _ => Visibility::Agent,
        },
        attachments: attachments.collect(),
        ..Message::default()
    });
    fact.author = Some(Party {
        address: Personal::new(item.participant_id),
        name: Personal::new(item.display_name),
        role: match item.participant_role.as_ref() {
            "CUSTOMER" => Some(Role::Customer),
            "AGENT" | "SUPERVISOR" => Some(Role::Agent),
            "CUSTOM_BOT" => Some(Role::Bot),
            "SYSTEM" => Some(Role::System),
            _ => None,
        },
        ..Party::default()
    });
    Some(fact)
}

#[derive(Deserialize)]
struct ContactEvent<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    detail: Contact<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contact<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    contact_id: Cow<'a, str>,
    #[serde(borrow)]
    instance_arn: Cow<'a, str>,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    initiation_method: Cow<'a, str>,
    #[serde(borrow, default)]
    initial_contact_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    previous_contact_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    related_contact_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    disconnect_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    disconnect_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    queue_info: Option<QueueInfo<'a>>,
    #[serde(borrow, default)]
    agent_info: Option<AgentInfo<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueueInfo<'a> {
    #[serde(borrow)]
    queue_arn: Cow<'a, str>,
    #[serde(borrow)]
    enqueue_timestamp: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentInfo<'a> {
    #[serde(borrow)]
    agent_arn: Cow<'a, str>,
    #[serde(borrow)]
    connected_to_agent_timestamp: Option<Cow<'a, str>>,
}

fn contact(body: &[u8]) -> Option<Fact> {
    let ContactEvent { time, detail } = serde_json::from_slice(body).ok()?;
    let last = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let (kind, at) = match detail.event_type.as_ref() {
        "QUEUED" => {
            (FactKind::LegQueued, detail.queue_info.as_ref().and_then(|queue| queue.enqueue_timestamp.as_ref()))
        }
        "CONNECTED_TO_AGENT" => {
            let agent = detail.agent_info.as_ref();
            (FactKind::LegConnected, agent.and_then(|agent| agent.connected_to_agent_timestamp.as_ref()))
        }
        "DISCONNECTED" => (FactKind::LegEnded, detail.disconnect_timestamp.as_ref()),
        _ => return None,
    };
    let at: jiff::Timestamp = at.unwrap_or(&time).parse().ok()?;
    let leg = leg("amazon-connect", last(&detail.instance_arn).to_ascii_lowercase(), "contact", &detail.contact_id);
    let mut fact = Fact::new(kind, leg, at, format!("{}/{at}", kind.name()));
    fact.links = Links {
        initial: own(detail.initial_contact_id),
        previous: own(detail.previous_contact_id),
        related: own(detail.related_contact_id),
    };
    fact.channel = Some(match detail.channel.as_ref() {
        "CHAT" => Channel::Chat,
        "VOICE" => Channel::Voice,
        other => Channel::Unknown(other.to_owned()),
    });
    fact.direction = match detail.initiation_method.as_ref() {
        "INBOUND" => Some(Direction::Inbound),
        "OUTBOUND" => Some(Direction::Outbound),
        _ => None,
    };
    fact.queue = detail.queue_info.map(|queue| last(&queue.queue_arn));
    fact.agent = detail.agent_info.map(|agent| last(&agent.agent_arn));
    fact.reason = own(detail.disconnect_reason);
    Some(fact)
}
