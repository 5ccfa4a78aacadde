//! Contents of any length pass through a bounded amount of memory. Alone in its process, because it
//! measures that process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};

use adapters::contents::Contents;
use tempfile::TempDir;

/// Most memory that this process has used so far, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn sixty_four_mebibytes_pass_through_little_memory() {
    const PART: usize = 64 * 1024;
    const PARTS: usize = 1024;
    let dir = TempDir::new().unwrap();
    let contents = Contents::open(dir.path(), 1 << 30).unwrap();
    let mut part = vec![0; PART];
    let before = peak_bytes();
    let mut writer = contents.writer().unwrap();
    for index in 0..PARTS {
        part.fill(index.to_le_bytes()[0]);
        writer.write_all(&part).unwrap();
    }
    let (digest, len) = writer.finish().unwrap();
    assert_eq!(len, (PART * PARTS) as u64);
    let mut reader = contents.reader(digest).unwrap();
    assert_eq!(reader.total(), len);
    for index in 0..PARTS {
        reader.read_exact(&mut part).unwrap();
        assert!(part.iter().all(|byte| *byte == index.to_le_bytes()[0]));
    }
    assert_eq!(reader.read(&mut part).unwrap(), 0);
    let used = peak_bytes() - before;
    assert!(used < 4 * 1024 * 1024, "{used} bytes for 64 MiB");
}
