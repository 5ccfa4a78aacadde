//! Nothing of a job outlives it, nor outlives whoever started it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use adapters::compute::{Cage, Compute as _, End, Output, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::ring::{self, AS_PROBE, Kept, PROBE, Ring, Test, local, text};

pub(crate) const TESTS: &[Test] = &[
    ("an_end_is_told", an_end_is_told),
    ("input_is_empty", input_is_empty),
    ("who_is_left_behind_ends", who_is_left_behind_ends),
    ("a_stop_ends_it", a_stop_ends_it),
    ("it_ends_with_its_caller", it_ends_with_its_caller),
];

/// First argument of the test as somebody who runs a job.
pub(crate) const AS_CALLER: &str = "as-a-caller";

/// Runs a job that never ends, in a directory; prints what it prints.
pub(crate) fn call(args: &[String]) -> ExitCode {
    struct Shown;
    impl Output for Shown {
        fn printed(&self, _: Stream, bytes: &[u8]) {
            print!("{}", String::from_utf8_lossy(bytes));
        }
    }
    let mut job = Ring::new().job(&[PROBE, AS_PROBE, "sleep"]);
    job.directory = PathBuf::from(&args[0]);
    job.allowed.trust_native = args[1] == "trusted";
    let _ = local().run(&job, &Shown);
    ExitCode::FAILURE
}

fn an_end_is_told() {
    let ring = Ring::new();
    for code in [0, 1, 42, 255] {
        assert_eq!(
            ring.probe(&["exit", &code.to_string()]).done.end,
            End::Exit(code)
        );
    }
    assert_eq!(ring.probe(&["die"]).done.end, End::Signal(9));
}

fn input_is_empty() {
    let ran = Ring::new().probe(&["input"]);
    assert_eq!((ran.done.end, ran.stdout.as_str()), (End::Exit(0), ""));
}

fn is_gone(line: &str) -> bool {
    let pid = line.trim().parse().expect("the probe says who it is");
    rustix::process::test_kill_process(Pid::from_raw(pid).unwrap()).is_err()
}

fn who_is_left_behind_ends() {
    let mut ring = Ring::new();
    // The child has another process group where it can have one: where it is trusted.
    ring.allowed.trust_native = true;
    let ran = ring.probe(&["leave-a-session"]);
    assert_eq!(
        (ran.done.end, ran.done.plan.cage),
        (End::Exit(0), Cage::None),
        "{}",
        ran.stderr
    );
    assert!(is_gone(&ran.stdout));
    ring.allowed.trust_native = false;
    let ran = ring.run(&["sh", "-c", "./probe as-a-probe sleep & echo $!"]);
    assert_eq!(ran.done.end, End::Exit(0), "{}", ran.stderr);
    assert!(is_gone(ran.stdout.lines().next().unwrap()));
}

fn a_stop_ends_it() {
    let ring = Ring::new();
    let kept = Kept::stopping();
    let done = ring::run(&ring.job(&[PROBE, AS_PROBE, "sleep"]), &kept).unwrap();
    assert_eq!(done.end, End::Stopped);
    assert!(is_gone(&String::from_utf8_lossy(&kept.stdout.lock())));
}

/// A caller that is killed cannot end its jobs; who watches them does.
fn it_ends_with_its_caller() {
    for trust in ["trusted", "confined"] {
        let ring = Ring::new();
        let mut caller = Command::new(std::env::current_exe().unwrap())
            .args([AS_CALLER, text(&ring.directory()), trust])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(caller.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let pid = line.trim().parse().expect("the probe says who it is");
        let job = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
        kill_process(Pid::from_child(&caller), Signal::KILL).unwrap();
        // Readable once it has ended; a test that hangs here has failed.
        poll(&mut [PollFd::new(&job, PollFlags::IN)], None).unwrap();
        caller.wait().unwrap();
    }
}
