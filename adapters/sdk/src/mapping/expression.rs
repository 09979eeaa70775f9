//! Computed fields: CEL over the payload, and nothing but the payload.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, Program};

use super::tape::{Kind, Node};
use super::value::Value;

/// The name under which an expression sees the payload.
const EVENT: &str = "event";

/// Longest expression, in bytes. What is longer belongs into an adapter's own code.
const LONGEST: usize = 1_024;

/// Most brackets inside one another. Each may take 85 KiB of stack when it is evaluated by a debug build, and where the
/// stack ends the process ends.
const DEEPEST: usize = 8;

/// Most operators and indexes. Each may be one level of evaluation, of some 35 KiB in a debug build.
const MOST_OPERATORS: usize = 24;

/// Stack of the thread that parses, in bytes: the parser takes more for each level, and the caller may have little.
const PARSER_STACK: usize = 64 << 20;

/// A compiled expression.
pub(super) struct Expression {
    program: Program,
    env: Arc<Env>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expression")
    }
}

impl Expression {
    /// Compiles it, or says why not.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        within_bounds(source)?;
        let env = Arc::new(Env::stdlib());
        let program = std::thread::scope(|scope| {
            let parse = || env.compile(source).map_err(|error| first_line(&error.to_string()));
            let thread = std::thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, parse);
            let thread = thread.map_err(|error| format!("no thread to parse it: {error}"))?;
            thread.join().unwrap_or_else(|_| Err("the parser gave up".to_owned()))
        })?;
        let stranger = program.references().variables().into_iter().find(|name| *name != EVENT).map(str::to_owned);
        match stranger {
            Some(name) => Err(format!("`{name}` is not known; the payload is `{EVENT}`")),
            None => Ok(Expression { program, env }),
        }
    }

    /// Evaluates it over the payload. What cannot be evaluated is absent.
    pub(super) fn evaluate(&self, payload: Node<'_>) -> Option<Value<'static>> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_variable_from_value(EVENT, cel_value(payload));
        let text = |text: String| Some(Value::Text(Cow::Owned(text)));
        match self.program.execute(&context).ok()? {
            cel::Value::String(value) => text(value.to_string()),
            cel::Value::Int(value) => text(value.to_string()),
            cel::Value::UInt(value) => text(value.to_string()),
            cel::Value::Float(value) => text(value.to_string()),
            cel::Value::Bool(value) => text(value.to_string()),
            cel::Value::Timestamp(value) => value.to_rfc3339().parse().ok().map(Value::Time),
            _ => None,
        }
    }
}

/// Nesting is bounded by the tape.
fn cel_value(node: Node<'_>) -> cel::Value {
    match node.kind() {
        Kind::Null => cel::Value::Null,
        Kind::Bool(value) => cel::Value::Bool(value),
        Kind::Unsigned(value) => i64::try_from(value).map_or(cel::Value::UInt(value), cel::Value::Int),
        Kind::Signed(value) => cel::Value::Int(value),
        Kind::Float(value) => cel::Value::Float(value),
        Kind::Text(value) => cel::Value::String(Arc::new(value.to_owned())),
        Kind::List => cel::Value::List(Arc::new(node.content().map(|(_, item)| cel_value(item)).collect())),
        Kind::Object => {
            let entry = |(key, value): (&str, Node<'_>)| (Key::String(Arc::new(key.to_owned())), cel_value(value));
            cel::Value::Map(Map { map: Arc::new(node.content().map(entry).collect::<HashMap<_, _>>()) })
        }
    }
}

/// Whether it is small enough to be evaluated on any stack. What stands inside texts is counted too.
fn within_bounds(source: &str) -> Result<(), String> {
    let (mut open, mut deepest, mut operators) = (0_usize, 0, source.matches(" in ").count());
    for byte in source.bytes() {
        match byte {
            b'(' | b'{' => open += 1,
            b'[' => (open, operators) = (open + 1, operators + 1),
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'?' => operators += 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    if source.len() > LONGEST {
        Err(format!("{} bytes; an expression has at most {LONGEST}", source.len()))
    } else if deepest > DEEPEST {
        Err(format!("{deepest} brackets inside one another; an expression has at most {DEEPEST}"))
    } else if operators > MOST_OPERATORS {
        Err(format!("{operators} operators; an expression has at most {MOST_OPERATORS}"))
    } else {
        Ok(())
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::super::tape::Tape;
    use super::*;

    fn evaluate(expression: &str, payload: &str) -> Option<String> {
        let tape = Tape::parse_str(payload).unwrap();
        match Expression::compile(expression).unwrap().evaluate(tape.top())? {
            Value::Time(time) => Some(time.to_string()),
            other => other.text().map(Cow::into_owned),
        }
    }

    #[test]
    fn an_expression_computes_from_the_payload() {
        let payload = r#"{"a":{"b":[1,2]},"n":"x","big":18446744073709551615}"#;
        for (expression, result) in [
            ("event.n + '-' + string(size(event.a.b))", Some("x-2")),
            ("event.a.b[1] > 1 ? 'many' : 'one'", Some("many")),
            ("event.missing", None),
            ("has(event.missing) ? 'there' : 'not there'", Some("not there")),
            ("timestamp('2024-05-21T14:00:00Z')", Some("2024-05-21T14:00:00Z")),
            ("event.a", None),
            ("event.a.b[0] / 0", None),
        ] {
            assert_eq!(evaluate(expression, payload).as_deref(), result, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_when_it_is_loaded() {
        for source in ["", "event.", "1 +", "((((", "'open", "event.n ==", "\u{0}", "now()  - x"] {
            assert!(Expression::compile(source).is_err(), "{source}");
        }
        assert!(Expression::compile("clock.now").unwrap_err().contains("`clock` is not known"));
    }

    #[test]
    fn the_deepest_and_longest_that_are_allowed_fit_a_small_stack() {
        let tape = Tape::parse_str(r#"{"a":[[[[[[[[1]]]]]]]],"n":1}"#).unwrap();
        for (open, close, levels) in [
            ("(", ")", DEEPEST),
            ("[1].map(x, ", ")", DEEPEST),
            ("size(", ")", DEEPEST),
            ("1 + ", "", MOST_OPERATORS),
            ("1 in ", "", MOST_OPERATORS),
            ("true ? 1 : ", "", MOST_OPERATORS),
            ("-", "", MOST_OPERATORS),
            ("", "[0]", MOST_OPERATORS),
            ("", ".a", LONGEST / 2 - 4),
        ] {
            let nested = |levels| format!("{}event.n{}", open.repeat(levels), close.repeat(levels));
            if let Ok(expression) = Expression::compile(&nested(levels)) {
                let _value = expression.evaluate(tape.top());
            }
            assert!(Expression::compile(&nested(2_000)).is_err(), "{open}{close}");
        }
    }
}
