//! What a site decides: one TOML file, read once, every problem named at once.
//!
//! * [`Config::load`](crate::config::Config::load) reads the file and says where it is wrong, key by key;
//! * [`Loaded::check`](crate::config::Loaded::check) looks at what no key can say alone;
//! * `config/tandem.toml` is the annotated reference; a test keeps it equal to the defaults.
//!
//! Unknown keys are refused. Secrets are named, never written: [`tandem_sdk::secret::SecretRef`].

mod check;
mod duration;
mod load;
mod sections;
mod size;

pub use duration::Period;
pub use load::Loaded;
pub use sections::{
    Access, Adapter, Api, Config, Delivery, Deployment, Desk, Dispatch, Listen, Network, Scope, Secrets, Store, Tls,
};
pub use size::Size;
