//! Bee's API as a node serves it: asked by a client that Bee's authors wrote, by hostile ones, and by our own.

mod client;
mod conformance;
mod hostile;
mod served;
