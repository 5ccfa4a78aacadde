//! Jobs on this machine, and every way out of one that we know of.
//!
//! This test is its own launcher, and most of its jobs: called with a first argument that says so, it is one of
//! them. So it has no harness, and picks its tests by name itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::infinite_loop,
    reason = "a test, which clippy does not see without a harness"
)]

mod bounds;
mod files;
mod life;
mod probe;
mod reach;
mod ring;
mod talk;
mod wasi;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some(ring::AS_LAUNCHER) => {
            return adapters::compute::confine_child(args.get(1).map_or("", String::as_str));
        }
        Some(ring::AS_PROBE) => return probe::probe(&args[1..]),
        Some(life::AS_CALLER) => return life::call(&args[1..]),
        Some(talk::AS_TALKER) => return talk::talk(&args[1..]),
        _ => {}
    }
    let wanted: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let all = [
        files::TESTS,
        reach::TESTS,
        bounds::TESTS,
        life::TESTS,
        wasi::TESTS,
        talk::TESTS,
    ]
    .concat();
    let mut passed = 0;
    for (name, test) in all {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            eprintln!("test {name}");
            test();
            passed += 1;
        }
    }
    println!("test result: ok. {passed} passed");
    ExitCode::SUCCESS
}
