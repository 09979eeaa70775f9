//! Scenes over real TLS sockets.

mod calls;
mod journey;
mod pushing;
mod rules;
mod world;
