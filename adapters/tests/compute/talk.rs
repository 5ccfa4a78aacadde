//! A process that is talked to has what a job has, and a caller at the other end of two pipes.

use std::io::{BufRead as _, BufReader, BufWriter, Lines, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use adapters::compute::{Cage, ComputeError, End, Job, Leash, Limits, Local, Plan, Talk};
use fs_err as fs;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::ring::{AS_PROBE, PROBE, Ring, Test, local, text};
use crate::wasi;

pub(crate) const TESTS: &[Test] = &[
    ("lines_go_both_ways", lines_go_both_ways),
    ("languages_talk", languages_talk),
    ("a_module_talks", a_module_talks),
    ("a_talk_ends_with_its_input", a_talk_ends_with_its_input),
    ("what_does_not_begin_is_said", what_does_not_begin_is_said),
    ("a_talk_is_killed_with_all", a_talk_is_killed_with_all),
    ("a_talk_ends_when_let_go", a_talk_ends_when_let_go),
    ("a_talk_ends_with_its_caller", a_talk_ends_with_its_caller),
    ("a_talk_reaches_nothing", a_talk_reaches_nothing),
    ("a_talk_is_bounded", a_talk_is_bounded),
    ("folders_are_read", folders_are_read),
    ("ports_are_reached", ports_are_reached),
    ("the_network_is_reached", the_network_is_reached),
    ("a_users_language_is_found", a_users_language_is_found),
];

/// First argument of the test as somebody who talks.
pub(crate) const AS_TALKER: &str = "as-a-talker";

/// Both ends of a talk, as a person uses them.
struct Line {
    plan: Plan,
    to: Option<BufWriter<std::fs::File>>,
    from: Lines<BufReader<std::fs::File>>,
    errors: std::fs::File,
    leash: Leash,
}

impl Line {
    fn open(local: &Local, job: &Job) -> Self {
        let talk = local.talk(job);
        let talk = talk.unwrap_or_else(|error| panic!("{:?}: {error}", job.argv));
        let Talk {
            plan,
            stdin,
            stdout,
            stderr,
            leash,
        } = talk;
        Self {
            plan,
            to: Some(BufWriter::new(stdin.into())),
            from: BufReader::new(std::fs::File::from(stdout)).lines(),
            errors: stderr.into(),
            leash,
        }
    }

    fn say(&mut self, line: &str) {
        let to = self.to.as_mut().expect("still open");
        writeln!(to, "{line}").unwrap();
        to.flush().unwrap();
    }

    fn hear(&mut self) -> String {
        match self.from.next() {
            Some(line) => line.unwrap(),
            None => panic!("it ended: {}", self.complaints()),
        }
    }

    fn complaints(&mut self) -> String {
        let mut all = String::new();
        self.errors.read_to_string(&mut all).unwrap();
        all
    }

    /// Closes its input, and waits for its end: how, and what it printed after what was heard.
    fn end(mut self) -> (End, String, String) {
        self.to = None;
        let rest: Vec<String> = self.from.by_ref().map(Result::unwrap).collect();
        let complaints = self.complaints();
        (self.leash.wait().unwrap().end, rest.join("\n"), complaints)
    }
}

fn lasting(ring: &Ring, argv: &[&str]) -> Job {
    Job {
        limits: Limits::lasting(),
        ..ring.job(argv)
    }
}

fn open(ring: &Ring, argv: &[&str]) -> Line {
    Line::open(&ring.local(), &lasting(ring, argv))
}

/// Says a number of lines from one thread, and hears them in another.
fn echoes(mut line: Line, count: usize) {
    let mut to = line.to.take().expect("still open");
    let writer = std::thread::spawn(move || {
        for at in 0..count {
            writeln!(to, "{at} {}", "x".repeat(at % 100)).unwrap();
        }
        to.flush().unwrap();
    });
    for at in 0..count {
        assert_eq!(line.hear(), format!("{at} {}", "x".repeat(at % 100)));
    }
    writer.join().unwrap();
    let (end, rest, complaints) = line.end();
    assert_eq!((end, rest.as_str()), (End::Exit(0), ""), "{complaints}");
}

fn lines_go_both_ways() {
    for ring in Ring::both() {
        let mut line = open(&ring, &["cat"]);
        assert_eq!(line.plan.cage, Cage::Os);
        for at in 0..100 {
            line.say(&at.to_string());
            assert_eq!(line.hear(), at.to_string());
        }
        echoes(line, 10_000);
    }
    let mut ring = Ring::new();
    ring.allowed.trust_native = true;
    let line = open(&ring, &["cat"]);
    assert_eq!(line.plan.cage, Cage::None);
    echoes(line, 10_000);
}

/// Languages that agents are written in; where the tests are to be complete, none may be missing.
fn has(language: &str) -> bool {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin"];
    let has = folders
        .iter()
        .any(|folder| Path::new(folder).join(language).exists());
    assert!(
        has || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{language} is needed where CI=true"
    );
    if !has {
        eprintln!("no {language}: skipped");
    }
    has
}

const ECHO_PY: &str = "import sys
for line in sys.stdin:
    sys.stdout.write(line)
    sys.stdout.flush()
";
const ECHO_JS: &str = "const lines = require('readline').createInterface({ input: process.stdin });
lines.on('line', line => process.stdout.write(line + '\\n'));
";

fn languages_talk() {
    for (language, file, source) in [
        ("python3", "echo.py", ECHO_PY),
        ("node", "echo.js", ECHO_JS),
    ] {
        if !has(language) {
            continue;
        }
        for ring in Ring::both() {
            fs::write(ring.directory().join(file), source).unwrap();
            echoes(open(&ring, &[language, file]), 10_000);
        }
    }
}

fn a_module_talks() {
    let ring = Ring::new();
    wasi::twice(&ring);
    let mut line = open(&ring, &["job.wasm"]);
    assert_eq!(line.plan.cage, Cage::Wasi);
    let says = "has no network, starts no processes, reads what is sent to it";
    assert!(line.plan.may.iter().any(|may| may == says));
    for at in 0..100 {
        let word = at.to_string();
        line.say(&word);
        assert_eq!([line.hear(), line.hear()], [word.clone(), word]);
    }
    assert_eq!(line.end().0, End::Exit(7));
    // One that waits is ended as any other.
    let mut line = open(&ring, &["job.wasm"]);
    line.say("x");
    assert_eq!(line.hear(), "x");
    line.leash.kill();
    assert_eq!(line.leash.wait().unwrap().end, End::Stopped);
    fs::write(ring.directory().join("job.wasm"), b"\0asm\x01\0\0\0bad").unwrap();
    let error = local().talk(&ring.job(&["job.wasm"])).unwrap_err();
    assert!(matches!(error, ComputeError::Module { .. }), "{error}");
}

fn a_talk_ends_with_its_input() {
    let ring = Ring::new();
    let script = "while read -r line; do last=$line; done; echo $last; echo sorry >&2; exit 3";
    let mut line = open(&ring, &["sh", "-c", script]);
    line.say("first");
    line.say("last");
    let ended = (End::Exit(3), "last".to_owned(), "sorry\n".to_owned());
    assert_eq!(line.end(), ended);
    // One that closes its end is noticed by who writes to it.
    let mut line = open(
        &ring,
        &["sh", "-c", "exec <&-; echo closed; exec sleep 1000"],
    );
    assert_eq!(line.hear(), "closed");
    let to = line.to.as_mut().unwrap();
    let error = writeln!(to, "x").and_then(|()| to.flush()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    line.leash.kill();
    assert_eq!(line.end().0, End::Stopped);
}

fn what_does_not_begin_is_said() {
    let ring = Ring::new();
    let path = ring.directory().join("text");
    fs::write(&path, "#!/no/such/interpreter").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&path, mode).unwrap();
    for command in ["./text", "no-such-command"] {
        let error = local().talk(&ring.job(&[command])).unwrap_err();
        assert!(matches!(error, ComputeError::NoProgram { .. }), "{error}");
    }
    let mut job = ring.job(&["cat"]);
    job.allowed.read = vec![PathBuf::from("/no/such/folder")];
    assert!(local().plan_talk(&job).is_err());
    job.allowed.read = vec![PathBuf::from("/usr/..")];
    let error = std::error::Error::source(&local().plan_talk(&job).unwrap_err())
        .unwrap()
        .to_string();
    assert!(error.contains("all files of this machine"), "{error}");
}

/// The process of this number, which a line says.
fn process(line: &str) -> Pid {
    let pid = line.trim().parse().expect("the probe says who it is");
    Pid::from_raw(pid).unwrap()
}

fn is_gone(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid).is_err()
}

const FAMILY: &str = "(./probe as-a-probe sleep; :) & ./probe as-a-probe sleep; :";

fn a_talk_is_killed_with_all() {
    for trusted in [false, true] {
        let mut ring = Ring::new();
        ring.allowed.trust_native = trusted;
        let mut line = open(&ring, &["sh", "-c", FAMILY]);
        let members = [process(&line.hear()), process(&line.hear())];
        let stopper = line.leash.stopper();
        line.leash.kill();
        assert_eq!(line.end().0, End::Stopped);
        assert!(members.into_iter().all(is_gone));
        // There is nothing left to stop, and nothing happens.
        stopper.stop();
    }
}

fn a_talk_ends_when_let_go() {
    let ring = Ring::new();
    let mut line = open(&ring, &["sh", "-c", FAMILY]);
    let members = [process(&line.hear()), process(&line.hear())];
    drop(line.leash);
    assert!(members.into_iter().all(is_gone));
    assert!(line.from.next().is_none(), "its output is at its end");
}

/// Talks to a process that never ends, in a directory; says who it is.
pub(crate) fn talk(args: &[String]) -> ExitCode {
    let mut job = Ring::new().job(&["sh", "-c", FAMILY]);
    job.directory = PathBuf::from(&args[0]);
    job.allowed.trust_native = args[1] == "trusted";
    let mut line = Line::open(&local(), &job);
    println!("{}\n{}", line.hear(), line.hear());
    let (end, ..) = line.end();
    eprintln!("{end:?}");
    ExitCode::FAILURE
}

/// A caller that is killed closes nothing in order; all of the process ends all the same.
fn a_talk_ends_with_its_caller() {
    for trust in ["trusted", "confined"] {
        let ring = Ring::new();
        let mut caller = Command::new(std::env::current_exe().unwrap())
            .args([AS_TALKER, text(&ring.directory()), trust])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(caller.stdout.take().unwrap()).lines();
        let members = lines.take(2).map(|line| {
            let member = process(&line.unwrap());
            pidfd_open(member, PidfdFlags::empty()).unwrap()
        });
        let members: Vec<_> = members.collect();
        assert_eq!(members.len(), 2);
        kill_process(Pid::from_child(&caller), Signal::KILL).unwrap();
        for member in &members {
            // Readable once it has ended; a test that hangs here has failed.
            poll(&mut [PollFd::new(member, PollFlags::IN)], None).unwrap();
        }
        caller.wait().unwrap();
    }
}

/// A probe that is talked to: how it ended, what it printed, what it complained of.
fn probe(ring: &Ring, args: &[&str]) -> (End, String, String) {
    open(ring, &[&[PROBE, AS_PROBE], args].concat()).end()
}

fn can(ring: &Ring, args: &[&str]) {
    let (end, printed, complaints) = probe(ring, args);
    assert_eq!(end, End::Exit(0), "{args:?}: {printed}{complaints}");
}

fn cannot(ring: &Ring, args: &[&str]) {
    let (end, printed, complaints) = probe(ring, args);
    assert_eq!(end, End::Exit(1), "{args:?}: {printed}{complaints}");
}

/// What holds for jobs is not lost on the way: the rest is in `files.rs` and `reach.rs`.
fn a_talk_reaches_nothing() {
    let secret = std::fs::File::open("/proc/self/status").unwrap();
    rustix::io::fcntl_setfd(&secret, rustix::io::FdFlags::empty()).unwrap();
    for ring in Ring::both() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        cannot(&ring, &["tcp", &listener.local_addr().unwrap().to_string()]);
        cannot(&ring, &["socket", "2"]);
        cannot(&ring, &["socket", "1"]);
        cannot(&ring, &["read", "../secret"]);
        cannot(&ring, &["read", "/etc/shadow"]);
        cannot(&ring, &["list", "/"]);
        cannot(&ring, &["write", "../new"]);
        cannot(&ring, &["write", "/tmp/medium-was-here"]);
        cannot(&ring, &["signal-parent"]);
        can(&ring, &["write", "own"]);
        can(&ring, &["pair"]);
        let (_, found, _) = probe(&ring, &["environment"]);
        let mut names: Vec<_> = found
            .lines()
            .filter_map(|line| line.split('=').next())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["GIVEN", "HOME", "LANG", "PATH", "TMPDIR"]);
        // Three pipes, and the folder that it lists them in; neither the order's socket nor what we left open.
        let (_, files, _) = probe(&ring, &["open-files"]);
        assert_eq!(files.matches("pipe:").count(), 3, "{files}");
        assert_eq!(files.lines().count(), 4, "{files}");
    }
    drop(secret);
}

fn a_talk_is_bounded() {
    let ring = Ring::new();
    let bounded = |args: &[&str]| {
        // Those of the ring, but for the ends of time.
        let mut job = ring.job(&[&[PROBE, AS_PROBE], args].concat());
        job.limits.cpu_s = Limits::CPU_S_ENDLESS;
        job.limits.wall = Limits::lasting().wall;
        Line::open(&ring.local(), &job)
    };
    let ends_by = |args: &[&str], part: &str| match bounded(args).end() {
        (End::Limit(what), ..) => assert!(what.contains(part), "{what}"),
        (end, _, complaints) => panic!("{args:?}: {end:?} {complaints}"),
    };
    ends_by(&["forks"], "processes and threads, of 32");
    ends_by(&["holders", "6", "100"], "bytes of memory, of 268435456");
    ends_by(&["grow", "big"], "1048576 bytes");
    assert_eq!(bounded(&["memory"]).end().0, End::Signal(6));
    // It was quiet for a while, and is counted rarely: what it then does is noticed all the same.
    let mut job = ring.job(&["sh", "-c", "read go; exec ./probe as-a-probe forks"]);
    job.limits.wall = Limits::lasting().wall;
    let mut line = Line::open(&ring.local(), &job);
    line.say("go");
    let (end, ..) = line.end();
    assert!(
        matches!(&end, End::Limit(what) if what.contains("of 32")),
        "{end:?}"
    );
    let plan = bounded(&["exit", "0"]).plan.may.join("\n");
    assert!(
        plan.ends_with("at most 268435456 bytes of memory, 1048576 bytes for each file and 32 processes and threads"),
        "{plan}"
    );
    a_flood_goes_on(&ring);
}

/// More than a job may print, and it goes on: whoever reads it bounds it.
fn a_flood_goes_on(ring: &Ring) {
    let talk = ring
        .local()
        .talk(&lasting(ring, &[PROBE, AS_PROBE, "flood"]));
    let talk = talk.unwrap();
    let mut from = std::fs::File::from(talk.stdout);
    let mut flood = vec![0; 1 << 20];
    for _ in 0..=adapters::compute::OUTPUT_BYTES_MAX >> 20 {
        from.read_exact(&mut flood).unwrap();
    }
    talk.leash.kill();
    assert_eq!(talk.leash.wait().unwrap().end, End::Stopped);
}

fn folders_are_read() {
    for mut ring in Ring::both() {
        let library = ring.outside.path().join("library");
        fs::create_dir(&library).unwrap();
        fs::write(library.join("book"), "").unwrap();
        fs::copy("/usr/bin/env", library.join("program")).unwrap();
        let book = library.join("book");
        cannot(&ring, &["read", text(&book)]);
        ring.allowed.read = vec![library.clone()];
        can(&ring, &["read", text(&book)]);
        can(&ring, &["read", "../library/book"]);
        can(&ring, &["list", text(&library)]);
        cannot(&ring, &["write", text(&library.join("new"))]);
        cannot(&ring, &["append", text(&book)]);
        cannot(&ring, &["remove", text(&book)]);
        cannot(&ring, &["mode", text(&book)]);
        cannot(&ring, &["run", text(&library.join("program")), "true"]);
        cannot(&ring, &["read", "../secret"]);
        let plan = ring.local().plan_talk(&ring.job(&["cat"])).unwrap();
        let real = fs::canonicalize(&library).unwrap();
        let says = format!("reads what is in {}", real.display());
        assert!(plan.may.contains(&says), "{:?}", plan.may);
        // A file by itself; then a folder of programs.
        ring.allowed.read = vec![book.clone()];
        can(&ring, &["read", text(&book)]);
        cannot(&ring, &["read", text(&library.join("program"))]);
        ring.allowed.read.clear();
        ring.allowed.programs = vec![library.clone()];
        can(&ring, &["run", text(&library.join("program")), "true"]);
        assert_eq!(open(&ring, &["program", "true"]).end().0, End::Exit(0));
        // What is all around it does not become its own, nor does what is its own become less.
        ring.allowed.read = vec![ring.outside.path().to_owned()];
        can(&ring, &["read", "../secret"]);
        can(&ring, &["write", "own"]);
        cannot(&ring, &["write", "../new"]);
    }
}

fn ports_are_reached() {
    for mut ring in Ring::both() {
        let [one, two, other] = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        ring.allowed.tcp = vec![address(&one).port(), address(&two).port()];
        can(&ring, &["tcp", &address(&one).to_string()]);
        can(&ring, &["tcp", &address(&two).to_string()]);
        cannot(&ring, &["tcp", &address(&other).to_string()]);
        cannot(&ring, &["udp", &address(&one).to_string()]);
        cannot(&ring, &["listen"]);
        cannot(&ring, &["abstract", "x"]);
        let plan = ring.local().plan_talk(&ring.job(&["cat"])).unwrap();
        let mut ports = ring.allowed.tcp.clone();
        ports.sort_unstable();
        let says = format!("connects over TCP to ports {}, {};", ports[0], ports[1]);
        assert!(
            plan.may.iter().any(|line| line.starts_with(&says)),
            "{plan:?}"
        );
    }
}

fn the_network_is_reached() {
    for mut ring in Ring::both() {
        ring.allowed.network = true;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        can(&ring, &["tcp", &listener.local_addr().unwrap().to_string()]);
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        can(
            &ring,
            &["udp", &datagrams.local_addr().unwrap().to_string()],
        );
        can(&ring, &["listen"]);
        // No other programs of this machine, and not its kernel.
        for family in ["1", "16", "17", "40", "31", "38"] {
            cannot(&ring, &["socket", family]);
        }
        let path = ring.directory().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        cannot(&ring, &["unix", "socket"]);
        cannot(&ring, &["datagram-pair"]);
        let plan = ring.local().plan_talk(&ring.job(&["cat"])).unwrap();
        assert!(
            plan.may
                .iter()
                .any(|line| line.starts_with("has the network: "))
        );
    }
}

/// A language that its user installed in a folder of his: it may read what it was installed with, by its name only.
fn a_users_language_is_found() {
    for ring in Ring::both() {
        let prefix = ring.outside.path().join("lang");
        let bin = prefix.join("bin");
        for folder in ["bin", "lib", "shims", "links"] {
            fs::create_dir_all(prefix.join(folder)).unwrap();
        }
        fs::copy("/bin/sh", bin.join("lang-1.0")).unwrap();
        fs::write(prefix.join("lib/library"), "read me").unwrap();
        let script = prefix.join("shims/lang");
        fs::copy("/bin/sh", &script).unwrap();
        fs::write(&script, "#!/bin/sh").unwrap();
        std::os::unix::fs::symlink(bin.join("lang-1.0"), prefix.join("links/lang")).unwrap();
        let job = lasting(&ring, &["lang", "-c", "read x < $0; echo $x", "LIBRARY"]);
        let job = Job {
            argv: job
                .argv
                .iter()
                .map(|word| match word.as_str() {
                    "LIBRARY" => text(&prefix.join("lib/library")).to_owned(),
                    word => word.to_owned(),
                })
                .collect(),
            ..job
        };
        let local = |folders: &[&str]| {
            ring.local()
                .with_path(folders.iter().map(|folder| prefix.join(folder)))
        };
        assert!(ring.local().plan_talk(&job).is_err());
        let error = local(&["shims"]).plan_talk(&job).unwrap_err();
        assert!(
            error.to_string().contains("shims/lang is a script"),
            "{error}"
        );
        let mut line = Line::open(&local(&["shims", "links"]), &job);
        assert_eq!(line.hear(), "read me");
        let real = fs::canonicalize(&prefix).unwrap();
        let says = format!("reads and runs what is in {}", real.display());
        assert!(line.plan.may.contains(&says), "{:?}", line.plan.may);
        assert_eq!(line.end().0, End::Exit(0));
        // A program that was put somewhere has its own file only.
        fs::remove_dir_all(prefix.join("lib")).unwrap();
        let plan = local(&["links"]).plan_talk(&job).unwrap();
        let says = format!("reads and runs what is in {}/bin/lang-1.0", real.display());
        assert!(plan.may.contains(&says), "{:?}", plan.may);
        let job = lasting(&ring, &["lang", "-c", "echo here"]);
        let mut line = Line::open(&local(&["links"]), &job);
        assert_eq!(line.hear(), "here");
        // Who names the file gets nothing by that.
        let job = lasting(&ring, &[text(&prefix.join("bin/lang-1.0"))]);
        assert!(local(&["bin"]).plan_talk(&job).is_err());
    }
}
