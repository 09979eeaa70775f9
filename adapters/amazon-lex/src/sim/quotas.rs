//! How many calls may come: at once for each alias, as documented, and in a second, as configured.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::errors::Refused;
use super::settings::{Limits, Rate};

/// The alias of the draft version, which gets less.
const TEST_ALIAS: &str = "TSTALIASID";

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Texts.
    Conversation,
    /// PutSession, GetSession, DeleteSession.
    Session,
}

/// The quotas of one account and region. Clones share them.
#[derive(Clone)]
pub(super) struct Quotas(Arc<Mutex<Counted>>);

struct Counted {
    limits: Limits,
    rate: Option<Rate>,
    tokens: f64,
    filled_at: Option<Timestamp>,
    running: HashMap<(String, Kind), usize>,
}

/// A call that is counted until this is dropped.
pub(super) struct Running {
    quotas: Quotas,
    of: (String, Kind),
}

impl Quotas {
    pub(super) fn new(limits: Limits, rate: Option<Rate>) -> Self {
        let tokens = rate.map_or(0.0, |rate| rate.burst);
        Self(Arc::new(Mutex::new(Counted { limits, rate, tokens, filled_at: None, running: HashMap::new() })))
    }

    /// Counts a call for an alias that is known to exist.
    ///
    /// # Errors
    /// ThrottlingException when there are too many.
    pub(super) fn take(&self, bot: &str, alias: &str, kind: Kind, now: Timestamp) -> Result<Running, Refused> {
        let mut counted = self.counted();
        counted.take_token(now)?;
        let most = match counted.limits {
            Limits::Documented if alias == TEST_ALIAS => 2,
            Limits::Documented => 50,
            Limits::Off => usize::MAX,
        };
        let of = (format!("{bot}/{alias}"), kind);
        let running = counted.running.entry(of.clone()).or_default();
        if *running >= most {
            return Err(Refused::throttled());
        }
        *running += 1;
        drop(counted);
        Ok(Running { quotas: self.clone(), of })
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn take_token(&mut self, now: Timestamp) -> Result<(), Refused> {
        let Some(rate) = self.rate else { return Ok(()) };
        let passed = self.filled_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
        self.tokens = (self.tokens + passed * rate.per_second).min(rate.burst);
        self.filled_at = self.filled_at.max(Some(now));
        if self.tokens < 1.0 {
            return Err(Refused::throttled());
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(running) = self.quotas.counted().running.get_mut(&self.of) {
            *running = running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn granted(quotas: &Quotas, alias: &str, kind: Kind) -> Vec<Running> {
        (0..100).map_while(|_| quotas.take("bot", alias, kind, Timestamp::UNIX_EPOCH).ok()).collect()
    }

    #[test]
    fn an_alias_has_fifty_at_once_of_each_kind_and_the_drafts_two() {
        let quotas = Quotas::new(Limits::Documented, None);
        let texts = granted(&quotas, "ALIASALIAS", Kind::Conversation);
        assert_eq!(texts.len(), 50);
        assert_eq!(granted(&quotas, "ALIASALIAS", Kind::Session).len(), 50);
        assert_eq!(granted(&quotas, TEST_ALIAS, Kind::Conversation).len(), 2);
        drop(texts);
        assert_eq!(granted(&quotas, "ALIASALIAS", Kind::Conversation).len(), 50);
        assert_eq!(granted(&Quotas::new(Limits::Off, None), TEST_ALIAS, Kind::Session).len(), 100);
    }

    #[test]
    fn a_configured_rate_grants_a_burst_and_then_the_rate() {
        let quotas = Quotas::new(Limits::Off, Some(Rate { per_second: 2.0, burst: 3.0 }));
        assert_eq!(granted(&quotas, "a", Kind::Session).len(), 3);
        let later = Timestamp::from_second(1).unwrap();
        let more = (0..9).filter(|_| quotas.take("bot", "a", Kind::Session, later).is_ok()).count();
        assert_eq!(more, 2);
    }
}
