//! The simulator over real sockets, one test for each rule.

mod access;
mod hooks;
mod sessions;
mod talking;
mod trouble;
mod world;
