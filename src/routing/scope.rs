//! The variables of a condition, each built when a condition first reads it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::{CelString, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::objects::{Key, Opaque};
use cel::{Context, Env, Value};
use jiff::Timestamp;
use tandem_sdk::model::{Channel, Direction};

use super::question::{ProfileView, Question};

/// Most entries of a list in a profile; a longer one has no value that a condition could walk through.
const MAX_LIST: usize = 256;
/// Largest profile that is read, in bytes of JSON.
const MAX_PROFILE: usize = 1 << 20;

/// What `interaction` has: field and whether it is a truth value. [`Scope::interaction`] builds exactly these.
pub(super) const INTERACTION_FIELDS: [(&str, bool); 10] = [
    ("id", false),
    ("channel", false),
    ("language", false),
    ("topic", false),
    ("direction", false),
    ("opened_at", false),
    ("attributes", false),
    ("message_count", false),
    ("verified", true),
    ("continued", true),
];

/// The name that a macro's range is wrapped in at load; no source text can spell it.
pub(super) const WALK: &str = "@walk";

/// What every condition may call: CEL's standard functions, and [`WALK`].
///
/// Macros walk lists alone: the order of an object's fields is nobody's promise, and a decision must come out the same
/// every time.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_overload(WALK, "walk_list", vec![LIST_TYPE], |mut args| Ok(args.remove(0)))
        .expect("no standard function has this name");
    Arc::new(env)
});

/// The functions of conditions.
pub(super) fn env() -> &'static Arc<Env> {
    &ENV
}

/// A context without variables.
pub(super) fn bare_context() -> Context<'static, 'static> {
    Context::with_env(Arc::clone(env()))
}

/// The variables of one decision.
pub(super) struct Scope<'a> {
    question: &'a Question,
    profile: ProfileView<'a>,
    now: Timestamp,
    interaction_value: OnceLock<Option<Box<dyn Val>>>,
    profile_value: OnceLock<Read>,
    now_value: OnceLock<Option<Box<dyn Val>>>,
}

/// A profile that a condition has read.
struct Read {
    value: Option<Box<dyn Val>>,
    unreadable: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn new(question: &'a Question, profile: ProfileView<'a>, now: Timestamp) -> Self {
        Scope {
            question,
            profile,
            now,
            interaction_value: OnceLock::new(),
            profile_value: OnceLock::new(),
            now_value: OnceLock::new(),
        }
    }

    /// Why the profile is missing; `None` while it is there or nobody has tried to read it.
    pub(super) fn missing(&self) -> Option<&str> {
        match (self.profile, self.profile_value.get()) {
            (ProfileView::Missing(reason), _) => Some(reason),
            (ProfileView::Known(_), Some(Read { unreadable: true, .. })) => Some("unreadable"),
            (ProfileView::Known(_), _) => None,
        }
    }

    /// Whether a condition has read the profile.
    pub(super) fn profile_was_read(&self) -> bool {
        self.profile_value.get().is_some()
    }

    fn interaction(&self) -> Option<Box<dyn Val>> {
        let question = self.question;
        let mut fields: HashMap<Key, Value> = HashMap::new();
        let mut put = |name: &str, value: Value| drop(fields.insert(Key::from(name), value));
        put("id", Value::from(question.id.to_string()));
        put("channel", Value::from(channel(&question.channel)));
        put("message_count", Value::Int(i64::from(question.message_count)));
        put("verified", Value::Bool(question.verified));
        put("continued", Value::Bool(question.continued));
        if let Some(language) = &question.language {
            put("language", Value::from(language.as_str()));
        }
        if let Some(topic) = question.topic.reveal() {
            put("topic", Value::from(topic));
        }
        if let Some(direction) = question.direction {
            put("direction", Value::from(if direction == Direction::Inbound { "inbound" } else { "outbound" }));
        }
        if let Some(opened_at) = timestamp(question.opened_at) {
            put("opened_at", opened_at);
        }
        let attributes: HashMap<Key, Value> = question
            .attributes
            .iter()
            .filter_map(|(name, value)| Some((Key::from(name.as_str()), Value::from(value.reveal()?))))
            .collect();
        put("attributes", Value::from(attributes));
        Box::<dyn Val>::try_from(Value::from(fields)).ok()
    }

    fn read_profile(&self) -> Read {
        let empty = || Value::from(HashMap::<Key, Value>::new());
        let document = match self.profile {
            ProfileView::Known(text) if text.len() <= MAX_PROFILE => serde_json::from_str(text).ok(),
            ProfileView::Known(_) | ProfileView::Missing(_) => None,
        };
        let unreadable =
            matches!(self.profile, ProfileView::Known(_)) && !matches!(document, Some(serde_json::Value::Object(_)));
        let value = match document {
            Some(document @ serde_json::Value::Object(_)) => cel_value(document),
            _ => empty(),
        };
        Read { value: Box::<dyn Val>::try_from(value).ok(), unreadable }
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let value = match variable {
            "interaction" => self.interaction_value.get_or_init(|| self.interaction()),
            "profile" => &self.profile_value.get_or_init(|| self.read_profile()).value,
            "now" => self.now_value.get_or_init(|| Box::<dyn Val>::try_from(timestamp(self.now)?).ok()),
            _ => return None,
        };
        value.as_deref().map(CowVal::Borrowed)
    }
}

fn channel(channel: &Channel) -> &str {
    match channel {
        Channel::Chat => "chat",
        Channel::Voice => "voice",
        Channel::Task => "task",
        Channel::Email => "email",
        Channel::Sms => "sms",
        Channel::Unknown(word) => word,
    }
}

/// A moment as a CEL timestamp; `None` outside the years 1 to 9999, which CEL does not know. Made by CEL's own function,
/// so that its time crate stays its own affair.
fn timestamp(at: Timestamp) -> Option<Value> {
    Value::resolve(&timestamp_call(&at.to_string()), &bare_context()).ok()
}

/// `timestamp("…")` as an expression.
pub(super) fn timestamp_call(text: &str) -> IdedExpr {
    let literal = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(CelString::from(text.to_owned()))) };
    IdedExpr {
        id: 0,
        expr: Expr::Call(CallExpr { func_name: "timestamp".to_owned(), target: None, args: vec![literal] }),
    }
}

/// JSON as CEL knows it. Whole numbers become `int` where they fit, so that `profile.orders > 3` needs no suffix.
fn cel_value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(uint)) => Value::UInt(uint),
            (None, None) => number.as_f64().map_or(Value::Null, Value::Float),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) if items.len() > MAX_LIST => Value::Opaque(Arc::new(TooLong)),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.into_iter().map(cel_value).collect())),
        serde_json::Value::Object(fields) => Value::from(
            fields
                .into_iter()
                .map(|(name, value)| (Key::from(name), cel_value(value)))
                .collect::<HashMap<Key, Value>>(),
        ),
    }
}

/// Stands where a list is too long to be walked through; its name turns up in the reason.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

impl Opaque for TooLong {
    fn runtime_type_name(&self) -> &str {
        "too_long"
    }
}
