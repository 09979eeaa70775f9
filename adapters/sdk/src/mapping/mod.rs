//! Tables that say how one vendor event becomes facts.
//!
//! One file `mappings/<adapter kind>/<vendor kind>.toml` describes one kind of vendor event; an integrator edits it
//! without compiling.
//!
//! ```toml
//! match = { "eventType|type" = ["Microsoft.Communication.ChatMessageReceivedInThread"] }
//! fact  = "message.posted"
//!
//! [fields]
//! "leg.kind"       = { is = "thread" }
//! "leg.ref"        = "data.threadId"
//! "occurred_at"    = { from = ["data.composeTime", "eventTime"], as = "timestamp" }
//! "key"            = "message.posted/{message.id}/{message.version}"
//! "message.id"     = "data.messageId"
//! "message.version" = { from = "data.version", as = "string" }
//! "author.address" = { from = "data.senderCommunicationIdentifier", as = "acs_identifier" }
//!
//! [fields.members]
//! each    = "data.participants"
//! address = { from = "participantCommunicationIdentifier", as = "acs_identifier" }
//! name    = "displayName"
//!
//! [[examples]]
//! in  = "examples/posted.json"
//! out = { "leg.ref" = "19:a@thread.v2", "message.id" = "1700000000000" }
//! ```
//!
//! # The file
//!
//! * `match`: what the payload must say. Every line must hold; a list of values means any of them; a list of tables
//!   means any of the tables. `"a|b"` is the first of the two paths that is there.
//! * `fact`: the kind of fact (see [`FactKind`](crate::model::FactKind)), or `ignore`: why such events are not used.
//! * `keys = "fold"`: the first letter of every key may be large or small (`ContactId`, `contactId`).
//! * `root`: where the paths of `[fields]` start: the first of these paths that is there; `"$"` is the payload itself.
//! * `doors`: the mapping is for messages that came through one of these doors only.
//! * `[fields]`: one row for each canonical field, see below. `[[examples]]`: payloads beside the file and what must
//!   come out; they run whenever the file is loaded.
//!
//! # Paths
//!
//! Keys joined by dots; a number picks from a list; `$.` begins at the payload in spite of `root`; `json()` after a key
//! reads the JSON inside that text: `Message.json().ContactId`. Where a key stands twice, the last one counts.
//!
//! # Rows
//!
//! A row is a path, or a table of: `from` (a path, or several of which the first usable one counts), `as` (a step, or
//! several), `values` (vendor word → house word; case does not matter), `otherwise` (the house word for all others),
//! `default`, `required`, `is` (always this), `cel` (an expression over `event`, which is the payload). A word that no
//! table knows becomes `unknown(word)` where the field has such a value and is left out where it has not.
//!
//! Steps: `timestamp` (RFC 3339 with any offset and precision), `epoch_seconds`, `epoch_millis`, `happened` (drops the
//! 1970 placeholder for "not yet"), `last_segment` (of an ARN or path), `lower`, `string` (numbers to text),
//! `acs_identifier` (an ACS identifier as object or text → raw id).
//!
//! `key` is a template: `{field}`, `{.path}` and `{$.path}` are replaced; `{a, else b}` takes the first that is there;
//! `{a unless b}` is absent when both are equal; `{a digest}` is a hash, the only form in which personal data may
//! stand in a key; the hub puts one under its id key in its place. An absent part goes together with the slash before it.

mod discriminator;
mod example;
mod expression;
mod flat;
mod list;
mod load;
mod path;
mod read_row;
mod read_table;
mod row;
mod set;
mod source;
mod step;
mod table;
mod tape;
mod target;
mod template;
mod value;
mod words;

pub use flat::flatten;
pub use set::{DecodeContext, MappingSet};
