//! The instance with a clock of the tests' own.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Emission, Instance, Roster, Stage, Target};
use crate::sim::flow::Flow;
use crate::sim::ids::Ids;
use crate::sim::settings::Settings;

const FLOW: &str = "846ec553-a005-41c0-8341-27b2a9f2a8c1";
const GOLD: &str = "c0ffee00-0000-4000-8000-000000000001";
const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:t";
const SHIPPED: &str = include_str!("../../../../../config/aws/tandem-chat-flow.json");

/// An instance and what it emitted so far.
struct World {
    instance: Instance,
    now: Timestamp,
    emitted: Vec<Emission>,
    chats: Vec<(String, String)>,
}

impl World {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let key = (String::new(), String::new());
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut settings = Settings::new(listen, "/".into(), Uuid::from_u128(1), key);
        settings.sns = serde_json::from_value(json!({ "topics": [TOPIC], "endpoint": "https://localhost/" })).unwrap();
        settings.queues = serde_json::from_value(json!([{ "id": GOLD, "name": "Gold" }])).unwrap();
        settings.agents = (0..3).map(agent).collect();
        change(&mut settings);
        settings.check().unwrap();
        let flows = HashMap::from([(FLOW.to_owned(), Flow::parse(SHIPPED).unwrap())]);
        let roster = Roster::new(&settings);
        let instance = Instance::new(&settings, flows, roster, Ids::from_seed([7; 16]));
        Self { instance, now: Timestamp::UNIX_EPOCH, emitted: Vec::new(), chats: Vec::new() }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.instance.tick(self.now);
        self.emitted.extend(self.instance.take_emitted());
    }

    /// Starts a chat; the error code when it is refused.
    fn start(&mut self) -> Result<String, &'static str> {
        let wish = json!({
            "InstanceId": Uuid::from_u128(1), "ContactFlowId": FLOW, "ParticipantDetails": { "DisplayName": "C" },
            "Attributes": { "tandem_queue": GOLD },
            "ChatStreamingConfiguration": { "StreamingEndpointArn": TOPIC },
        });
        let wish = serde_json::from_value(wish).unwrap();
        let answer = self.instance.start_chat(&wish, self.now).map_err(|refused| refused.code)?;
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        self.chats.push((text("ContactId"), text("ParticipantToken")));
        Ok(text("ContactId"))
    }

    /// Connects the customer of the chat; the connection token.
    fn join(&mut self, chat: usize) -> Option<String> {
        let (_, token) = self.chats.get(chat)?;
        let wish = json!({ "Type": ["CONNECTION_CREDENTIALS"], "ConnectParticipant": true });
        let wish = serde_json::from_value(wish).unwrap();
        let answer = self.instance.connect(token, &wish, self.now).ok()?;
        answer["ConnectionCredentials"]["ConnectionToken"].as_str().map(str::to_owned)
    }

    fn stop(&mut self, contact: &str) {
        self.instance.stop_contact(contact, self.now).unwrap();
    }

    fn reason(&self, contact: &str) -> Value {
        self.instance.describe_contact(contact).unwrap()["Contact"]["DisconnectReason"].clone()
    }

    /// The types of the events of each contact, in order.
    fn events(&self) -> HashMap<String, Vec<&'static str>> {
        let mut events: HashMap<String, Vec<&'static str>> = HashMap::new();
        for emission in &self.emitted {
            if let Emission::ContactEvent { kind, contact_id, .. } = emission {
                events.entry(contact_id.clone()).or_default().push(kind);
            }
        }
        events
    }
}

fn user(number: u128) -> String {
    Uuid::from_u128(100 + number).to_string()
}

fn agent(number: u128) -> crate::sim::settings::AgentSettings {
    serde_json::from_value(json!({
        "user_id": user(number), "username": "a", "first_name": "A", "last_name": "B", "queues": ["Gold"],
        "auto_accept_ms": if number == 0 { json!(2_000) } else { json!(null) },
        "after_contact_ms": if number == 1 { json!(null) } else { json!(3_000) }, "max_chats": 2,
    }))
    .unwrap()
}

#[test]
fn five_hundred_chats_may_be_active_and_an_end_makes_room() {
    let mut world = World::new(|_| {});
    let first = world.start().unwrap();
    for _ in 1..500 {
        world.start().unwrap();
    }
    assert_eq!(world.start(), Err("LimitExceededException"));
    world.stop(&first);
    assert!(world.start().is_ok());
}

#[test]
fn a_customer_has_five_minutes_to_connect_and_a_chat_lasts_25_hours() {
    let mut world = World::new(|_| {});
    let (early, late) = (world.start().unwrap(), world.start().unwrap());
    world.pass(299);
    assert!(world.join(0).is_some());
    world.pass(2);
    assert_eq!(world.reason(&late), "CUSTOMER_CONNECTION_NOT_ESTABLISHED");
    assert_eq!(world.join(1), None);
    world.pass(25 * 3_600 - 302);
    assert_eq!(world.reason(&early), Value::Null);
    world.pass(1);
    assert_eq!(world.reason(&early), "EXPIRED");
}

#[test]
fn the_oldest_ended_chats_are_forgotten_and_nothing_of_them_is_left() {
    let mut world = World::new(|settings| settings.retained_contacts = 10);
    for _ in 0..100 {
        let contact = world.start().unwrap();
        world.join(world.chats.len() - 1);
        world.stop(&contact);
    }
    let instance = &world.instance;
    assert_eq!((instance.chats.len(), instance.contacts.len(), instance.begun.len()), (10, 10, 10));
    assert_eq!((instance.tokens.len(), instance.starts.len(), instance.active), (20, 0, 0));
    // What is left are flows that were about to start; they find nothing.
    world.pass(1);
    assert!(world.instance.timers.is_empty());
}

/// What can happen.
#[derive(Debug, Clone)]
enum Step {
    Start,
    Join(usize),
    Pass(i64),
    Accept(usize, u128),
    Miss(usize),
    Hand(usize, u128),
    Move(usize),
    AgentEnds(usize),
    Stop(usize),
    Complete(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0_usize..12;
    prop_oneof![
        3 => Just(Step::Start),
        3 => which.clone().prop_map(Step::Join),
        4 => (0_i64..5).prop_map(Step::Pass),
        3 => (which.clone(), 0_u128..3).prop_map(|(contact, agent)| Step::Accept(contact, agent)),
        1 => which.clone().prop_map(Step::Miss),
        2 => (which.clone(), 0_u128..4).prop_map(|(contact, agent)| Step::Hand(contact, agent)),
        1 => which.clone().prop_map(Step::Move),
        1 => which.clone().prop_map(Step::AgentEnds),
        1 => which.clone().prop_map(Step::Stop),
        1 => which.prop_map(Step::Complete),
    ]
}

impl World {
    /// Refusals are as good as anything: what matters is what holds afterwards.
    fn take(&mut self, step: &Step) {
        let now = self.now;
        let mut ids: Vec<String> = self.instance.contacts.keys().cloned().collect();
        ids.sort();
        let at = |which: usize| ids.get(which % ids.len().max(1)).cloned().unwrap_or_default();
        match *step {
            Step::Start => drop(self.start()),
            Step::Join(chat) => drop(self.join(chat)),
            Step::Pass(seconds) => self.pass(seconds),
            Step::Accept(contact, agent) => drop(self.instance.accept(&at(contact), &user(agent), now)),
            Step::Miss(contact) => drop(self.instance.miss(&at(contact), now)),
            Step::Hand(contact, agent) => {
                drop(self.instance.transfer(&at(contact), &Target::Agent(user(agent)), now));
            }
            Step::Move(contact) => drop(self.instance.transfer(&at(contact), &Target::Queue(GOLD.to_owned()), now)),
            Step::AgentEnds(contact) => drop(self.instance.agent_ends(&at(contact), now)),
            Step::Stop(contact) => drop(self.instance.stop_contact(&at(contact), now)),
            Step::Complete(contact) => self.instance.complete(&at(contact), now),
        }
        self.emitted.extend(self.instance.take_emitted());
    }

    fn check(&self) {
        let instance = &self.instance;
        assert_eq!(instance.active, instance.chats.values().filter(|chat| !chat.ended).count());
        for contact in &instance.waiting {
            assert_eq!(instance.contacts[contact].stage, Stage::Queued);
        }
        let queued = instance.contacts.values().filter(|contact| contact.stage == Stage::Queued).count();
        assert_eq!(queued, instance.waiting.len());
        for agent in &instance.roster.agents {
            assert!(agent.occupied_by.len() <= agent.max_chats, "{agent:?}");
            let taken = instance.contacts.values().filter(|contact| {
                let rings = contact.offer.as_ref().is_some_and(|offer| offer.user_id == agent.id);
                let has = contact.serving.as_ref().is_some_and(|serving| serving.user_id == agent.id);
                !contact.completed && (rings || has)
            });
            let mut taken: Vec<&String> = taken.map(|contact| &contact.id).collect();
            let mut occupied: Vec<&String> = agent.occupied_by.iter().collect();
            taken.sort();
            occupied.sort();
            assert_eq!(taken, occupied);
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_no_agent_has_too_much_and_every_contact_lives_in_order(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(|_| {});
        for step in &steps {
            world.take(step);
            world.check();
        }
        let order = ["INITIATED", "CONNECTED_TO_SYSTEM", "QUEUED", "CONNECTED_TO_AGENT", "DISCONNECTED", "COMPLETED"];
        for (contact, kinds) in world.events() {
            let places: Vec<usize> =
                kinds.iter().map(|kind| order.iter().position(|known| known == kind).unwrap()).collect();
            prop_assert!(places.is_sorted_by(|one, next| one < next), "{contact}: {kinds:?}");
            prop_assert_eq!(places[0], 0);
        }
    }
}
