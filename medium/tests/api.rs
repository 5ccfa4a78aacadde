//! The HTTP API over loopback: every endpoint, every refusal, the event socket, and the documents the
//! API gives of itself. Each test runs a node of its own on a port of its own.

#[path = "api/births.rs"]
mod births;
#[path = "api/contents.rs"]
mod contents;
#[path = "api/document.rs"]
mod document;
#[path = "api/events.rs"]
mod events;
#[path = "api/messages.rs"]
mod messages;
#[path = "api/modules.rs"]
mod modules;
#[path = "api/node.rs"]
mod node;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "api/schema.rs"]
mod schema;
#[path = "api/steer.rs"]
mod steer;
#[path = "api/support.rs"]
mod support;
#[path = "api/vcs.rs"]
mod vcs;
#[path = "api/virtual_time.rs"]
mod virtual_time;
