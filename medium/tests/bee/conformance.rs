//! `@ethersphere/bee-js` against a node. What it checks is in `js/conformance.test.js`.
//!
//! Where there is no npm this is skipped, and says so; with `CI=true` that is a failure.

use std::path::Path;
use std::process::Command;

use crate::served::Served;

/// The files of the small project that is installed for the test, and where the repository has them.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "conformance.test.js"];

#[test]
fn a_client_of_bees_authors_finds_a_bee() {
    if Command::new("npm").arg("--version").output().is_err() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "npm is missing, and CI must not skip this"
        );
        println!("skipped: npm is not installed");
        return;
    }
    // A copy: nothing is installed into the repository.
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bee/js");
    for file in FILES {
        std::fs::copy(project.join(file), folder.path().join(file)).unwrap();
    }
    run(npm(folder.path()).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]));
    let node = Served::start();
    run(npm(folder.path()).arg("test").env("BEE_API", &node.api));
}

fn npm(folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).env("NO_COLOR", "1");
    npm
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
