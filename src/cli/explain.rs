//! `tandem explain`: the story of one interaction, for people.

use std::collections::BTreeMap;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::Value;
use tandem_sdk::model::{Command, CommandId, InteractionId};
use tandem_sdk::problem::Problem;

use super::arguments::Explain;
use super::offline;
use super::paper::{Paper, Stop};
use crate::delivery::{Line, MadeDecision, ReadError, Sight};
use crate::desk::interaction_at_rest;
use crate::interactions::{Input, Interaction, Step};
use crate::record::Opened;
use crate::routing::Standing;

/// Characters of a message that one line shows.
const SHOWN: usize = 100;

/// Tells where it stands, what happened, what was decided and why, what was done about it, and what is still owed.
pub(super) fn explain(arguments: &Explain) -> ExitCode {
    let mut paper = Paper::new();
    let told = tell(arguments, &mut paper);
    paper.end(told)
}

/// Everything that the story is made of.
struct Story {
    it: Interaction,
    lines: Vec<Line>,
    records: Vec<Opened>,
    decisions: Vec<MadeDecision>,
}

fn tell(arguments: &Explain, paper: &mut Paper) -> Result<(), Stop> {
    let sight = if arguments.text { Sight::Text } else { Sight::Redacted };
    let story = read(arguments, sight)?;
    story.standing(sight, paper)?;
    story.timeline(paper)?;
    story.decided(paper)?;
    story.done(paper)?;
    story.owed(paper)
}

fn read(arguments: &Explain, sight: Sight) -> Result<Story, Stop> {
    let rest = offline::open(&arguments.kept)?;
    let id = InteractionId(arguments.interaction);
    let found = interaction_at_rest(id, rest.setup.known(), &rest.store, &rest.keys);
    let it = found.map_err(|error| offline::wrong(&error))?.ok_or_else(|| {
        let expected = "an interaction that this hub has kept; `tandem store scan states` lists them";
        Stop::wrong(Problem::new("explain.no_such_interaction", "", id.to_string(), expected).in_file("command line"))
    })?;
    let unreadable = |error: ReadError| offline::wrong(&error);
    let (lines, _) = rest.reader.timeline(&it, None, usize::MAX, sight).map_err(unreadable)?;
    let records = rest.reader.records(&it.records, Sight::Redacted).map_err(unreadable)?;
    let decisions = rest.reader.decisions(&it).map_err(unreadable)?;
    Ok(Story { it, lines, records, decisions })
}

impl Story {
    fn standing(&self, sight: Sight, paper: &mut Paper) -> Result<(), Stop> {
        let it = &self.it;
        paper.line(&format!("interaction {}", it.id))?;
        paper.line(&format!("  stands     {}", word(&it.state())))?;
        if let Some(closed) = it.closed {
            paper.line(&format!("  closed     {} as {}", clock(closed.at), word(&closed.reason)))?;
        }
        paper.line(&format!("  opened     {}, {}, time number {}", it.opened_at, word(&it.channel), it.generation))?;
        if let Some(before) = it.continued_from {
            paper.line(&format!("  continues  {before}"))?;
        }
        if sight == Sight::Text {
            let name = it.customer.name.reveal().unwrap_or("(no name, or erased)");
            paper.line(&format!("  customer   {name}"))?;
        }
        paper.line(&format!("  profile    {}", word(&it.profile)))?;
        for leg in &it.legs {
            let leg_ref = &leg.leg;
            let state = leg.state().name();
            paper.line(&format!("  leg        {} {} {}: {state}", leg_ref.system, leg_ref.kind, leg_ref.native))?;
        }
        if it.hub_absent {
            paper.line("  the hub is no participant of the conversation and cannot write to it")?;
        }
        Ok(())
    }

    fn timeline(&self, paper: &mut Paper) -> Result<(), Stop> {
        paper.line("\nwhat happened")?;
        let asked: BTreeMap<String, String> = self
            .commands()
            .map(|(_, command)| (command.id.to_string(), format!("{} ({})", command.action.name(), command.purpose.0)))
            .collect();
        for line in &self.lines {
            let erased = if line.erased { " (personal values were erased)" } else { "" };
            let mut came = line.came.summary.clone();
            if let Some(asked) = line.came.detail["command"].as_str().and_then(|id| asked.get(id)) {
                // Nobody knows a command by its id.
                came = came.replacen(
                    &format!("command {}", line.came.detail["command"].as_str().unwrap_or_default()),
                    asked,
                    1,
                );
            }
            paper.line(&format!("  {}  #{} {came}{erased}", clock(line.recorded_at), line.seq))?;
            for fact in &line.facts {
                let (kind, leg) = (fact["kind"].as_str().unwrap_or_default(), &fact["leg"]);
                let at = fact["occurred_at"].as_str().unwrap_or_default();
                let said = said(&fact["message"]);
                paper.line(&format!(
                    "                  fact {kind} on {} {} at {at}{said}",
                    leg["kind"].as_str().unwrap_or_default(),
                    leg["native"].as_str().unwrap_or_default(),
                ))?;
            }
            for step in &line.followed {
                let said = said(&step.detail["data"]["content"]);
                paper.line(&format!("                  {:<8} {}{said}", step.kind, step.summary))?;
            }
        }
        Ok(())
    }

    fn decided(&self, paper: &mut Paper) -> Result<(), Stop> {
        paper.line("\nwhat was decided")?;
        if self.decisions.is_empty() {
            paper.line("  nothing yet")?;
        }
        for made in &self.decisions {
            let decision = &made.decision;
            paper.line(&format!(
                "  {}  to {} (queue {}) by rule {:?}, rules {}",
                clock(made.recorded_at),
                decision.target_name,
                decision.target.queue,
                decision.rule,
                decision.rules_version.get(..12).unwrap_or(&decision.rules_version),
            ))?;
            paper.line(&match &decision.profile {
                Standing::Known { read: true } => "    the profile was there, and a rule read it".to_owned(),
                Standing::Known { read: false } => "    the profile was there; no rule read it".to_owned(),
                Standing::Missing { reason } => format!("    without a profile: {reason}"),
            })?;
            let longest = decision.looked_at.iter().map(|looked| looked.rule.chars().count()).max().unwrap_or(0);
            for looked in &decision.looked_at {
                let mark = if looked.applied { "applied" } else { "no" };
                paper.line(&format!("    {:<longest$}  {mark:<7}  {}", looked.rule, looked.why))?;
            }
            if !decision.fallbacks.is_empty() {
                paper.line(&format!("    then {}", decision.fallbacks.join(", then ")))?;
            }
        }
        Ok(())
    }

    fn done(&self, paper: &mut Paper) -> Result<(), Stop> {
        paper.line("\nwhat was asked of the clouds")?;
        let mut outcomes: BTreeMap<CommandId, (Timestamp, String)> = BTreeMap::new();
        for Opened { record, .. } in &self.records {
            if let Input::Outcome { command, result, repeated } = &record.input {
                let came = match result {
                    Ok(outcome) => word(outcome),
                    Err(error) => format!("died: {error}"),
                };
                let again = if *repeated { ", sent again although it may have landed" } else { "" };
                outcomes.insert(*command, (record.recorded_at, format!("{came}{again}")));
            }
        }
        if self.commands().next().is_none() {
            paper.line("  nothing yet")?;
        }
        for (at, command) in self.commands() {
            let outcome = match outcomes.get(&command.id) {
                Some((done, came)) => format!("{came} after {} ms", done.duration_since(at).as_millis()),
                None => "no outcome yet".to_owned(),
            };
            let (name, instance, purpose) = (command.action.name(), &command.instance, &command.purpose.0);
            paper.line(&format!("  {}  {name:<11} {instance:<10} {purpose}: {outcome}", clock(at)))?;
        }
        Ok(())
    }

    /// Every command that it ever owed, and when it came to owe it.
    fn commands(&self) -> impl Iterator<Item = (Timestamp, &Command)> {
        self.records.iter().flat_map(|Opened { record, .. }| {
            record.steps.iter().filter_map(|step| match step {
                Step::Command(command) => Some((record.recorded_at, &**command)),
                _ => None,
            })
        })
    }

    fn owed(&self, paper: &mut Paper) -> Result<(), Stop> {
        paper.line("\nwhat is still owed")?;
        for command in self.it.owed.values() {
            let (name, instance) = (command.action.name(), &command.instance);
            paper.line(&format!("  {name} to {instance} for {}, until {}", command.purpose.0, command.expires_at))?;
        }
        for dead in self.it.dead.values() {
            let (name, instance) = (dead.command.action.name(), &dead.command.instance);
            paper.line(&format!("  dead: {name} to {instance} for {}; it can be redriven", dead.command.purpose.0))?;
        }
        for (name, due) in &self.it.timers {
            paper.line(&format!("  the timer {name} fires at {due}"))?;
        }
        if self.it.owed.is_empty() && self.it.dead.is_empty() && self.it.timers.is_empty() {
            paper.line("  nothing")?;
        }
        Ok(())
    }
}

/// The time of day, in UTC.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}

/// The wire name of a value: of a variant with fields, its name alone.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(fields)) => fields.into_iter().next().map(|(name, _)| name).unwrap_or_default(),
        _ => String::new(),
    }
}

/// What was said, where it can be read: as much of it as fits a line.
fn said(content: &Value) -> String {
    let Some(text) = content["text"].as_str() else { return String::new() };
    match text.char_indices().nth(SHOWN) {
        None => format!(": {text:?}"),
        Some((at, _)) => format!(": {:?}… ({} bytes)", text.get(..at).unwrap_or_default(), text.len()),
    }
}
