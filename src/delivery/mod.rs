//! Consumers follow: what the desk recorded, as CloudEvents, and as people read it.
//!
//! Everything here reads: the log as it is kept, one page at a time, from a cursor on. Reads never wait for the desk and the
//! desk never waits for them, so that a slow consumer slows nobody.
//!
//! **Invariant:** nothing that was sealed leaves without [`Sight::Text`].
//! **Invariant:** nothing here knows HTTP.

mod cloud_event;
mod cursor;
mod page;
mod quarantined;
mod reader;
mod redriving;
mod timeline;

pub use cloud_event::{CloudEvent, Source};
pub use cursor::{BadCursor, Cursor};
pub use page::{Among, Item, Page, Sight, Wanted};
pub use quarantined::{QuarantineId, Quarantined};
pub use reader::{ReadError, Reader};
pub use redriving::{Redriving, Verdict};
pub use timeline::{Completeness, Followed, Line, MadeDecision};
