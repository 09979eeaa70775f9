//! A client: a connection with tokens, and the links that the tests need.

use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use fe2o3_amqp_types::messaging::annotations::OwnedKey;
use fe2o3_amqp_types::messaging::{
    AmqpValue, ApplicationProperties, Body, Data, Message, MessageAnnotations, Outcome, Properties, Source,
};
use fe2o3_amqp_types::primitives::{Binary, OrderedMap, SimpleValue, Symbol, Value};
use jiff::Timestamp;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use tandem_event_hubs_sim::{HubSettings, Right, Running, SasRule, Settings, run, sign};

pub(crate) const KEY: &str = "a key of the tests";
pub(crate) const POLICY: &str = "RootManageSharedAccessKey";
pub(crate) const SAS: &str = "servicebus.windows.net:sastoken";
const SELECTOR: &str = "apache.org:selector-filter:string";

pub(crate) type Any = Message<Body<Value>>;

/// One hub of four partitions, one that keeps three events, and policies that only send or only listen.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new("tandem", KEY, "events");
    settings.hubs[0].partitions = 4;
    settings.hubs[0].consumer_groups = vec!["second".to_owned()];
    settings.hubs.push(HubSettings { retention: 3, partitions: 1, ..HubSettings::new("short") });
    for (name, right) in [("sender", Right::Send), ("reader", Right::Listen)] {
        settings.rules.push(SasRule { name: name.to_owned(), key: KEY.to_owned(), rights: vec![right] });
    }
    settings
}

pub(crate) async fn simulator() -> Running {
    run(settings()).await.unwrap()
}

/// What comes within ten seconds.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("this did not happen within ten seconds")
}

/// Asks until the answer is yes.
pub(crate) async fn until(mut look: impl FnMut() -> bool) {
    soon(async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

pub(crate) fn in_an_hour() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + 3_600).unwrap()
}

pub(crate) struct Client {
    pub(crate) connection: ConnectionHandle<()>,
    pub(crate) session: SessionHandle<()>,
    links: u32,
}

impl Client {
    pub(crate) async fn connect(running: &Running) -> Self {
        Self::connect_to(&running.endpoint).await
    }

    pub(crate) async fn connect_to(endpoint: &str) -> Self {
        let open = Connection::builder().container_id("test").sasl_profile(SaslProfile::Anonymous);
        let mut connection = soon(open.open(endpoint)).await.unwrap();
        let session = soon(Session::begin(&mut connection)).await.unwrap();
        Client { connection, session, links: 0 }
    }

    /// Connected, with a token for everything.
    pub(crate) async fn granted(running: &Running) -> Self {
        let mut client = Self::connect(running).await;
        assert_eq!(client.put("sb://localhost", POLICY).await.0, 202);
        client
    }

    /// Puts a token that this policy signs for a resource: (status, description).
    pub(crate) async fn put(&mut self, name: &str, policy: &str) -> (i32, String) {
        self.put_token(name, SAS, sign(name, policy, KEY, in_an_hour())).await
    }

    pub(crate) async fn put_token(&mut self, name: &str, kind: &str, token: String) -> (i32, String) {
        let told = [("operation", "put-token"), ("type", kind), ("name", name)];
        let reply = self.ask("$cbs", &told, Value::String(token)).await;
        (status(&reply), description(&reply))
    }

    /// Asks for properties.
    pub(crate) async fn properties(&mut self, told: &[(&str, &str)]) -> Any {
        let told: Vec<_> = [("operation", "READ")].iter().chain(told).copied().collect();
        self.ask("$management", &told, Value::Null).await
    }

    /// Asks a node: a link there, a link back, one message each way.
    pub(crate) async fn ask(&mut self, node: &str, told: &[(&str, &str)], body: Value) -> Any {
        let mut properties = OrderedMap::new();
        for (name, value) in told {
            properties.insert((*name).to_owned(), SimpleValue::String((*value).to_owned()));
        }
        let (name, back) = (self.name(), self.name());
        let mut sender = soon(Sender::attach(&mut self.session, name, node)).await.unwrap();
        let replies = Receiver::builder().name(back.clone()).source(node).target(back.as_str());
        let mut receiver = soon(replies.attach(&mut self.session)).await.unwrap();
        let request = Message::builder()
            .properties(Properties::builder().message_id("question".to_owned()).reply_to(back).build())
            .application_properties(ApplicationProperties(properties))
            .body(Body::Value(AmqpValue(body)))
            .build();
        soon(sender.send(request)).await.unwrap();
        let reply = soon(receiver.recv::<Body<Value>>()).await.unwrap();
        soon(receiver.accept(&reply)).await.unwrap();
        let reply = reply.into_message();
        assert_eq!(reply.properties.as_ref().unwrap().correlation_id, Some("question".to_owned().into()));
        soon(sender.close()).await.unwrap();
        soon(receiver.close()).await.unwrap();
        reply
    }

    pub(crate) async fn sender(&mut self, address: &str) -> Sender {
        let name = self.name();
        soon(Sender::attach(&mut self.session, name, address)).await.unwrap()
    }

    /// A reader of one partition in the default group, from a start as a selector says it.
    pub(crate) async fn reader(&mut self, partition: &str, start: &str) -> Receiver {
        let address = format!("amqps://localhost/events/ConsumerGroups/$Default/Partitions/{partition}");
        self.reader_of(&address, start, None).await
    }

    pub(crate) async fn reader_of(&mut self, address: &str, start: &str, epoch: Option<i64>) -> Receiver {
        let descriptor = Descriptor::Name(Symbol::from(SELECTOR));
        self.reader_with(address, descriptor, start, epoch).await
    }

    pub(crate) async fn reader_with(
        &mut self,
        address: &str,
        descriptor: Descriptor,
        start: &str,
        epoch: Option<i64>,
    ) -> Receiver {
        let value = Value::String(format!("amqp.annotation.x-opt-{start}"));
        let filter = Described { descriptor, value };
        let source = Source::builder().address(address).add_to_filter(Symbol::from(SELECTOR), filter).build();
        let mut link = Receiver::builder().name(self.name()).source(source).target("here").auto_accept(true);
        if let Some(epoch) = epoch {
            let mut properties = OrderedMap::new();
            properties.insert(Symbol::from("com.microsoft:epoch"), Value::Long(epoch));
            link = link.properties(properties);
        }
        soon(link.attach(&mut self.session)).await.unwrap()
    }

    fn name(&mut self) -> String {
        self.links += 1;
        format!("link-{}", self.links)
    }
}

pub(crate) fn event(body: &str, key: Option<&str>) -> Any {
    let data = Data(Binary::from(body.as_bytes().to_vec()));
    let properties = Properties::builder().message_id(format!("id of {body}")).build();
    let mut event: Any = Message::builder().properties(properties).body(Body::Data(vec![data].into())).build();
    if let Some(key) = key {
        let mut annotations = MessageAnnotations::default();
        annotations.0.insert(OwnedKey::from("x-opt-partition-key"), Value::String(key.to_owned()));
        event.message_annotations = Some(annotations);
    }
    event
}

/// Sends one event and wants it accepted.
pub(crate) async fn send(sender: &mut Sender, body: &str) {
    let outcome = soon(sender.send(event(body, None))).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

/// A message in the format of a batch, with these sections.
pub(crate) fn batch(sections: Vec<Vec<u8>>) -> Sendable<Body<Value>> {
    let sections: Vec<Data> = sections.into_iter().map(|section| Data(Binary::from(section))).collect();
    let envelope: Any = Message::builder().body(Body::Data(sections.into())).build();
    Sendable::builder().message(envelope).message_format(0x8001_3700).build()
}

/// A message with a body of text and nothing else, as it is encoded.
pub(crate) fn encoded(body: &str) -> Vec<u8> {
    let mut bytes = vec![0x00, 0x53, 0x75, 0xb0];
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// The next so many events: sequence numbers and bodies.
pub(crate) async fn next(reader: &mut Receiver, count: usize) -> Vec<(i64, String)> {
    let mut events = Vec::new();
    for _ in 0..count {
        let message = soon(reader.recv::<Body<Value>>()).await.unwrap().into_message();
        let Some(Value::Long(sequence)) = annotation(&message, "x-opt-sequence-number") else {
            panic!("no sequence number: {message:?}")
        };
        events.push((sequence, text(&message)));
    }
    events
}

pub(crate) fn annotation(message: &Any, wanted: &str) -> Option<Value> {
    let annotations = &message.message_annotations.as_ref()?.0;
    let found = annotations.iter().find(|(name, _)| **name == OwnedKey::from(wanted));
    found.map(|(_, value)| value.clone())
}

pub(crate) fn text(message: &Any) -> String {
    let Body::Data(sections) = &message.body else { panic!("no data: {message:?}") };
    sections.iter().map(|section| String::from_utf8_lossy(&section.0).into_owned()).collect()
}

pub(crate) fn status(reply: &Any) -> i32 {
    match reply.application_properties.as_ref().unwrap().0.get("status-code") {
        Some(SimpleValue::Int(status)) => *status,
        other => panic!("no status: {other:?}"),
    }
}

fn description(reply: &Any) -> String {
    match reply.application_properties.as_ref().unwrap().0.get("status-description") {
        Some(SimpleValue::String(text)) => text.clone(),
        other => panic!("no description: {other:?}"),
    }
}

/// What a reader is told when its link is closed.
pub(crate) async fn end_of(reader: &mut Receiver) -> String {
    soon(async {
        loop {
            if let Err(error) = reader.recv::<Body<Value>>().await {
                return format!("{error:?}");
            }
        }
    })
    .await
}
