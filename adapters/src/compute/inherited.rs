//! Files that a process was started with, and that nobody told it of.
#![expect(
    unsafe_code,
    reason = "a file that nobody owns has to be owned before it can be closed"
)]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

/// Closes every file above the standard ones that a program started from here would inherit.
///
/// A shell that started us may have had some open; a confined job must not read what they are of. What
/// this process opened itself is closed on exec, and stays.
///
/// # Errors
/// The list of open files cannot be read.
pub(super) fn close_inherited() -> io::Result<()> {
    for file in inherited()? {
        // SAFETY: the number is of an open file; it stays open over an exec, and the standard library opens
        // none like that, so no value in this process owns it. There is one thread, so nobody opens or
        // closes files in between.
        drop(unsafe { OwnedFd::from_raw_fd(file) });
    }
    Ok(())
}

/// The numbers of the files above the standard ones that stay open over an exec.
fn inherited() -> io::Result<Vec<RawFd>> {
    const CLOSED_ON_EXEC: u32 = 0o200_0000;
    let mut inherited = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        // One that is gone was the folder's own.
        let Ok(about) = std::fs::read_to_string(entry.path()) else {
            continue;
        };
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        if let (Some(number), Some(flags)) = (number, flags)
            && number > 2
            && flags & CLOSED_ON_EXEC == 0
        {
            inherited.push(number);
        }
    }
    Ok(inherited)
}
