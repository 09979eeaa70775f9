//! What is stored where: the catalogue.
//!
//! | keyspace | key | value | written by | lives |
//! |---|---|---|---|---|
//! | `log` | [`log_entry`]: sequence number | a [`Frame`](super::Frame) | the desk, one per record | until retention drops its bucket of 1 048 576 records |
//! | `dedupe` | [`dedupe`]: UTC day, digest of the envelope key | sequence number of the record that took it | the desk, in the record's commit | 8 days; whole days are dropped |
//! | `semantic` | [`semantic`]: leg, digest of what the fact says | sequence number of the record that took it | the desk, in the record's commit | for ever, as the log does: a fact that is told again much later must still be known |
//! | `refs` | [`mod@reference`]: relation, from, to | the relation's own | the desk | as its writer says; the log can rebuild it |
//! | `states` | [`state`]: kind, id | the kind's own, usually a frame | the desk, in bulk behind a watermark | as its writer says; the log can rebuild it |
//! | `keys` | [`data_key`]: subject | wrapped data key | [`Keys`](super::Keys), in the commit that first uses the key | until the subject is erased |
//! | `vault` | [`secret`]: name, or expiry and name | sealed secret, or nothing | [`Vault`](super::Vault) | until its leg ends or its time is over |
//! | `meta` | [`meta`]: a name | the name's own | the log, and whoever owns the name | for ever |
//! | `quarantine` | [`quarantined`]: sequence number, ordinal | a frame | the desk, in the record's commit | until redriven and settled, or discarded by a person |
//!
//! All numbers in keys are big-endian, so that keys in order are numbers in order. Every key decodes to what it was encoded from.
//! No key and no plain value may hold a personal datum or a secret: references appear as ids derived from them.

pub mod data_key;
pub mod dedupe;
pub mod log_entry;
pub mod meta;
pub mod quarantined;
pub mod reference;
pub mod secret;
pub mod semantic;
pub mod state;

/// Shows 16 bytes as people do: hex without separators.
fn write_id(f: &mut std::fmt::Formatter<'_>, id: &[u8]) -> std::fmt::Result {
    f.write_str(&hex::encode(id))
}
