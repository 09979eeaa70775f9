//! Walks a flow for one contact.

use std::collections::BTreeMap;

use super::document::{Action, Does, Flow, Routing};
use super::{compare, path};

/// Blocks that one walk may run; a flow that goes round in circles ends here.
const MAX_STEPS: usize = 1_000;

/// What a flow can see of the contact and its instance.
pub(in crate::sim) struct Scene<'a> {
    pub(in crate::sim) contact_id: &'a str,
    pub(in crate::sim) initial_contact_id: &'a str,
    pub(in crate::sim) instance_arn: &'a str,
    /// As they were when the flow started; the walk works on a copy.
    pub(in crate::sim) attributes: BTreeMap<String, String>,
    /// The id of the queue with this id or ARN.
    pub(in crate::sim) queue: &'a dyn Fn(&str) -> Option<String>,
    /// Whether the queue with this id takes no more.
    pub(in crate::sim) is_full: &'a dyn Fn(&str) -> bool,
    /// Whether these attributes fit into a contact.
    pub(in crate::sim) fits: &'a dyn Fn(&BTreeMap<String, String>) -> bool,
}

/// What a walk came to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sim) struct Walk {
    /// The identifiers of the blocks, in the order in which they ran.
    pub(in crate::sim) steps: Vec<String>,
    /// What was said to the customer, in order.
    pub(in crate::sim) said: Vec<String>,
    pub(in crate::sim) attributes: BTreeMap<String, String>,
    /// What changed the contact's place in its queue; the last of them holds.
    pub(in crate::sim) routing: Option<Routing>,
    pub(in crate::sim) ending: Ending,
}

/// How a walk ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sim) enum Ending {
    /// The contact waits in this queue; the flow goes on only when it could not be queued.
    Queued(String),
    /// The flow hung up, or ended without queueing, which comes to the same.
    Disconnected,
}

/// Walks the flow from its first block.
pub(in crate::sim) fn interpret(flow: &Flow, mut scene: Scene<'_>) -> Walk {
    let mut walk = Walk {
        steps: Vec::new(),
        said: Vec::new(),
        attributes: BTreeMap::new(),
        routing: None,
        ending: Ending::Disconnected,
    };
    let mut target: Option<String> = None;
    let mut at = Some(flow.start.clone());
    while let Some(name) = at.take() {
        let Some(action) = flow.actions.get(&name).filter(|_| walk.steps.len() < MAX_STEPS) else { break };
        walk.steps.push(name);
        let outcome = match &action.does {
            Does::Nothing => Ok(()),
            Does::SetRouting(routing) => {
                walk.routing = Some(*routing);
                Ok(())
            }
            Does::Compare { value } => {
                at = Some(branch(action, path::value(&scene, value)).to_owned());
                continue;
            }
            Does::SetQueue { queue } => match path::single(&scene, queue).and_then(|wanted| (scene.queue)(&wanted)) {
                Some(found) => {
                    target = Some(found);
                    Ok(())
                }
                None => Err("NoMatchingError"),
            },
            Does::SetAttributes { attributes } => set_attributes(&mut scene, attributes),
            Does::Say { text } => {
                let said = text.as_deref().map(|template| path::text(&scene, template)).filter(|said| !said.is_empty());
                said.map(|said| walk.said.push(said)).ok_or("NoMatchingError")
            }
            Does::Queue => match &target {
                None => Err("NoMatchingError"),
                Some(queue) if (scene.is_full)(queue) => Err("QueueAtCapacity"),
                Some(queue) => {
                    walk.ending = Ending::Queued(queue.clone());
                    break;
                }
            },
            Does::Disconnect | Does::End => break,
        };
        at = match outcome {
            Ok(()) => action.next.clone(),
            Err(error) => action.errors.get(error).cloned(),
        };
    }
    walk.attributes = scene.attributes;
    walk
}

fn branch<'a>(action: &'a Action, value: Option<&str>) -> &'a str {
    let matching = action.conditions.iter().find(|branch| compare::holds(value, &branch.operator, &branch.operand));
    match matching {
        Some(branch) => &branch.next,
        // Reading the flow made sure that it is there.
        None => action.errors.get("NoMatchingCondition").map_or("", String::as_str),
    }
}

/// All are set or none.
fn set_attributes(scene: &mut Scene<'_>, wanted: &BTreeMap<String, String>) -> Result<(), &'static str> {
    let mut attributes = scene.attributes.clone();
    for (key, value) in wanted {
        attributes.insert(path::text(scene, key), path::text(scene, value));
    }
    if !(scene.fits)(&attributes) {
        return Err("NoMatchingError");
    }
    scene.attributes = attributes;
    Ok(())
}

#[cfg(test)]
impl Scene<'_> {
    pub(super) fn for_test(attributes: &BTreeMap<String, String>) -> Self {
        Scene {
            contact_id: "contact",
            initial_contact_id: "initial",
            instance_arn: "arn:aws:connect:eu-central-1:111122223333:instance/i-1",
            attributes: attributes.clone(),
            queue: &|wanted| ["q-gold", "q-basic", "q-full"].contains(&wanted).then(|| wanted.to_owned()),
            is_full: &|queue| queue == "q-full",
            fits: &|attributes| attributes.len() < 5,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use serde_json::{Value, json};

    use super::*;

    const SHIPPED: &str = include_str!("../../../../../config/aws/tandem-chat-flow.json");

    /// Attributes, what is said, how it ends.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], Ending);

    fn walk_shipped(pairs: &[(&str, &str)]) -> Walk {
        let mut flow = Flow::parse(SHIPPED).unwrap();
        flow.resolve_queues(|_| false, |_| Some("q-basic".to_owned()));
        let attributes = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        interpret(&flow, Scene::for_test(&attributes))
    }

    #[test]
    fn the_shipped_flow_goes_where_the_attributes_say() {
        const SORRY: &str = "We cannot connect you with a colleague at the moment. Please write to us again later.";
        const FULL: &str =
            "All of our colleagues are busy and the waiting line is full. Please write to us again a little later.";
        let queued = |queue: &str| Ending::Queued(queue.to_owned());
        let cases: [Case; 7] = [
            (&[("tandem_queue", "q-gold")], &[], queued("q-gold")),
            (&[], &[], queued("q-basic")),
            (&[("tandem_queue", "")], &[], queued("q-basic")),
            (&[("tandem_queue", "q-nobody-knows")], &[SORRY], Ending::Disconnected),
            (&[("tandem_queue", "q-full")], &[FULL], Ending::Disconnected),
            (
                &[("tandem_queue", "q-gold"), ("tandem_greeting", "Hello Ada, one moment.")],
                &["Hello Ada, one moment."],
                queued("q-gold"),
            ),
            (&[("tandem_greeting", "")], &[], queued("q-basic")),
        ];
        for (attributes, said, ending) in cases {
            let walk = walk_shipped(attributes);
            assert_eq!(
                (walk.said, walk.ending),
                (said.iter().map(|text| (*text).to_owned()).collect(), ending),
                "{attributes:?}"
            );
        }
    }

    #[test]
    fn the_shipped_flow_gives_the_priority_that_the_attribute_says() {
        let cases = [
            (Some("1"), Some(1)),
            (Some("4"), Some(4)),
            (Some("9"), Some(9)),
            (Some("10"), Some(10)),
            (Some("700"), Some(10)),
            (Some("5"), None),
            (Some("soon"), None),
            (Some(""), None),
            (None, None),
        ];
        for (told, priority) in cases {
            let pairs: Vec<(&str, &str)> = told.map(|told| ("tandem_priority", told)).into_iter().collect();
            let walk = walk_shipped(&pairs);
            assert_eq!(walk.routing, priority.map(Routing::Priority), "{told:?}");
            assert_eq!(walk.ending, Ending::Queued("q-basic".to_owned()));
        }
    }

    #[test]
    fn a_flow_that_goes_round_in_circles_hangs_up() {
        let round = json!({"Version": "2019-10-30", "StartAction": "a", "Actions": [
            {"Identifier": "a", "Type": "UpdateFlowLoggingBehavior", "Parameters": {"FlowLoggingBehavior": "Enabled"},
             "Transitions": {"NextAction": "a"}}]});
        let walk = interpret(&Flow::parse(&round.to_string()).unwrap(), Scene::for_test(&BTreeMap::new()));
        assert_eq!((walk.steps.len(), walk.ending), (MAX_STEPS, Ending::Disconnected));
    }

    #[test]
    fn attributes_are_set_all_or_none_and_later_blocks_see_them() {
        let set = |attributes: Value| {
            json!({"Version": "2019-10-30", "StartAction": "set", "Actions": [
                {"Identifier": "set", "Type": "UpdateContactAttributes",
                 "Parameters": {"Attributes": attributes, "TargetContact": "Current"},
                 "Transitions": {"NextAction": "say", "Errors": [{"ErrorType": "NoMatchingError", "NextAction": "end"}]}},
                {"Identifier": "say", "Type": "MessageParticipant", "Parameters": {"Text": "tier $.Attributes.tier"},
                 "Transitions": {"NextAction": "end", "Errors": [{"ErrorType": "NoMatchingError", "NextAction": "end"}]}},
                {"Identifier": "end", "Type": "DisconnectParticipant", "Parameters": {}, "Transitions": {}}]})
        };
        let run = |flow: Value| interpret(&Flow::parse(&flow.to_string()).unwrap(), Scene::for_test(&BTreeMap::new()));
        assert_eq!(run(set(json!({"tier": "gold"}))).said, ["tier gold"]);
        let refused = run(set(json!({"a": "1", "b": "2", "c": "3", "d": "4", "tier": "gold"})));
        assert_eq!((refused.said.len(), refused.attributes.len()), (0, 0));
    }
}
