//! The node: it puts the parts of the medium together and lets people and programs talk to them.
//!
//! Read in this order: [`node`] (what runs), [`folder`] (what it leaves on disk beside its store),
//! [`spawn`] (how a request becomes a VC), [`server`] (the HTTP API) and [`openapi`] (what the API says
//! of itself); [`parts`] says how requests name sandboxed code, [`virtual_time`] what moves the time of a deterministic node, [`name`] what a VC
//! may be called.
pub mod archive;
pub mod clock;
pub mod compute;
pub mod dormitory;
pub mod elsewhere;
pub mod folder;
pub mod name;
pub mod node;
pub mod openapi;
pub mod outside;
pub mod parts;
pub mod pod_store;
pub mod rows;
pub mod server;
pub mod spawn;
pub mod stop;
mod stripped;
pub mod virtual_time;
pub mod worlds;
