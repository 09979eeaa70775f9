//! What plays the agents and what a judge asks: `/sim/...`, without any credential.

mod agents;
mod contacts;
mod routes;

pub(super) use routes::routes;
