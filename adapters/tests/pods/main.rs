//! Pods: the embedded store, drives over any keeper, and what a stranger may try.

mod drives;
mod harness;
