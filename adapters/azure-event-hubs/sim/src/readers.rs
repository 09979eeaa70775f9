//! Who reads a partition in one consumer group.
//!
//! As documented: a reader with an epoch is alone; one that comes with an equal or higher epoch takes its place, one with
//! a lower epoch or none is refused. Readers without an epoch are at most five; one that comes with an epoch takes the
//! place of all of them.

use tokio::sync::oneshot;

/// Readers without an epoch for one partition and consumer group (Event Hubs quotas).
const MOST_WITHOUT_EPOCH: usize = 5;

/// The readers of one partition in one consumer group.
#[derive(Default)]
pub(crate) struct Readers(Vec<Reader>);

struct Reader {
    id: u64,
    name: String,
    epoch: Option<i64>,
    displaced: oneshot::Sender<Newcomer>,
}

/// Who took somebody's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newcomer {
    pub(crate) name: String,
    pub(crate) epoch: i64,
}

/// Why a reader is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Somebody reads with this higher epoch.
    EpochBelow(i64),
    /// Somebody reads with this epoch, and the newcomer has none.
    BesideEpoch(i64),
    /// Five read already.
    TooMany,
}

/// A place as a reader.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Tells when somebody else has taken it.
    pub(crate) displaced: oneshot::Receiver<Newcomer>,
    /// The names of those whose places were taken for this one.
    pub(crate) took_from: Vec<String>,
}

impl Readers {
    /// Takes a place; `id` is the reader's own.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn enter(&mut self, id: u64, name: &str, epoch: Option<i64>) -> Result<Seat, Refused> {
        let held = self.0.iter().find_map(|reader| reader.epoch);
        match (epoch, held) {
            (Some(epoch), Some(held)) if epoch < held => return Err(Refused::EpochBelow(held)),
            (None, Some(held)) => return Err(Refused::BesideEpoch(held)),
            (None, None) if self.0.len() >= MOST_WITHOUT_EPOCH => return Err(Refused::TooMany),
            _ => {}
        }
        let mut took_from = Vec::new();
        if let Some(epoch) = epoch {
            for reader in self.0.drain(..) {
                // One that is already leaving does not listen any more.
                drop(reader.displaced.send(Newcomer { name: name.to_owned(), epoch }));
                took_from.push(reader.name);
            }
        }
        let (displace, displaced) = oneshot::channel();
        self.0.push(Reader { id, name: name.to_owned(), epoch, displaced: displace });
        Ok(Seat { displaced, took_from })
    }

    /// Gives the place back, unless somebody else has it.
    pub(crate) fn leave(&mut self, id: u64) {
        self.0.retain(|reader| reader.id != id);
    }

    /// Names and epochs.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, Option<i64>)> {
        self.0.iter().map(|reader| (reader.name.as_str(), reader.epoch))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn an_equal_or_higher_epoch_takes_the_place() {
        let mut readers = Readers::default();
        let mut first = readers.enter(1, "a", Some(1)).unwrap();
        let mut second = readers.enter(2, "b", Some(1)).unwrap();
        assert_eq!(first.displaced.try_recv().unwrap(), Newcomer { name: "b".to_owned(), epoch: 1 });
        assert_eq!(second.took_from, ["a"]);
        readers.enter(3, "c", Some(2)).unwrap();
        assert_eq!(second.displaced.try_recv().unwrap().name, "c");
        readers.leave(2);
        assert_eq!(readers.list().collect::<Vec<_>>(), [("c", Some(2))]);
    }

    #[test]
    fn a_lower_epoch_and_none_are_refused_until_the_place_is_free() {
        let mut readers = Readers::default();
        readers.enter(1, "a", Some(2)).unwrap();
        assert_eq!(readers.enter(2, "b", Some(1)).unwrap_err(), Refused::EpochBelow(2));
        assert_eq!(readers.enter(2, "b", None).unwrap_err(), Refused::BesideEpoch(2));
        readers.leave(1);
        readers.enter(2, "b", None).unwrap();
    }

    #[test]
    fn five_read_without_an_epoch_and_one_with_an_epoch_takes_their_places() {
        let mut readers = Readers::default();
        let mut seats: Vec<_> = (0..5).map(|id| readers.enter(id, "plain", None).unwrap()).collect();
        assert_eq!(readers.enter(5, "plain", None).unwrap_err(), Refused::TooMany);
        assert_eq!(readers.enter(6, "owner", Some(0)).unwrap().took_from.len(), 5);
        assert!(seats.iter_mut().all(|seat| seat.displaced.try_recv().is_ok()));
    }
}
