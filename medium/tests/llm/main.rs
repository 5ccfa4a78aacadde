//! `llm` and `http` on a node, in front of servers on this machine that behave well and badly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod caps;
mod home;
mod models;
mod server;
mod servers;
mod tools;
