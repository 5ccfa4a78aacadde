//! A process that is killed while it writes: what it said it had kept is there, and everything that is there is whole.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use adapters::pods::{FileMeta, Quiet};

use super::harness::{noise, open, path, pod, put, read, source, today, wallet};

/// Names the folder in which a child writes until it is killed.
const FOLDER: &str = "MEDIUM_TEST_KILLED_PODS";
/// Bytes of each file.
const FILE_BYTES: usize = 40_000;

/// Contents that say how much of them was read.
struct Telling(std::io::Cursor<Vec<u8>>);

impl Read for Telling {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        say("reading");
        let len = out.len().min(10_000);
        self.0.read(&mut out[..len])
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// What the child does; a test like any other where nobody asks for it.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let pods = open(Path::new(&folder), &today()).unwrap();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    let has = ana.pods().unwrap().len() as u64;
    if has == 0 {
        ana.create(&pod("p"), false).unwrap();
    }
    let done = ana.pod(&pod("p")).unwrap().latest.unwrap().index;
    for number in done + 1.. {
        let mut edit = ana.edit(&pod("p")).unwrap();
        let contents = noise(number, FILE_BYTES);
        let mut input = Telling(std::io::Cursor::new(contents));
        let at = path(&format!("/{number}"));
        edit.write(&at, &FileMeta::default(), &mut input, &Quiet)
            .unwrap();
        put(&mut *edit, "/latest", number.to_string());
        say("committing");
        edit.commit("").unwrap();
        say(&format!("kept {number}"));
    }
}

/// Runs the child in a folder, kills it when it has said `lines` lines, and answers the last number it said it had kept.
fn run_and_kill(folder: &Path, lines: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::writes_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut kept = 0;
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..lines {
        let line = said.next().unwrap().unwrap();
        if let Some(number) = line.strip_prefix("kept ") {
            kept = number.parse().unwrap();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it still said before it died counts.
    for line in said.map_while(Result::ok) {
        if let Some(number) = line.strip_prefix("kept ") {
            kept = number.parse().unwrap();
        }
    }
    kept
}

#[test]
fn a_killed_process_loses_nothing_it_said_it_had_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = 0;
    // At different places: while it reads, while it commits, and behind both.
    for lines in [4, 7, 9, 10, 11, 12, 13, 16, 23, 24] {
        kept = run_and_kill(folder.path(), lines).max(kept);
        let pods = open(folder.path(), &today()).unwrap();
        assert_eq!(pods.disk().verify(&Quiet).unwrap().damage, []);
        let ana = pods.wallet(&wallet("ana")).unwrap();
        if ana.pods().unwrap().is_empty() {
            assert_eq!(kept, 0);
            continue;
        }
        let latest = ana.pod(&pod("p")).unwrap().latest.unwrap();
        assert!(latest.index >= kept, "{} < {kept}", latest.index);
        let verified = ana.verify(&source("p"), &Quiet).unwrap();
        assert_eq!(verified.damage, []);
        for number in 1..=latest.index {
            let contents = read(&*ana, &source("p"), &format!("/{number}")).unwrap();
            assert_eq!(contents, noise(number, FILE_BYTES));
        }
        let ledger = pods.disk().ledger();
        assert_eq!(ledger.sum(), 0);
    }
    assert!(kept > 3);
}
