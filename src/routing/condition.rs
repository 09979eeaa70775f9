//! One `when` of a rule: read, checked and bounded at load; evaluated without side effects.

use std::collections::BTreeSet;

use cel::common::ast::{Expr, IdedExpr, operators};
use cel::common::types::CelBool;
use cel::{Context, ExecutionError, Value};

use super::reason::reason;
use super::scope::{bare_context, env};
use super::vetting::{Flaw, Vetted, vet};

/// Longest text of a condition, in bytes.
const MAX_TEXT: usize = 1_024;
/// Deepest nesting of brackets and calls.
const MAX_NESTING: u16 = 24;

/// Stack for reading a condition, in bytes.
const PARSER_STACK: usize = 64 << 20;

/// A condition that was read and found good.
#[derive(Debug)]
pub(super) struct Condition {
    /// The operands of the outermost `&&`, in the order written; one when there is none.
    terms: Vec<IdedExpr>,
    /// Field names and string literals of the text: what a reason may repeat.
    spelled: BTreeSet<String>,
    reads_profile: bool,
    /// What it evaluates to when it reads no variable.
    pub(super) constant: Option<bool>,
}

/// What came of evaluating a condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is true.
    Applies,
    /// It is not, or cannot be told; why.
    DoesNot(String),
}

impl Condition {
    /// Reads a condition.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Flaw>> {
        if text.len() > MAX_TEXT {
            let found = format!("a condition of {} bytes", text.len());
            return Err(vec![Flaw::new("rules.condition_too_large", found, format!("at most {MAX_TEXT} bytes"))]);
        }
        let (expression, vetted) = on_a_deep_stack(|| read(text))?;
        let mut terms = Vec::new();
        split(expression, &mut terms);
        let mut condition =
            Condition { terms, spelled: vetted.spelled, reads_profile: vetted.reads_profile, constant: None };
        if !vetted.reads_variables {
            condition.constant = Some(condition.hold_without_variables()?);
        }
        Ok(condition)
    }

    /// Whether it holds in this context, and why not.
    pub(super) fn evaluate(&self, context: &Context<'_, '_>) -> Verdict {
        match self.first_that_fails(context) {
            Ok(None) => Verdict::Applies,
            Ok(Some(place)) => Verdict::DoesNot(format!("{} is false", self.name(place))),
            Err((place, error)) => {
                Verdict::DoesNot(format!("{} cannot be told: {}", self.name(place), reason(&error, &self.spelled)))
            }
        }
    }

    /// The place of the first false term, else the first error: in CEL, false wins over an error on either side of `&&`.
    fn first_that_fails(&self, context: &Context<'_, '_>) -> Result<Option<usize>, (usize, ExecutionError)> {
        let mut unclear = None;
        for (place, term) in self.terms.iter().enumerate() {
            match truth(term, context) {
                Ok(true) => {}
                Ok(false) => return Ok(Some(place)),
                Err(error) => unclear = unclear.or(Some((place, error))),
            }
        }
        unclear.map_or(Ok(None), Err)
    }

    fn hold_without_variables(&self) -> Result<bool, Vec<Flaw>> {
        let context = bare_context();
        self.first_that_fails(&context).map(|failed| failed.is_none()).map_err(|(_, error)| {
            // Nothing but the rule's own text is in here, so CEL's message may be shown.
            vec![Flaw::new("rules.not_a_condition", error.to_string(), "an expression that is true or false")]
        })
    }

    /// Whether it mentions the profile.
    pub(super) fn reads_profile(&self) -> bool {
        self.reads_profile
    }

    fn name(&self, place: usize) -> String {
        match self.terms.len() {
            1 => "the condition".to_owned(),
            terms => format!("part {} of {terms}", place + 1),
        }
    }
}

/// Reads and vets. What this builds for a text that it refuses may be as deep as the text is long.
fn read(text: &str) -> Result<(IdedExpr, Vetted), Vec<Flaw>> {
    let parser = env().parser().max_recursion_depth(MAX_NESTING);
    let mut expression = parser.parse(text).map_err(|errors| {
        let says = |error: &cel::ParseError| {
            let found = format!("line {} column {} of the condition: {}", error.pos.0, error.pos.1, error.msg);
            Flaw::new("rules.condition_syntax", found, "an expression of the Common Expression Language")
        };
        errors.errors.iter().map(says).collect::<Vec<_>>()
    })?;
    let vetted = vet(&mut expression)?;
    Ok((expression, vetted))
}

/// CEL's parser recurses once for every link of a chain such as `a.b.c`, more than the stack of a worker thread may hold.
/// Memory is only taken for what is used. Should the parser panic, the text is refused.
fn on_a_deep_stack<T: Send>(read: impl FnOnce() -> Result<T, Vec<Flaw>> + Send) -> Result<T, Vec<Flaw>> {
    let refused =
        |found: &str| vec![Flaw::new("rules.condition_syntax", found, "a condition that the parser can read")];
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, read);
        let thread = thread.map_err(|error| refused(&error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(refused("a text that the parser gave up on")))
    })
}

fn truth(term: &IdedExpr, context: &Context<'_, '_>) -> Result<bool, ExecutionError> {
    let value = Value::resolve_val(term, context)?;
    value.downcast_ref::<CelBool>().map(|truth| *truth.inner()).ok_or_else(|| ExecutionError::UnexpectedType {
        got: value.get_type().name().to_owned(),
        want: "bool".to_owned(),
    })
}

/// Takes the outermost `&&` apart. The parser bounds how deep this can go.
fn split(expression: IdedExpr, terms: &mut Vec<IdedExpr>) {
    match expression.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND && call.target.is_none() => {
            call.args.into_iter().for_each(|term| split(term, terms));
        }
        expr => terms.push(IdedExpr { id: expression.id, expr }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_a_condition_is_refused_with_a_code() {
        let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
        let chain = format!("profile{}", ".a".repeat(500));
        let minus = format!("{}1", "-".repeat(1_000));
        let choice = format!("{}true", "true?true:".repeat(100));
        let sum = format!("0 < {}", ["1"; 500].join("+"));
        let cases = [
            ("", "rules.condition_syntax"),
            ("profile.tier ==", "rules.condition_syntax"),
            ("profile.tier = 'gold'", "rules.condition_syntax"),
            (deep.as_str(), "rules.condition_syntax"),
            (minus.as_str(), "rules.not_a_condition"),
            (choice.as_str(), "rules.condition_syntax"),
            (chain.as_str(), "rules.condition_too_large"),
            (sum.as_str(), "rules.condition_too_large"),
            ("customer.tier == 'gold'", "rules.unknown_variable"),
            ("interaction.langauge == 'de'", "rules.unknown_field"),
            ("interaction['langauge'] == 'de'", "rules.unknown_field"),
            ("has(interaction.langauge)", "rules.unknown_field"),
            ("interaction.?langauge.hasValue()", "rules.unknown_field"),
            ("begins(profile.tier, 'g')", "rules.unknown_function"),
            ("profile.tier.beginsWith('g')", "rules.unknown_function"),
            ("strings.quote(profile.tier) == 'g'", "rules.unknown_function"),
            ("'gold'", "rules.not_a_condition"),
            ("interaction.language", "rules.not_a_condition"),
            ("interaction.message_count + 1", "rules.not_a_condition"),
            ("1", "rules.not_a_condition"),
            ("1 / 0 == 1", "rules.not_a_condition"),
            ("profile.tier.matches('(')", "rules.invalid_argument"),
            ("now.getHours('Europe/Wien') > 8", "rules.invalid_argument"),
            ("now > timestamp('yesterday')", "rules.invalid_argument"),
            ("now - interaction.opened_at > duration('5 minutes')", "rules.invalid_argument"),
            ("profile.a.all(x, profile.a.all(y, profile.a.all(z, x == y && y == z)))", "rules.condition_too_large"),
        ];
        for (text, code) in cases {
            let flaws = Condition::parse(text).unwrap_err();
            assert_eq!(flaws[0].code, code, "{text}: {flaws:?}");
        }
    }

    #[test]
    fn what_rules_need_is_accepted() {
        let cases = [
            "true",
            "profile.tier == 'gold' && interaction.language == 'de'",
            "has(profile.tier) && profile.tier in ['gold', 'platinum']",
            "profile.?tier.orValue('none') == 'gold'",
            "profile.contacts.exists(c, c.tags.exists(t, t == 'vip'))",
            "profile.orders.filter(o, o.open).size() > 2",
            "interaction.attributes['page'].startsWith('/billing')",
            "interaction.verified && !interaction.continued",
            "interaction.topic.matches('(?i)refund|invoice')",
            "now.getDayOfWeek('Europe/Vienna') in [1, 2, 3, 4, 5] && now.getHours('Europe/Vienna') >= 8",
            "now - interaction.opened_at > duration('5m')",
            "type(profile.age) == int && profile.age >= 65",
            "size(profile.orders) > 3 || (has(profile.score) ? profile.score > 0.8 : false)",
            "interaction.message_count > 3",
        ];
        for text in cases {
            Condition::parse(text).map(drop).map_err(|flaws| format!("{text}: {flaws:?}")).unwrap();
        }
    }

    #[test]
    fn a_condition_without_variables_is_worked_out_at_load() {
        for (text, constant) in
            [("true", Some(true)), ("1 == 2", Some(false)), ("true || profile.x == 1", None), ("profile.x == 1", None)]
        {
            assert_eq!(Condition::parse(text).unwrap().constant, constant, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,60}") {
            drop(Condition::parse(&text));
        }

        #[test]
        fn no_text_that_looks_like_an_expression_makes_reading_or_evaluating_panic(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "profile", "interaction", "now", ".tier", ".language", "[", "]", "(", ")", "{", "}", "'a'", "\"", "'", "1", "1u",
                "9223372036854775807", "-", "!", "&&", "||", "==", "<", "in", "has(", ".all(x, ", ".map(x, ", "x", "?", ":", ",",
                ".?a", ".matches('", "duration('1s')", "timestamp(", "b'\\xff'", "null", "true", "%", "/ 0", "1e999", "r'", "`a`", "//",
                "\n", ".size()", "int(", "string(", "type(", ".getHours(",
            ]), 0..24)
        ) {
            if let Ok(condition) = Condition::parse(&parts.concat()) {
                condition.evaluate(&bare_context());
            }
        }
    }
}
