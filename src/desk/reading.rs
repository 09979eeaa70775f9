//! What others may read of the desk's rows without asking the desk.

use tandem_sdk::model::{CommandId, InteractionId};

use super::persist;
use crate::store::{Store, StoreError};

/// Dead commands behind an id and the interactions that they belong to, in the order of their ids, at most `most`.
pub fn dead_commands(
    store: &dyn Store,
    after: Option<CommandId>,
    most: usize,
) -> Result<Vec<(CommandId, InteractionId)>, StoreError> {
    persist::dead_commands(after, most, store)
}

/// The interaction that a dead command belongs to; `None` when no such command is dead.
pub fn owner_of_dead(store: &dyn Store, command: CommandId) -> Result<Option<InteractionId>, StoreError> {
    persist::owner_of_dead(command, store)
}
