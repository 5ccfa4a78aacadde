//! Runs that were killed, stopped or failed, and go on.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use adapters::task::{Ended, TaskError};
use serde_json::json;

use crate::world::{World, ends, left};

/// Two branches that meet; each step adds its name to what it was given.
fn diamond(world: &World) -> std::path::PathBuf {
    let step = |inputs: &[&str]| json!({"pod": "./add", "inputs": inputs});
    let dir = world.task(
        "d",
        &json!({"name": "d", "steps": {
            "top": step(&[]),
            "left": step(&["top"]),
            "right": {"pod": "./add", "inputs": ["top"], "each": ["1", "2"]},
            "bottom": step(&["left", "right"])}}),
    );
    world.shell_pod(
        "d/add",
        "cat $(find payload -name log | sort) /dev/null > output/log; echo \"$MEDIUM_STEP $MEDIUM_EACH\" >> output/log",
    );
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// Paths in records are of the folder the run had then: the copy takes its place.
fn put_back(world: &World, whole: &Path, journal: &str) {
    let run = world.path("runs/one");
    fs::remove_dir_all(&run).unwrap();
    copy(whole, &run);
    fs::write(run.join("journal"), journal).unwrap();
    let _ = fs::remove_file(run.join("run.json"));
    let _ = fs::remove_dir_all(world.path("cache"));
}

/// A kill can come after any record, and in the middle of one: what had ended is not run again, and the result is the
/// same.
#[test]
fn a_run_goes_on_after_every_record_of_its_journal() {
    let mut world = World::new();
    world.options.workers = 1;
    let dir = diamond(&world);
    let whole = world.run(&dir, "one");
    assert_eq!(whole.ended_as, Ended::Succeeded, "{:?}", ends(&whole));
    let result = left(&whole, "bottom", "log");
    assert_eq!(result.lines().count(), 7, "{result}");
    let kept = world.path("kept");
    copy(&whole.folder, &kept);
    let journal = fs::read_to_string(kept.join("journal")).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    assert!(lines.len() > 10, "{journal}");
    for count in 1..=lines.len() {
        let torn = lines.get(count).map_or("", |next| &next[..next.len() / 2]);
        let text = lines[..count].concat() + torn;
        put_back(&world, &kept, &text);
        let had_ended = lines[..count]
            .iter()
            .filter(|line| line.contains(r#""what":"ended""#))
            .count();
        world.compute.ran.lock().clear();
        let resumed = world.resume("one");
        assert_eq!(resumed.ended_as, Ended::Succeeded);
        assert_eq!(
            left(&resumed, "bottom", "log"),
            result,
            "after {count} records"
        );
        assert_eq!(
            world.compute.count(""),
            5 - had_ended,
            "after {count} records"
        );
    }
}

#[test]
fn an_output_that_was_changed_is_made_again() {
    let mut world = World::new();
    world.options.workers = 1;
    let dir = diamond(&world);
    let whole = world.run(&dir, "one");
    let result = left(&whole, "bottom", "log");
    let _ = fs::remove_dir_all(world.path("cache"));
    fs::write(whole.folder.join("steps/left/pod/output/log"), "changed").unwrap();
    world.compute.ran.lock().clear();
    let resumed = world.resume("one");
    assert_eq!(world.compute.count("left"), 1);
    assert_eq!(world.compute.count("top"), 0);
    assert_eq!(left(&resumed, "bottom", "log"), result);
}

/// The directory may change, or go away, after the run began: the run has copies.
#[test]
fn what_failed_is_tried_anew_with_what_the_run_began_with() {
    let world = World::new();
    let gate = world.path("gate");
    let dir = world.task(
        "t",
        &json!({"name": "t", "steps": {"a": {"pod": "./a"}, "b": {"pod": "./b", "inputs": "a"}}}),
    );
    world.shell_pod("t/a", "echo a > output/a");
    world.shell_pod(
        "t/b",
        &format!(
            "test -e {} && cat payload/from/a/a > output/b",
            gate.display()
        ),
    );
    let failed = world.run(&dir, "one");
    assert_eq!(failed.ended_as, Ended::Failed);
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&gate, "").unwrap();
    let resumed = world.resume("one");
    assert_eq!(resumed.ended_as, Ended::Succeeded, "{:?}", ends(&resumed));
    assert_eq!(left(&resumed, "b", "b"), "a\n");
    assert_eq!(world.compute.count("a"), 1);
    assert_eq!(world.compute.count("b"), 2);
}

#[test]
fn what_was_stopped_goes_on() {
    let mut world = World::new();
    world.options.workers = 1;
    let dir = diamond(&world);
    world.listener.stop.store(true, Ordering::SeqCst);
    let stopped = world.run(&dir, "one");
    assert_eq!(stopped.ended_as, Ended::Stopped);
    assert_eq!(world.compute.count(""), 0);
    world.listener.stop.store(false, Ordering::SeqCst);
    assert_eq!(world.resume("one").ended_as, Ended::Succeeded);
}

#[test]
fn what_is_no_run_or_damaged_is_said() {
    let world = World::new();
    let dir = diamond(&world);
    let resume = |run: &str| {
        world
            .with(|outside| adapters::task::resume(&world.options, &world.folders(run), outside))
            .unwrap_err()
    };
    assert!(matches!(resume("none"), TaskError::NoRun(_)));
    world.run(&dir, "one");
    let journal = world.path("runs/one/journal");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("top", "tip", 1)).unwrap();
    let error = resume("one");
    assert!(matches!(error, TaskError::Damaged { .. }), "{error}");
    assert!(
        world.try_run(&dir, "one").is_err(),
        "a run's folder is its own"
    );
}

/// A live reference may move while a run is stopped: the run goes on with what it began with.
#[test]
fn references_do_not_move_under_a_run() {
    let world = World::new();
    let reference = world.shared("data", &[("/x", b"old")]);
    let dir = world.task(
        "t",
        &json!({"name": "t", "payload": {"pod": reference, "files": ["/x"]}, "steps": {"a": {"pod": "./a"}}}),
    );
    world.shell_pod("t/a", "cp payload/external/x output/x");
    world.listener.stop.store(true, Ordering::SeqCst);
    // Nothing is run, but what is fetched is pinned.
    let stopped = world.try_run(&dir, "one");
    world.listener.stop.store(false, Ordering::SeqCst);
    crate::world::put(
        world.pods.as_ref(),
        &"data".parse().unwrap(),
        &[("/x", b"new")],
    );
    if stopped.is_ok_and(|record| record.ended_as == Ended::Stopped) {
        assert_eq!(left(&world.resume("one"), "a", "x"), "old");
    }
    assert_eq!(left(&world.run(&dir, "two"), "a", "x"), "new");
}
