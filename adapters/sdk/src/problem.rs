//! What is wrong in a file that a person wrote, and what would be right.

use std::fmt;

use serde::Serialize;

/// One thing wrong in config, a mapping or rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code, for instance `mapping.unknown_target`.
    pub code: &'static str,
    /// The file, as the person named it.
    pub file: String,
    /// Line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// Dotted key inside the file.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

impl Problem {
    /// A problem at `key`, its file and line to be filled in by whoever knows them.
    pub fn new(
        code: &'static str,
        key: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Problem {
            code,
            file: String::new(),
            line: None,
            key: key.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// Says in which file.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = file.into();
        self
    }

    /// Says at which line.
    #[must_use]
    pub fn at_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// Puts `prefix.` before the key.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.key = if self.key.is_empty() { prefix.to_owned() } else { format!("{prefix}.{}", self.key) };
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}; {} [{}]", self.found, self.expected, self.code)
    }
}
