//! Files of this machine: what may leave, what may come, and what is left of what was stopped.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Process, Run};
use crate::place::Place;

/// More than a chunk, and no multiple of one.
const LONG: usize = 300_001;

fn long() -> Vec<u8> {
    let byte = |i: usize| u8::try_from(((i * i) >> 7) % 256).unwrap();
    (0..LONG).map(byte).collect()
}

fn both() -> [Place; 2] {
    let places = [Place::in_process(), Place::on_a_node()];
    for place in &places {
        place.done(&["pod", "new", "p"]);
    }
    places
}

#[test]
fn what_comes_back_is_what_was_put() {
    for place in both() {
        place.write("tree/run.sh", b"#!/bin/sh\n");
        place.write("tree/long.bin", &long());
        place.write("tree/nothing", b"");
        fs::create_dir_all(place.path().join("tree/a/empty")).unwrap();
        let script = place.path().join("tree/run.sh");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let put: Value =
            serde_json::from_str(&place.done(&["pod", "put", "tree", "p:/", "--json"])).unwrap();
        assert_eq!(
            (&put["files"], &put["bytes"]),
            (&3.into(), &(LONG + 10).into())
        );
        place.done(&["pod", "get", "p:/", "-o", "back"]);
        assert_eq!(place.read("back/long.bin"), long());
        assert_eq!(place.read("back/nothing"), b"");
        assert!(place.path().join("back/a/empty").is_dir());
        let about = |path: &str| fs::metadata(place.path().join(path)).unwrap();
        assert_eq!(about("back/run.sh").permissions().mode() & 0o777, 0o755);
        assert_eq!(about("back/long.bin").permissions().mode() & 0o777, 0o644);
        let seconds = |path: &str| {
            let modified = about(path).modified().unwrap();
            modified
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_secs()
        };
        assert_eq!(seconds("back/long.bin"), seconds("tree/long.bin"));
        // To a device, which is written to and not replaced.
        place.done(&["pod", "get", "p:/long.bin", "-o", "/dev/null", "--force"]);
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        // Through pipes.
        let mut piped = place.command(&["pod", "put", "-", "p:/piped"]);
        let mut piped = piped
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        piped.stdin.take().unwrap().write_all(&long()).unwrap();
        Run::of(&["put -"], piped.wait_with_output().unwrap()).done();
        let got = place
            .command(&["pod", "get", "p:/piped", "-o", "-"])
            .output()
            .unwrap();
        assert!(got.status.success() && got.stdout == long());
    }
}

#[test]
fn what_may_not_leave_is_refused_by_name() {
    let [place, _] = both();
    let refused = |what: &str| {
        let run = place.run(&["pod", "put", "tree", "p:/"]);
        let refused = run.refused();
        assert!(
            refused.contains(what) && refused.contains("hint: "),
            "{refused}"
        );
        let state = place.done(&["pod", "history", "p", "--json"]);
        let state: Value = serde_json::from_str(&state).unwrap();
        assert_eq!(state.as_array().unwrap().len(), 1, "nothing was changed");
    };
    place.write("outside.txt", b"not yours");
    place.write("tree/ok.txt", b"ok");
    symlink("../outside.txt", place.path().join("tree/leads-out")).unwrap();
    refused("leads-out");
    fs::remove_file(place.path().join("tree/leads-out")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path().join("tree/socket")).unwrap();
    refused("tree/socket");
    fs::remove_file(place.path().join("tree/socket")).unwrap();
    place.write("tree/.mediumignore", b"!ok.txt\n");
    refused("line 1");
    place.write("id_rsa", b"key");
    let run = place.run(&["pod", "put", "id_rsa", "p:/"]);
    assert!(run.refused().contains("--secrets"), "{}", run.stderr);
    // A pipe that nobody writes to is not waited for.
    let fifo = place.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let run = place.run(&["pod", "put", "pipe", "p:/"]);
    assert!(run.refused().contains("not a file"), "{}", run.stderr);
}

/// The first Ctrl-C: the pod is as it was, what is to be done is said, and nothing stays beside what is got.
#[test]
fn what_is_stopped_says_what_was_kept() {
    for place in both() {
        let mut command = place.command(&["pod", "put", "-", "p:/endless"]);
        command.stdin(Stdio::piped());
        let mut child = Process::start(command);
        let mut input = child.stdin();
        // The verb reads by now: a pipe takes this much only from a reader.
        input.write_all(&vec![7; 4 << 20]).unwrap();
        child.signal("INT");
        // It ends by itself with what it reads next.
        while input.write_all(&[7; 4096]).is_ok() {}
        let said: Vec<_> = child.errors().collect();
        assert_eq!(child.exit_code(), Some(1), "{said:?}");
        let said = said.join("\n");
        assert!(
            said.contains("stopped after") && said.contains("`p` is as it was"),
            "{said}"
        );
        assert!(said.contains("hint: put it again"), "{said}");
        assert_eq!(place.done(&["pod", "ls", "p"]), "");
    }
}

/// What was stopped where it can go on is gone on with: the bytes that came are not fetched again.
#[test]
fn a_get_goes_on_where_it_was_stopped() {
    for place in both() {
        place.write("long.bin", &long());
        place.done(&["pod", "put", "long.bin", "p:/"]);
        let stat = place.done(&["pod", "stat", "p:/long.bin", "--json"]);
        let stat: Value = serde_json::from_str(&stat).unwrap();
        let identity = &stat["reference"].as_str().unwrap()[..16];
        // As a run that was stopped leaves it.
        let part = format!(".got.bin.{identity}.part");
        place.write(&part, &long()[..200_000]);
        let got = place.done(&["pod", "get", "p:/long.bin", "-o", "got.bin", "--json"]);
        let got: Value = serde_json::from_str(&got).unwrap();
        assert_eq!(got["resumed_bytes"], 200_000);
        assert_eq!(place.read("got.bin"), long());
        let left = fs::read_dir(place.path()).unwrap();
        let hidden = left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".got")
        });
        assert_eq!(hidden.count(), 0, "nothing stays beside it");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let [place, _] = both();
    place.write("long.bin", &long());
    place.done(&["pod", "put", "long.bin", "p:/"]);
    let mut command = place.command(&["pod", "get", "p:/long.bin", "-o", "-"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
