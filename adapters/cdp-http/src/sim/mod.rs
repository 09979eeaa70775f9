//! A simulator of a CDP: a real TLS server on loopback.
//!
//! [`run`] starts an authorization server that grants client credentials and a profile endpoint that wants its tokens.
//! Profiles come from a file ([`Script`]) and from `POST /sim/cdp/profiles`. It keeps a ledger of what it was asked, goes
//! wrong from a seed, and can be told to be slow, silent, broken or wrong. Everything is in memory and bounded.
//!
//! - `POST /oauth2/token`: RFC 6749, section 4.4, with `client_secret_basic` and `client_secret_post`.
//! - `GET /v1/profiles?NAME=VALUE`, `GET /v1/profiles/{value}`, `POST /v1/profiles` `{"NAME": "VALUE"}`.
//!
//! Beside them and the routes of [`tandem_sdk::sim::control_routes`]:
//!
//! - `POST /sim/cdp/mode`: the [`Mode`] from now on, for instance `{"mode": "slow", "delay_ms": 800}`.
//! - `POST /sim/cdp/profiles`: one [`ScriptedProfile`] more; replaces one that shares an identity with it.
//! - `POST /sim/cdp/revoke`: no token that was granted so far is good any longer.
//!
//! The ledger's effects: `token.granted`, `token.refused`, `profile.found`, `profile.unknown`, `profile.refused`.

mod control;
mod oauth;
mod profiles;
mod run;
mod script;
mod settings;
mod state;

pub use run::{Running, run};
pub use script::{Mode, Script, ScriptedProfile};
pub use settings::Settings;
