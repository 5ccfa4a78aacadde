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
