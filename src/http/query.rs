//! The query of an address. What is not known is refused by name, so that a misspelt filter does not give everything.

use super::following::Refused;
use super::problem::{Code, problem};

/// A query, read.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that may have these names, each once.
    pub(super) fn read(raw: Option<&str>, names: &[&str]) -> Result<Query, Refused> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if !names.contains(&&*name) {
                return Err(wrong(&format!("this address knows the parameters: {}", names.join(", "))));
            }
            if found.iter().any(|(known, _)| *known == name) {
                return Err(wrong(&format!("{name} is given twice")));
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(found))
    }

    /// A value that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// How many are wanted: as many as there may be unless said otherwise; what is more than that is cut down to it.
    pub(super) fn limit(&self, most: usize) -> Result<usize, Refused> {
        match self.get("limit").map(str::parse) {
            None => Ok(most),
            Some(Ok(limit @ 1..)) => Ok(most.min(limit)),
            Some(_) => Err(wrong(&format!("limit is a number from 1 to {most}"))),
        }
    }
}

/// The problem document for a query that is wrong.
pub(super) fn wrong(detail: &str) -> Refused {
    Box::new(problem(Code::Malformed, detail))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn limits_are_kept_within_what_there_may_be() {
        for (raw, limit) in [(None, 500), (Some("limit=7"), 7), (Some("limit=9999"), 500), (Some("limit="), 500)] {
            assert_eq!(Query::read(raw, &["limit"]).ok().unwrap().limit(500).ok().unwrap(), limit, "{raw:?}");
        }
        for raw in ["limit=0", "limit=-1", "limit=ten", "limit=1e3"] {
            assert!(Query::read(Some(raw), &["limit"]).ok().unwrap().limit(500).is_err(), "{raw}");
        }
    }

    #[test]
    fn names_that_are_not_known_or_come_twice_are_refused() {
        assert!(Query::read(Some("limt=7"), &["limit"]).is_err());
        assert!(Query::read(Some("limit=7&limit=8"), &["limit"]).is_err());
        let query = Query::read(Some("type=tandem.message%2E&after="), &["type", "after"]).ok().unwrap();
        assert_eq!((query.get("type"), query.get("after")), (Some("tandem.message."), None));
    }
}
