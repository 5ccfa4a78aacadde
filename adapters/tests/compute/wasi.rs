//! Modules that are programs.

use std::time::Duration;

use adapters::compute::{Cage, Compute as _, ComputeError, End};
use fs_err as fs;

use crate::ring::{self, Kept, Ran, Ring, Test, local, text};

pub(crate) const TESTS: &[Test] = &[
    ("a_module_prints_and_exits", a_module_prints_and_exits),
    ("a_module_is_given_words", a_module_is_given_words),
    ("a_module_has_its_directory", a_module_has_its_directory),
    (
        "a_module_reaches_nothing_else",
        a_module_reaches_nothing_else,
    ),
    ("a_module_ends", a_module_ends),
    ("a_module_has_bounds", a_module_has_bounds),
    ("what_is_no_module_is_refused", what_is_no_module_is_refused),
];

// Errors as WASI numbers them.
const EBADF: i32 = 8;
const ELOOP: i32 = 32;
const ENOENT: i32 = 44;
const EPERM: i32 = 63;
const ENOTCAPABLE: i32 = 76;

const IMPORTS: &str = r#"
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "path_open"
  (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
(import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
(memory (export "memory") 1)
(func $print (param $fd i32) (param $at i32) (param $len i32)
  (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
  (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
"#;

/// Puts a module that says everything twice that it is told.
pub(crate) fn twice(ring: &Ring) {
    let once = "(call $print (i32.const 1) (i32.const 2048) (i32.load (i32.const 24)))";
    let code = format!(
        "(i32.store (i32.const 16) (i32.const 2048)) (i32.store (i32.const 20) (i32.const 4096))
        (block $end (loop $more
          (drop (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))
          (br_if $end (i32.eqz (i32.load (i32.const 24))))
          {once} {once} (br $more)))
        (call $proc_exit (i32.const 7))"
    );
    module(ring, "", &code);
}

/// Puts a module into the job's directory whose `_start` is this code, with `text` at 1,024 of its memory.
fn module(ring: &Ring, text: &str, code: &str) {
    let data = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    let source = format!(
        "(module {IMPORTS} (data (i32.const 1024) \"{data}\") (func (export \"_start\") {code}))"
    );
    fs::write(
        ring.directory().join("job.wasm"),
        wat::parse_str(source).unwrap(),
    )
    .unwrap();
}

fn run(text: &str, code: &str) -> Ran {
    let ring = Ring::new();
    module(&ring, text, code);
    ring.run(&["job.wasm", "one", "two three"])
}

/// Opens a path for reading (or, with rights, for writing), and exits with the error's number; 0: it could.
fn opens(ring: &Ring, path: &str, create: bool) -> i32 {
    let (flags, rights) = if create { (1, 64) } else { (0, 2) };
    let len = path.len();
    let mut found = None;
    // Both of the directories it is given.
    for fd in [3, 4] {
        let code = format!(
            "(call $proc_exit (call $path_open (i32.const {fd}) (i32.const 1) (i32.const 1024) (i32.const {len}) \
             (i32.const {flags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 16)))"
        );
        module(ring, path, &code);
        let ran = ring.run(&["./job.wasm"]);
        let End::Exit(errno) = ran.done.end else {
            panic!("{:?}", ran.done.end)
        };
        assert!(
            found.is_none_or(|found| found == errno),
            "both are the same directory"
        );
        found = Some(errno);
    }
    found.unwrap()
}

fn a_module_prints_and_exits() {
    let print = |fd| format!("(call $print (i32.const {fd}) (i32.const 1024) (i32.const 6))");
    let ran = run("hello\n", &format!("{} {}", print(1), print(2)));
    assert_eq!(
        (ran.done.end, ran.done.plan.cage),
        (End::Exit(0), Cage::Wasi)
    );
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("hello\n", "hello\n")
    );
    let fuel = ran.done.fuel.expect("fuel is counted");
    assert!((1..100_000).contains(&fuel), "{fuel}");
    for code in [0, 1, 42, 125] {
        assert_eq!(
            run("", &format!("(call $proc_exit (i32.const {code}))"))
                .done
                .end,
            End::Exit(code)
        );
    }
    let input = "(i32.store (i32.const 0) (i32.const 2048)) (i32.store (i32.const 4) (i32.const 8))
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $proc_exit (i32.load (i32.const 8)))";
    assert_eq!(
        run("", input).done.end,
        End::Exit(0),
        "standard input is empty"
    );
}

fn a_module_is_given_words() {
    for (call, words) in [
        ("args", "job.wasm\0one\0two three\0"),
        ("environ", "GIVEN=this\0"),
    ] {
        let code = format!(
            "(drop (call ${call}_sizes_get (i32.const 16) (i32.const 20)))
             (drop (call ${call}_get (i32.const 64) (i32.const 2048)))
             (call $print (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))"
        );
        assert_eq!(run("", &code).stdout, words);
    }
}

fn a_module_has_its_directory() {
    let ring = Ring::new();
    fs::write(ring.directory().join("a"), "a").unwrap();
    assert_eq!(opens(&ring, "a", false), 0);
    assert_eq!(opens(&ring, "new", true), 0);
    assert!(ring.directory().join("new").exists());
    assert_eq!(opens(&ring, "none", false), ENOENT);
}

fn a_module_reaches_nothing_else() {
    let ring = Ring::new();
    std::os::unix::fs::symlink("../secret", ring.directory().join("out")).unwrap();
    std::os::unix::fs::symlink(ring.outside.path(), ring.directory().join("up")).unwrap();
    let secret = ring.secret();
    for path in [
        "../secret",
        "out",
        "up/secret",
        "up",
        "/etc/passwd",
        text(&secret),
        "job/../../secret",
    ] {
        for create in [false, true] {
            let errno = opens(&ring, path, create);
            assert!(
                [EPERM, ENOENT, ENOTCAPABLE, ELOOP].contains(&errno),
                "{path}: {errno}"
            );
        }
    }
    assert_eq!(fs::read_to_string(ring.secret()).unwrap(), "secret");
    // There is no third directory.
    let code = "(call $proc_exit (call $path_open (i32.const 5) (i32.const 1) (i32.const 1024) (i32.const 1)
        (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))";
    assert_eq!(run("a", code).done.end, End::Exit(EBADF));
}

fn a_module_ends() {
    let mut ring = Ring::new();
    ring.limits.wall = Duration::from_millis(500);
    module(&ring, "", "(loop $on (br $on))");
    assert_eq!(
        ring.run(&["job.wasm"]).done.end,
        End::Limit("0.5 s".to_owned())
    );
    // Asleep for as long as there are nanoseconds.
    let sleep =
        "(i32.store8 (i32.const 2056) (i32.const 0)) (i32.store (i32.const 2064) (i32.const 1))
        (i64.store (i32.const 2072) (i64.const -1))
        (drop (call $poll_oneoff (i32.const 2048) (i32.const 4096) (i32.const 1) (i32.const 8)))";
    module(&ring, "", sleep);
    assert_eq!(
        ring.run(&["job.wasm"]).done.end,
        End::Limit("0.5 s".to_owned())
    );
    ring.limits.wall = Duration::from_mins(1);
    ring.limits.cpu_s = 1;
    module(&ring, "", "(loop $on (br $on))");
    assert_eq!(
        ring.run(&["job.wasm"]).done.end,
        End::Limit("1 s of CPU time".to_owned())
    );
    let End::Trap(why) = run("", "unreachable").done.end else {
        panic!("no trap")
    };
    assert!(why.contains("unreachable"), "{why}");
    let End::Trap(why) = run("", "(drop (i32.load (i32.const 100000)))").done.end else {
        panic!("no trap")
    };
    assert!(why.contains("out of bounds"), "{why}");
}

fn a_module_has_bounds() {
    let grow = "(loop $on (drop (memory.grow (i32.const 16))) (br $on))";
    assert_eq!(
        run("", grow).done.end,
        End::Limit("268435456 bytes of memory".to_owned())
    );
    let flood = "(loop $on (call $print (i32.const 1) (i32.const 0) (i32.const 65536)) (br $on))";
    let ring = Ring::new();
    module(&ring, "", flood);
    let kept = Kept::default();
    let done = ring::run(&ring.job(&["job.wasm"]), &kept).unwrap();
    assert_eq!(done.end, End::Limit("67108864 bytes of output".to_owned()));
    let fill = "(drop (call $path_open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.const 3) (i32.const 1)
          (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))
        (loop $on (call $print (i32.load (i32.const 16)) (i32.const 0) (i32.const 65536)) (br $on))";
    assert_eq!(
        run("big", fill).done.end,
        End::Limit("a file of more than 1048576 bytes".to_owned())
    );
}

fn what_is_no_module_is_refused() {
    let ring = Ring::new();
    let write = |bytes: &[u8]| fs::write(ring.directory().join("job.wasm"), bytes).unwrap();
    let plan = |word: &str| local().plan(&ring.job(&[word])).unwrap_err();
    let error = plan("none.wasm");
    assert!(matches!(error, ComputeError::NoProgram { .. }), "{error}");
    write(b"#!/bin/sh");
    assert!(
        plan("job.wasm")
            .to_string()
            .contains("it does not begin with \\0asm")
    );
    write(b"\0asm\x0d\0\x01\0");
    assert!(plan("job.wasm").to_string().contains("it is a component"));
    // Outside, by name and by link.
    fs::write(ring.outside.path().join("x.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::os::unix::fs::symlink("../x.wasm", ring.directory().join("link.wasm")).unwrap();
    for word in ["../x.wasm", "link.wasm"] {
        assert!(
            plan(word).to_string().contains("it is outside of"),
            "{word}"
        );
    }
    // What only the compiler sees.
    let run = || ring::run(&ring.job(&["job.wasm"]), &Kept::default()).unwrap_err();
    for bytes in [
        &b"\0asm\x01\0\0\0\xff"[..],
        &wat::parse_str("(module)").unwrap(),
        &wat::parse_str("(module (import \"env\" \"f\" (func)) (func (export \"_start\")))")
            .unwrap(),
    ] {
        write(bytes);
        let error = run();
        assert!(matches!(error, ComputeError::Module { .. }), "{error}");
    }
}
