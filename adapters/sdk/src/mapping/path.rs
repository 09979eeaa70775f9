//! Where in a payload a value stands.

use super::tape::{Node, Tape};

/// A compiled path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// As the person wrote it.
    pub(super) written: String,
    start: Start,
    steps: Vec<Key>,
    fold: bool,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// At the root of the mapping, or at an item of a list.
    Root,
    /// At the top of document n: 0 is the payload, others are JSON inside a text of it.
    Top(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    name: Box<str>,
    /// The same as a position in a list, if it is a number.
    position: Option<usize>,
}

/// The JSON documents that hide in texts of the payload, each by the path of its text. Shared by all mappings of a set,
/// so that each is parsed once for an event.
#[derive(Debug, Default)]
pub(super) struct Inner(Vec<Path>);

impl Inner {
    /// Parses the documents that are there. Text that is no JSON counts as absent.
    pub(super) fn open<'t>(&self, body: &'t Tape<'t>) -> Vec<Option<Tape<'t>>> {
        let open = |path: &Path| path.walk(body.top()).and_then(Node::text).and_then(|text| Tape::parse_str(text).ok());
        self.0.iter().map(open).collect()
    }

    /// The number of the document behind `path`, from 1.
    fn number(&mut self, path: Path) -> usize {
        let known = self.0.iter().position(|known| known.steps == path.steps && known.fold == path.fold);
        known.unwrap_or_else(|| {
            self.0.push(path);
            self.0.len() - 1
        }) + 1
    }
}

/// A payload with its inner documents, and where relative paths begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'t> {
    pub(super) body: &'t Tape<'t>,
    pub(super) inner: &'t [Option<Tape<'t>>],
    pub(super) root: Node<'t>,
}

impl<'t> Scope<'t> {
    /// A scope whose relative paths begin at the top of the payload.
    pub(super) fn new(body: &'t Tape<'t>, inner: &'t [Option<Tape<'t>>]) -> Self {
        Scope { body, inner, root: body.top() }
    }

    /// The same payload with relative paths that begin at `root`.
    pub(super) fn at(self, root: Node<'t>) -> Self {
        Scope { root, ..self }
    }
}

impl Path {
    /// Reads a path. `$` alone is the payload, `.` alone the root.
    pub(super) fn parse(written: &str, fold: bool, inner: &mut Inner) -> Result<Path, String> {
        let whole = |start, steps| Path { written: written.to_owned(), start, steps, fold };
        if written == "." {
            return Ok(whole(Start::Root, Vec::new()));
        }
        if written == "$" {
            return Ok(whole(Start::Top(0), Vec::new()));
        }
        let (absolute, rest) = match written.strip_prefix("$.") {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let mut start = if absolute { Start::Top(0) } else { Start::Root };
        let mut steps = Vec::new();
        for segment in rest.split('.') {
            match segment.trim() {
                "" => return Err(format!("`{written}` has an empty part")),
                "json()" if matches!(start, Start::Top(n) if n > 0) => {
                    return Err(format!("`{written}` opens JSON inside JSON inside JSON"));
                }
                "json()" if steps.is_empty() => return Err(format!("`{written}` has json() without a key before it")),
                "json()" => start = Start::Top(inner.number(whole(Start::Top(0), std::mem::take(&mut steps)))),
                name => steps.push(Key { name: name.into(), position: name.parse().ok() }),
            }
        }
        Ok(whole(start, steps))
    }

    /// Makes a path that was written without `$.` begin at the top.
    pub(super) fn absolute(mut self) -> Self {
        if self.start == Start::Root {
            self.start = Start::Top(0);
        }
        self
    }

    /// Whether `json()` in this path would have to begin at a root that is not known before the event.
    pub(super) fn opens_text(&self) -> bool {
        matches!(self.start, Start::Top(n) if n > 0)
    }

    /// The value, if it is there. `null` counts as absent.
    pub(super) fn find<'t>(&self, scope: Scope<'t>) -> Option<Node<'t>> {
        let from = match self.start {
            Start::Root => scope.root,
            Start::Top(0) => scope.body.top(),
            Start::Top(n) => scope.inner.get(n - 1)?.as_ref()?.top(),
        };
        self.walk(from).filter(|node| !matches!(node.kind(), super::tape::Kind::Null))
    }

    fn walk<'t>(&self, from: Node<'t>) -> Option<Node<'t>> {
        let step = |node: Node<'t>, key: &Key| {
            node.get(&key.name, self.fold).or_else(|| key.position.and_then(|position| node.nth(position)))
        };
        self.steps.iter().try_fold(from, step)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::*;

    fn find(body: &str, path: &str) -> Option<String> {
        let mut inner = Inner::default();
        let path = Path::parse(path, false, &mut inner).unwrap();
        let tape = Tape::parse_str(body).unwrap();
        let opened = inner.open(&tape);
        path.find(Scope::new(&tape, &opened)).and_then(|node| node.plain().map(|text| text.into_owned()))
    }

    #[test]
    fn a_path_walks_objects_lists_and_json_inside_a_text() {
        let body = r#"{"a":{"b":[{"c":"one"},{"c":"two"}]},"m":"{\"x\":{\"y\":7}}","n":null,"plain":"no json"}"#;
        for (path, found) in [
            ("a.b.1.c", Some("two")),
            ("$.a.b.0.c", Some("one")),
            ("a.b.2.c", None),
            ("m.json().x.y", Some("7")),
            ("plain.json().x", None),
            ("a.json().x", None),
            ("n", None),
            ("plain.deeper", None),
        ] {
            assert_eq!(find(body, path).as_deref(), found, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_is_refused() {
        for path in ["", "a..b", "$.", "json().a", "a.json().b.json().c"] {
            assert!(Path::parse(path, false, &mut Inner::default()).is_err(), "{path}");
        }
    }

    #[test]
    fn the_same_inner_document_is_opened_once() {
        let mut inner = Inner::default();
        for path in ["$.Message.json().a", "Message.json().b"] {
            Path::parse(path, true, &mut inner).unwrap();
        }
        assert_eq!(inner.0.len(), 1);
    }
}
