//! Files and directories of this machine on their way into pods and out of them.
//!
//! [`scan()`] looks at a directory before anything of it leaves: what may not is refused or left out by
//! name. [`put()`] writes what was found into an [edit](crate::pods::Edit). [`fetch_file`] and
//! [`fetch_directory`] bring what a source has to this machine: whole, or not at all, and what was stopped
//! goes on where it stopped.

mod error;
mod fetch;
mod ignore;
mod put;
mod scan;
mod staging;
#[cfg(test)]
mod tests;

pub use error::TransferError;
pub use fetch::{FETCH_BYTES_MAX, FETCH_ENTRIES_MAX, Fetched, fetch_directory, fetch_file};
pub use ignore::{IGNORE_BYTES_MAX, Ignore, is_secret};
pub use put::{Put, put, put_file};
pub use scan::{DEPTH_MAX, LeftOut, Scan, ScanOptions, Scanned, ScannedFile, scan};
