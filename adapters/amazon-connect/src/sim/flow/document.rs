//! Reads a flow file and checks it as an import does.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

const VERSION: &str = "2019-10-30";
const MAX_CHARACTERS: usize = 256_000;
const MAX_ACTIONS: usize = 250;
const MAX_IDENTIFIER: usize = 50;
const FORBIDDEN_IN_IDENTIFIERS: &str = "%:(\\/)=$,;[]{}";

/// A flow that passed the checks.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Flow {
    pub(super) start: String,
    pub(super) actions: HashMap<String, Action>,
    /// Static queue references: action to the display name beside the ARN.
    queue_names: HashMap<String, String>,
}

/// One block.
#[derive(Debug, Clone)]
pub(super) struct Action {
    pub(super) does: Does,
    pub(super) next: Option<String>,
    pub(super) conditions: Vec<Branch>,
    pub(super) errors: BTreeMap<String, String>,
}

/// A transition with a condition.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub(super) operator: String,
    pub(super) operand: String,
    pub(super) next: String,
}

/// What a block does. Kinds that change nothing in a chat are one variant.
#[derive(Debug, Clone)]
pub(super) enum Does {
    Compare {
        value: String,
    },
    SetQueue {
        queue: String,
    },
    SetAttributes {
        attributes: BTreeMap<String, String>,
    },
    /// `None` when the block has only what voice can play.
    Say {
        text: Option<String>,
    },
    SetRouting(Routing),
    Queue,
    Disconnect,
    End,
    Nothing,
}

/// What changes a contact's place in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum Routing {
    /// Lower ones are served first.
    Priority(i64),
    /// Counts as having waited so many seconds longer.
    Age(i64),
}

/// Why a file is no flow that could be imported.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::sim) enum FlowProblem {
    #[error("not a flow document: {0}")]
    Malformed(String),
    #[error("version {0:?} is not 2019-10-30")]
    Version(String),
    #[error("{0} is more than a flow may have")]
    TooLarge(&'static str),
    #[error("identifier {0:?} is used twice, too long or has a character that identifiers may not have")]
    Identifier(String),
    #[error("{from} leads to {to:?}, which is no action")]
    DeadEnd { from: String, to: String },
    #[error("{action} ({kind}): {problem}")]
    Action { action: String, kind: String, problem: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: String,
    start_action: String,
    #[serde(default)]
    metadata: Value,
    actions: Vec<RawAction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawAction {
    identifier: String,
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    parameters: Value,
    #[serde(default)]
    transitions: Transitions,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Transitions {
    next_action: Option<String>,
    conditions: Vec<RawCondition>,
    errors: Vec<RawError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawCondition {
    next_action: String,
    condition: RawTest,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawTest {
    operator: String,
    operands: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawError {
    next_action: String,
    error_type: String,
}

impl Flow {
    /// Reads a flow.
    ///
    /// # Errors
    /// The first thing for which an import would be refused.
    pub(in crate::sim) fn parse(text: &str) -> Result<Self, FlowProblem> {
        if text.chars().count() > MAX_CHARACTERS {
            return Err(FlowProblem::TooLarge("256000 characters"));
        }
        let document: Document =
            serde_json::from_str(text).map_err(|error| FlowProblem::Malformed(error.to_string()))?;
        if document.version != VERSION {
            return Err(FlowProblem::Version(document.version));
        }
        if document.actions.len() > MAX_ACTIONS {
            return Err(FlowProblem::TooLarge("250 actions"));
        }
        let mut actions = HashMap::new();
        let mut queue_names = HashMap::new();
        for raw in document.actions {
            let name = raw.identifier.clone();
            let name_path = format!("/ActionMetadata/{name}/parameters/QueueId/displayName");
            if let Some(Value::String(display)) = document.metadata.pointer(&name_path) {
                queue_names.insert(name.clone(), display.clone());
            }
            check_identifier(&name, actions.contains_key(&name))?;
            actions.insert(name, read_action(raw)?);
        }
        let flow = Self { start: document.start_action, actions, queue_names };
        flow.check_transitions()?;
        Ok(flow)
    }

    /// Puts this instance's queues in place of static references to another one's, by display name. What cannot be
    /// resolved stays and takes the error branch when it runs; its action is returned.
    pub(in crate::sim) fn resolve_queues(
        &mut self,
        known: impl Fn(&str) -> bool,
        named: impl Fn(&str) -> Option<String>,
    ) -> Vec<String> {
        let mut unresolved = Vec::new();
        for (name, action) in &mut self.actions {
            let Does::SetQueue { queue } = &mut action.does else { continue };
            if queue.starts_with("$.") || known(queue) {
                continue;
            }
            match self.queue_names.get(name).and_then(|display| named(display)) {
                Some(found) => *queue = found,
                None => unresolved.push(name.clone()),
            }
        }
        unresolved.sort();
        unresolved
    }

    fn check_transitions(&self) -> Result<(), FlowProblem> {
        let known: HashSet<&str> = self.actions.keys().map(String::as_str).collect();
        let dead = |from: &str, to: &str| FlowProblem::DeadEnd { from: from.to_owned(), to: to.to_owned() };
        if !known.contains(self.start.as_str()) {
            return Err(dead("StartAction", &self.start));
        }
        for (name, action) in &self.actions {
            let targets = action.next.iter().chain(action.conditions.iter().map(|branch| &branch.next));
            if let Some(to) = targets.chain(action.errors.values()).find(|to| !known.contains(to.as_str())) {
                return Err(dead(name, to));
            }
        }
        Ok(())
    }
}

fn check_identifier(name: &str, taken: bool) -> Result<(), FlowProblem> {
    let spoiled = name.chars().any(|character| FORBIDDEN_IN_IDENTIFIERS.contains(character));
    if taken || spoiled || name.is_empty() || name.chars().count() > MAX_IDENTIFIER {
        return Err(FlowProblem::Identifier(name.to_owned()));
    }
    Ok(())
}

fn read_action(raw: RawAction) -> Result<Action, FlowProblem> {
    let (name, kind) = (raw.identifier.clone(), raw.kind.clone());
    let wrong = |problem: String| FlowProblem::Action { action: name.clone(), kind: kind.clone(), problem };
    let does = read_parameters(&raw.kind, &raw.parameters).map_err(&wrong)?;
    let needed: &[&str] = match does {
        Does::Queue => &["QueueAtCapacity", "NoMatchingError"],
        Does::SetQueue { .. } | Does::SetAttributes { .. } | Does::Say { .. } => &["NoMatchingError"],
        Does::Compare { .. } => &["NoMatchingCondition"],
        Does::SetRouting(_) | Does::Disconnect | Does::End | Does::Nothing => &[],
    };
    let Transitions { next_action, conditions, errors } = raw.transitions;
    let ends = matches!(does, Does::Disconnect | Does::End);
    if ends && (next_action.is_some() || !conditions.is_empty() || !errors.is_empty()) {
        return Err(wrong("an ending has no transitions".to_owned()));
    }
    if !ends && next_action.is_none() {
        return Err(wrong("NextAction is missing".to_owned()));
    }
    if !conditions.is_empty() && !matches!(does, Does::Compare { .. }) {
        return Err(wrong("conditions are not supported here".to_owned()));
    }
    let errors: BTreeMap<String, String> =
        errors.into_iter().map(|error| (error.error_type, error.next_action)).collect();
    if let Some(missing) = needed.iter().find(|kind| !errors.contains_key(**kind)) {
        return Err(wrong(format!("error {missing} has no transition")));
    }
    let errors_are_known = !needed.is_empty() || matches!(does, Does::SetRouting(_));
    if let Some(unknown) = errors.keys().find(|kind| errors_are_known && !needed.contains(&kind.as_str())) {
        return Err(wrong(format!("error {unknown} does not exist here")));
    }
    let conditions = conditions
        .into_iter()
        .map(|raw| match <[String; 1]>::try_from(raw.condition.operands) {
            Ok([operand]) if super::compare::is_operator(&raw.condition.operator) => {
                Ok(Branch { operator: raw.condition.operator, operand, next: raw.next_action })
            }
            _ => Err(wrong(format!("condition {:?} needs a known operator and one operand", raw.condition.operator))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Action { does, next: next_action, conditions, errors })
}

fn read_parameters(kind: &str, parameters: &Value) -> Result<Does, String> {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
    let only = |allowed: &[&str]| match parameters
        .as_object()
        .and_then(|map| map.keys().find(|key| !allowed.contains(&key.as_str())))
    {
        Some(key) => Err(format!("parameter {key} does not exist here")),
        None => Ok(()),
    };
    match kind {
        "Compare" => {
            only(&["ComparisonValue"])?;
            let value = text("ComparisonValue")
                .filter(|value| value.starts_with("$."))
                .ok_or("ComparisonValue is no JSONPath")?;
            Ok(Does::Compare { value })
        }
        "UpdateContactTargetQueue" => {
            only(&["QueueId"])?;
            Ok(Does::SetQueue { queue: text("QueueId").ok_or("QueueId is missing")? })
        }
        "UpdateContactAttributes" => {
            only(&["Attributes", "TargetContact"])?;
            let attributes = parameters.get("Attributes").cloned().ok_or("Attributes is missing")?;
            let attributes = serde_json::from_value(attributes).map_err(|error| error.to_string())?;
            Ok(Does::SetAttributes { attributes })
        }
        "MessageParticipant" => {
            let given = ["Text", "SSML", "PromptId", "Media"].iter().filter(|name| parameters.get(**name).is_some());
            if given.count() != 1 {
                return Err("exactly one of Text, SSML, PromptId and Media is needed".to_owned());
            }
            Ok(Does::Say { text: text("Text") })
        }
        "UpdateContactRoutingBehavior" => {
            only(&["QueuePriority", "QueueTimeAdjustmentSeconds"])?;
            read_routing(parameters).map(Does::SetRouting)
        }
        "TransferContactToQueue" => only(&[]).map(|()| Does::Queue),
        "DisconnectParticipant" => only(&[]).map(|()| Does::Disconnect),
        "EndFlowExecution" => only(&[]).map(|()| Does::End),
        "UpdateFlowLoggingBehavior"
        | "UpdateContactRecordingBehavior"
        | "UpdateContactRecordingAndAnalyticsBehavior"
        | "UpdateContactEventHooks"
        | "UpdateContactTextToSpeechVoice" => Ok(Does::Nothing),
        _ => Err("the simulator does not know this type of action".to_owned()),
    }
}

/// Both are documented as static: a reference is refused, as the flow designer does.
fn read_routing(parameters: &Value) -> Result<Routing, String> {
    let number = |name: &str| {
        let given = parameters.get(name)?;
        let number = given.as_str().map_or_else(|| given.as_i64(), |text| text.parse().ok());
        Some(number.ok_or_else(|| format!("{name} is no static integer")))
    };
    match (number("QueuePriority").transpose()?, number("QueueTimeAdjustmentSeconds").transpose()?) {
        (Some(priority), None) if priority > 0 => Ok(Routing::Priority(priority)),
        (Some(_), None) => Err("QueuePriority must be larger than zero".to_owned()),
        (None, Some(seconds)) => Ok(Routing::Age(seconds)),
        _ => Err("exactly one of QueuePriority and QueueTimeAdjustmentSeconds is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    pub(in crate::sim) const SHIPPED: &str = include_str!("../../../../../config/aws/tandem-chat-flow.json");

    fn with_action(action: &Value) -> Result<Flow, FlowProblem> {
        let end = json!({"Identifier": "end", "Type": "DisconnectParticipant", "Parameters": {}, "Transitions": {}});
        let flow = json!({"Version": "2019-10-30", "StartAction": "end", "Actions": [action, end]});
        Flow::parse(&flow.to_string())
    }

    #[test]
    fn the_shipped_flow_can_be_imported_and_its_default_queue_is_found_by_name() {
        let mut flow = Flow::parse(SHIPPED).unwrap();
        let named = |name: &str| (name == "BasicQueue").then(|| "here".to_owned());
        assert_eq!(flow.resolve_queues(|queue| queue == "here", named), Vec::<String>::new());
        assert_eq!(flow.resolve_queues(|queue| queue == "here", |_| None), Vec::<String>::new());
        let unnamed = Flow::parse(SHIPPED).unwrap().resolve_queues(|_| false, |_| None);
        assert_eq!(unnamed, ["take-default-queue"]);
    }

    #[test]
    fn what_the_designer_refuses_is_refused() {
        let errors = json!([{"ErrorType": "QueueAtCapacity", "NextAction": "end"}, {"ErrorType": "NoMatchingError", "NextAction": "end"}]);
        let queue = |parameters: Value, transitions: Value| {
            with_action(
                &json!({"Identifier": "a", "Type": "TransferContactToQueue", "Parameters": parameters, "Transitions": transitions}),
            )
        };
        assert!(queue(json!({}), json!({"NextAction": "end", "Errors": errors})).is_ok());
        assert!(queue(json!({"QueueId": "q"}), json!({"NextAction": "end", "Errors": errors})).is_err());
        assert!(queue(json!({}), json!({"Errors": errors})).is_err());
        assert!(queue(json!({}), json!({"NextAction": "end", "Errors": [errors[0]]})).is_err());
        assert!(queue(json!({}), json!({"NextAction": "nowhere", "Errors": errors})).is_err());
        let say = |parameters: Value| {
            let transitions = json!({"NextAction": "end", "Errors": [errors[1]]});
            with_action(
                &json!({"Identifier": "a", "Type": "MessageParticipant", "Parameters": parameters, "Transitions": transitions}),
            )
        };
        assert!(say(json!({"Text": "x"})).is_ok());
        assert!(say(json!({"Text": "x", "SSML": "y"})).is_err());
        assert!(say(json!({})).is_err());
        let routing = |parameters: Value, errors: Value| {
            let transitions = json!({"NextAction": "end", "Errors": errors});
            with_action(
                &json!({"Identifier": "a", "Type": "UpdateContactRoutingBehavior", "Parameters": parameters, "Transitions": transitions}),
            )
        };
        assert!(routing(json!({"QueuePriority": "1"}), json!([])).is_ok());
        assert!(routing(json!({"QueueTimeAdjustmentSeconds": "-30"}), json!([])).is_ok());
        for refused in [
            json!({}),
            json!({"QueuePriority": "0"}),
            json!({"QueuePriority": "$.Attributes.tandem_priority"}),
            json!({"QueuePriority": "1", "QueueTimeAdjustmentSeconds": "1"}),
        ] {
            assert!(routing(refused, json!([])).is_err());
        }
        assert!(routing(json!({"QueuePriority": "1"}), json!([errors[1]])).is_err());
        assert!(with_action(&json!({"Identifier": "a", "Type": "InvokeLambdaFunction"})).is_err());
        assert!(with_action(&json!({"Identifier": "a/b", "Type": "DisconnectParticipant"})).is_err());
        assert!(with_action(&json!({"Identifier": "end", "Type": "DisconnectParticipant"})).is_err());
        assert_eq!(
            Flow::parse(r#"{"Version":"2018","StartAction":"a","Actions":[]}"#).unwrap_err(),
            FlowProblem::Version("2018".to_owned())
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,400}") {
            drop(Flow::parse(&text));
        }
    }
}
