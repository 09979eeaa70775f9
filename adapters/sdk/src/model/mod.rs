//! The canonical model. One word, one meaning: see ARCHITECTURE.md, "Words".

mod command;
mod event;
mod fact;
mod id;
mod outcome;
mod personal;
mod profile;

pub use command::{Action, Attribute, Command, Content, EffectClass, Lane, Member, Purpose, Speaker, Target};
pub use event::{ClosingReason, Event, EventKind, Relay};
pub(crate) use fact::DIGEST;
pub use fact::{Attachment, Channel, ContentType, Direction, Fact, FactKind, Links, Message, Party, Role, Visibility};
pub use id::{
    CommandId, Derive, DomainName, EventId, IdKey, InstanceName, InteractionId, LegId, LegRef, PartyKey, SubjectId,
};
pub use outcome::{Carried, Outcome};
pub use personal::{Personal, Personals};
pub use profile::{Identity, IdentityKind, Profile};
