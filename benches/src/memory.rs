//! How much memory this process takes.

/// Bytes of this process that are in memory now (resident set size).
///
/// # Panics
/// Where there is no `/proc/self/statm`: not on Linux.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux shows a process' memory");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("the second number of statm is the resident pages");
    pages * rustix::param::page_size() as u64
}

/// Most bytes of this process that were in memory at once (high water mark of the resident set).
///
/// # Panics
/// Where `/proc/self/status` has no `VmHWM`: not on Linux.
pub fn peak_bytes() -> u64 {
    let status =
        std::fs::read_to_string("/proc/self/status").expect("Linux shows a process' memory");
    let kib: Option<u64> = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.parse().ok());
    kib.expect("VmHWM is a number of kB") * 1024
}
