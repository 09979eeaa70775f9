//! What a condition may not contain, found at load by walking its syntax tree.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::CelString;
use cel::{ExecutionError, Value};

use super::scope::{INTERACTION_FIELDS, WALK, bare_context, timestamp_call};

/// Most nodes of a condition, macros expanded.
const MAX_NODES: usize = 400;
/// Deepest tree, macros expanded. Evaluating takes about 32 KiB of stack a level without optimisation.
const MAX_DEPTH: usize = 24;
/// Most macros inside one another. With lists of at most 256 entries this bounds what an evaluation costs.
const MAX_WALKS: usize = 2;
/// What the parser turns operators into; they are no functions that a rule could misspell.
const OPERATORS: [&str; 21] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::OPT_INDEX,
    operators::OPT_SELECT,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
];
const VARIABLES: [&str; 3] = ["interaction", "profile", "now"];

/// Something wrong with a condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) code: &'static str,
    pub(super) found: String,
    pub(super) expected: String,
}

impl Flaw {
    pub(super) fn new(code: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Flaw { code, found: found.into(), expected: expected.into() }
    }
}

/// What a walk through a good condition found.
#[derive(Debug, Default)]
pub(super) struct Vetted {
    /// Field names and string literals.
    pub(super) spelled: BTreeSet<String>,
    /// Whether it reads any of the variables.
    pub(super) reads_variables: bool,
    /// Whether it reads the profile.
    pub(super) reads_profile: bool,
}

/// Checks a condition, and makes its macros walk lists alone.
pub(super) fn vet(expression: &mut IdedExpr) -> Result<Vetted, Vec<Flaw>> {
    let mut walk = Walk::default();
    walk.visit(expression, 0, 0);
    if walk.nodes > MAX_NODES || walk.too_deep {
        let expected = format!("at most {MAX_NODES} operations, {MAX_DEPTH} deep, {MAX_WALKS} macros in one another");
        return Err(vec![Flaw::new("rules.condition_too_large", "a condition that does too much", expected)]);
    }
    if walk.flaws.is_empty() && cannot_be_true(expression) {
        let found = "a value that is never true or false";
        walk.flaws.push(Flaw::new(
            "rules.not_a_condition",
            found,
            "a comparison, or anything else that is true or false",
        ));
    }
    if walk.flaws.is_empty() { Ok(walk.vetted) } else { Err(walk.flaws) }
}

#[derive(Default)]
struct Walk {
    vetted: Vetted,
    flaws: Vec<Flaw>,
    nodes: usize,
    too_deep: bool,
    /// Names that macros bind, innermost last.
    bound: Vec<String>,
}

impl Walk {
    fn visit(&mut self, expression: &mut IdedExpr, depth: usize, walks: usize) {
        self.nodes += 1;
        if depth > MAX_DEPTH || walks > MAX_WALKS || self.nodes > MAX_NODES {
            self.too_deep = true;
            return;
        }
        match &mut expression.expr {
            Expr::Ident(name) => self.name(name),
            Expr::Literal(LiteralValue::String(text)) => drop(self.vetted.spelled.insert(text.inner().to_owned())),
            Expr::Literal(_) | Expr::Unspecified => {}
            Expr::Select(select) => {
                self.field_of(&select.operand, &select.field);
                self.vetted.spelled.insert(select.field.clone());
                self.visit(&mut select.operand, depth + 1, walks);
            }
            Expr::Call(call) => self.call(call, depth, walks),
            Expr::Comprehension(macro_) => self.comprehension(macro_, depth, walks),
            Expr::List(list) => list.elements.iter_mut().for_each(|element| self.visit(element, depth + 1, walks)),
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.visit(&mut entry.key, depth + 1, walks);
                        self.visit(&mut entry.value, depth + 1, walks);
                    }
                }
            }
            Expr::Struct(made) => {
                let found = format!("{}{{…}}", made.type_name);
                self.flaws.push(Flaw::new("rules.unknown_function", found, "no message types exist in rules"));
            }
        }
    }

    fn name(&mut self, name: &str) {
        if self.bound.iter().any(|bound| bound == name) {
            return;
        }
        if VARIABLES.contains(&name) {
            self.vetted.reads_variables = true;
            self.vetted.reads_profile |= name == "profile";
            self.vetted.spelled.insert(name.to_owned());
        } else if !is_type(name) {
            self.flaws.push(Flaw::new("rules.unknown_variable", name, "one of interaction, profile, now"));
        }
    }

    /// `interaction` has exactly these fields; what a profile has, only the CDP knows.
    fn field_of(&mut self, operand: &IdedExpr, field: &str) {
        let of_interaction = matches!(&operand.expr, Expr::Ident(name) if name == "interaction")
            && !self.bound.iter().any(|bound| bound == "interaction");
        if of_interaction && !INTERACTION_FIELDS.iter().any(|(known, _)| *known == field) {
            let known: Vec<&str> = INTERACTION_FIELDS.iter().map(|(name, _)| *name).collect();
            let found = format!("interaction.{field}");
            self.flaws.push(Flaw::new("rules.unknown_field", found, format!("one of {}", known.join(", "))));
        }
    }

    fn call(&mut self, call: &mut CallExpr, depth: usize, walks: usize) {
        if [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT].contains(&call.func_name.as_str())
            && let [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(field)), .. }] = call.args.as_slice()
        {
            self.field_of(operand, field.inner());
        }
        let namespace = call.target.as_deref().is_some_and(|target| is_namespace(target, &call.func_name));
        if OPERATORS.contains(&call.func_name.as_str()) {
            // Wrong operands of an operator show when it is evaluated.
        } else if !namespace && !is_function(call) {
            let found = format!("{}()", call.func_name);
            self.flaws.push(Flaw::new(
                "rules.unknown_function",
                found,
                "a standard function of the Common Expression Language",
            ));
        } else if let Some(flaw) = refused_literal(call) {
            self.flaws.push(flaw);
        }
        if let Some(target) = &mut call.target
            && !namespace
        {
            self.visit(target, depth + 1, walks);
        }
        call.args.iter_mut().for_each(|argument| self.visit(argument, depth + 1, walks));
    }

    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr, depth: usize, walks: usize) {
        self.visit(&mut comprehension.iter_range, depth + 1, walks + 1);
        self.visit(&mut comprehension.accu_init, depth + 1, walks);
        let outside = self.bound.len();
        self.bound.push(comprehension.accu_var.clone());
        self.bound.push(comprehension.iter_var.clone());
        self.bound.extend(comprehension.iter_var2.clone());
        self.visit(&mut comprehension.loop_cond, depth + 1, walks + 1);
        self.visit(&mut comprehension.loop_step, depth + 1, walks + 1);
        self.visit(&mut comprehension.result, depth + 1, walks + 1);
        self.bound.truncate(outside);
        let range = std::mem::take(&mut comprehension.iter_range);
        let walk = CallExpr { func_name: WALK.to_owned(), target: None, args: vec![range] };
        comprehension.iter_range = IdedExpr { id: 0, expr: Expr::Call(walk) };
    }
}

/// Whether an identifier that is no variable names a type, such as `int` in `type(x) == int`.
fn is_type(name: &str) -> bool {
    Value::resolve_val(&IdedExpr { id: 0, expr: Expr::Ident(name.to_owned()) }, &bare_context()).is_ok()
}

/// Whether `optional.none` and the like is the name of a function.
fn is_namespace(target: &IdedExpr, function: &str) -> bool {
    let Expr::Ident(name) = &target.expr else { return false };
    name == "optional" && ["none", "of", "ofNonZeroValue"].contains(&function)
}

/// Whether a function of this name exists at all: a call with impossible arguments tells an unknown name from a wrong
/// use.
fn is_function(call: &CallExpr) -> bool {
    let target = call.target.as_ref().map(|_| Box::new(literal("")));
    let probe = CallExpr { func_name: call.func_name.clone(), target, args: Vec::new() };
    !matches!(
        Value::resolve_val(&IdedExpr { id: 0, expr: Expr::Call(probe) }, &bare_context()),
        Err(ExecutionError::UndeclaredReference(_))
    )
}

/// Arguments written in the rule itself (a pattern, a time zone, a duration) that the function can never take.
fn refused_literal(call: &CallExpr) -> Option<Flaw> {
    let literals = !call.args.is_empty() && call.args.iter().all(|arg| matches!(arg.expr, Expr::Literal(_)));
    if !literals {
        return None;
    }
    let targets = match &call.target {
        None => vec![None],
        Some(_) => vec![Some(Box::new(literal(""))), Some(Box::new(timestamp_call("2026-01-01T00:00:00Z")))],
    };
    let mut message = None;
    for target in targets {
        let probe = CallExpr { func_name: call.func_name.clone(), target, args: call.args.clone() };
        match Value::resolve_val(&IdedExpr { id: 0, expr: Expr::Call(probe) }, &bare_context()) {
            Ok(_) => return None,
            Err(ExecutionError::FunctionError { message: says, .. }) => message = Some(says),
            Err(_) => {}
        }
    }
    let expected = format!("an argument that {}() can take", call.func_name);
    message.map(|says| Flaw::new("rules.invalid_argument", says.replace('\n', " "), expected))
}

fn literal(text: &str) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(CelString::from(text.to_owned()))) }
}

/// Whether the outermost operation can be seen to give something else than true or false.
fn cannot_be_true(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) => true,
        Expr::Ident(_) => true,
        Expr::Select(select) if !select.test => {
            matches!(&select.operand.expr, Expr::Ident(name) if name == "interaction")
                && INTERACTION_FIELDS.iter().any(|(name, truth)| *name == select.field && !truth)
        }
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO]
                .contains(&name)
                || [
                    operators::NEGATE,
                    "size",
                    "int",
                    "uint",
                    "double",
                    "string",
                    "bytes",
                    "duration",
                    "timestamp",
                    "type",
                ]
                .contains(&name)
        }
        _ => false,
    }
}
