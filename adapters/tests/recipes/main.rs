//! Recipes and tasks from outside: what is read, what is refused, what is run, and Sovr's sixteen bugs.

mod archives;
mod bugs;
mod formats;
mod kept;
mod odd;
mod refused;
mod resumed;
mod tasks;
mod world;
