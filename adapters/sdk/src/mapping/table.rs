//! One compiled mapping.

use super::list::List;
use super::path::{Path, Scope};
use super::row::Row;
use super::set::DecodeContext;
use super::target::Target;
use super::template::Template;
use crate::doors::Decoded;
use crate::model::{Fact, FactKind, LegRef};

/// One compiled mapping.
#[derive(Debug)]
pub(super) enum Table {
    /// Such events are not used.
    Ignore {
        /// Why.
        reason: String,
    },
    /// Such events become facts.
    Facts(Box<Rows>),
}

/// What makes a fact.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) kind: FactKind,
    /// Where relative paths begin: the first that is there. Empty: at the top.
    pub(super) root: Vec<Path>,
    pub(super) rows: Vec<(Target, Row)>,
    pub(super) lists: Vec<List>,
    pub(super) key: Template,
}

impl Table {
    /// What this event says.
    pub(super) fn decode(&self, scope: Scope<'_>, context: &DecodeContext<'_>) -> Decoded {
        match self {
            Table::Ignore { reason } => Decoded::Ignored { reason: reason.clone(), unknown: false },
            Table::Facts(rows) => match rows.fact(scope, context) {
                Ok(fact) => Decoded::Facts(vec![fact]),
                Err(problem) => Decoded::Malformed { problem },
            },
        }
    }
}

impl Rows {
    fn fact(&self, scope: Scope<'_>, context: &DecodeContext<'_>) -> Result<Fact, String> {
        let scope = if self.root.is_empty() {
            scope
        } else {
            let root = self.root.iter().find_map(|path| path.find(scope));
            scope.at(root.ok_or_else(|| "nothing stands where the fields should be".to_owned())?)
        };
        let leg = LegRef {
            system: context.system.to_owned(),
            account: context.account.to_owned(),
            kind: String::new(),
            native: String::new(),
        };
        let mut fact = Fact::new(self.kind, leg, jiff::Timestamp::UNIX_EPOCH, "");
        for (target, row) in &self.rows {
            match row.evaluate(scope) {
                Some(value) => target.write(value, &mut fact),
                None if row.required => {
                    let name = target.name();
                    return Err(format!("{name}: nothing usable at {}", row.looked_at()));
                }
                None => {}
            }
        }
        for list in &self.lists {
            list.write(scope, &mut fact);
        }
        fact.key = self.key.render(&fact, scope);
        Ok(fact)
    }
}
