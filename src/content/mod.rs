//! What one side cannot carry becomes what it can: HTML and interactive messages become text, long text becomes
//! pieces, files become an honest line, configured texts get their values. Pure; no input makes it panic, and every
//! function here takes time linear in its input.

mod attachment;
mod html;
mod interactive;
mod split;
mod template;
mod text;

pub use attachment::{NOTHING_TO_SHOW, not_carried};
pub use split::split;
pub use template::Template;
pub use text::to_text;
