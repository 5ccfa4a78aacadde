//! A job uses what its limits allow, all of its processes together.

use std::time::Duration;

use adapters::compute::{End, OUTPUT_BYTES_MAX};
use fs_err as fs;

use crate::ring::{self, AS_PROBE, Kept, PROBE, Ran, Ring, Test};

pub(crate) const TESTS: &[Test] = &[
    ("time_ends", time_ends),
    ("cpu_time_ends", cpu_time_ends),
    ("memory_ends", memory_ends),
    ("memory_is_counted_together", memory_is_counted_together),
    ("files_end", files_end),
    ("a_bomb_is_put_out", a_bomb_is_put_out),
    ("a_flood_is_stopped", a_flood_is_stopped),
];

fn check_limit(ran: &Ran, part: &str) {
    match &ran.done.end {
        End::Limit(what) => assert!(what.contains(part), "{what}"),
        other => panic!("{other:?}: {}{}", ran.stdout, ran.stderr),
    }
}

fn time_ends() {
    let mut ring = Ring::new();
    ring.limits.wall = Duration::from_millis(200);
    let ran = ring.probe(&["sleep"]);
    check_limit(&ran, "0.2 s");
    assert!(ran.done.took >= ring.limits.wall);
}

fn cpu_time_ends() {
    let mut ring = Ring::new();
    ring.limits.cpu_s = 1;
    check_limit(&ring.probe(&["spin"]), "1 s of CPU time");
    // A shell that is told to carry on is ended all the same.
    let ran = ring.run(&["sh", "-c", "trap '' XCPU; while :; do :; done"]);
    check_limit(&ran, "1 s of CPU time");
}

fn memory_ends() {
    let ran = Ring::new().probe(&["memory"]);
    // The kernel gives it no more, which a Rust program does not survive.
    assert_eq!(ran.done.end, End::Signal(6), "{}", ran.stderr);
    assert!(ran.stderr.contains("memory allocation"), "{}", ran.stderr);
}

fn memory_is_counted_together() {
    let ran = Ring::new().probe(&["holders", "6", "100"]);
    check_limit(&ran, "bytes of memory, of 268435456");
}

fn files_end() {
    let ring = Ring::new();
    check_limit(&ring.probe(&["grow", "big"]), "1048576 bytes");
    let len = fs::metadata(ring.directory().join("big")).unwrap().len();
    assert_eq!(len, ring.limits.file_bytes);
}

fn a_bomb_is_put_out() {
    let ring = Ring::new();
    check_limit(&ring.probe(&["forks"]), "processes and threads, of 32");
}

fn a_flood_is_stopped() {
    let ring = Ring::new();
    let kept = Kept::default();
    let done = ring::run(&ring.job(&[PROBE, AS_PROBE, "flood"]), &kept).unwrap();
    assert_eq!(
        done.end,
        End::Limit(format!("{OUTPUT_BYTES_MAX} bytes of output"))
    );
    assert_eq!(kept.stdout.lock().len() as u64, OUTPUT_BYTES_MAX);
}
