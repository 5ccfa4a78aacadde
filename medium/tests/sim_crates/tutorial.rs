//! The tutorial of worlds: its commands are run in their order, and what it shows is what they print.

use crate::home::Home;
use crate::shown::{run, shown};

/// The tutorial.
const TUTORIAL: &str = include_str!("../../../docs/tutorial-worlds.md");

#[test]
fn the_tutorial_is_true() {
    let home = Home::new();
    let all = shown(TUTORIAL);
    assert!(all.len() > 10, "{} commands", all.len());
    let settle = |command: &mut std::process::Command| {
        home.settle(command);
    };
    run(&all, settle, |command, printed| {
        let unconfined = printed.contains("cannot be confined here");
        if unconfined {
            let is_ci = std::env::var_os("CI").is_some();
            assert!(!is_ci, "strangers' crates must be confined here");
            eprintln!("skipped: `{command}`, for nothing here confines a native command");
        }
        unconfined
    });
}
