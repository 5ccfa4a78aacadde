//! Recipes and tasks from outside: what is read, what is refused, what is run, and Sovr's sixteen bugs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod bugs;
mod formats;
mod kept;
mod odd;
mod refused;
mod resumed;
mod tasks;
mod world;
