//! The ten minutes of docs/agents.md: its commands are run in their order, and print what it shows.

use std::path::Path;
use std::process::Command;

use crate::has;
use crate::shown::{run, shown};

const WALK: &str = include_str!("../../../docs/agents.md");

#[test]
fn the_ten_minutes_are_true() {
    if !has("python3") || !has("node") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let all = shown(WALK);
    assert!(all.len() > 40, "{} commands", all.len());
    let settle = |command: &mut Command| {
        let program = Path::new(env!("CARGO_BIN_EXE_medium")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env_remove("MEDIUM_DATA")
            .env_remove("MEDIUM_API")
            .env_remove("MEDIUM_TOKEN")
            .env_remove("MEDIUM_DFS")
            .current_dir(home.path());
    };
    run(&all, settle, |_, _| false);
}
