//! Modules compiled in a child process, and code that is kept.
//!
//! This test is its own child: called with one argument it is the compiler. So it has no harness.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, which clippy does not see without a harness"
)]

mod wasm_harness;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::sandbox::Sandbox;
use adapters::rows::{Row, RowCode, RowOptions, RowTick};
use adapters::wasm::{CacheFolder, Compiler, Engine, Options, compile_child};
use fs_err as fs;
use genesis::id::Digest;
use genesis::refusal::Code;
use wasm_harness::{FUEL, admit, ask, body, counter, echo, main as part_main, piece, wasm};

/// What the child is called with.
const AS_CHILD: &str = "compile-as-a-child";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(AS_CHILD) {
        return compile_child();
    }
    a_child_compiles_for_both_engines();
    a_child_that_cannot_compile_is_a_refusal();
    what_the_compiler_refuses_is_told();
    kept_code_is_used_and_damaged_code_is_made_again();
    the_folder_is_closed_to_others();
    rows_are_compiled_and_kept_like_parts();
    println!("test result: ok. 6 passed");
    ExitCode::SUCCESS
}

fn child() -> Compiler {
    Compiler::Child {
        program: std::env::current_exe().expect("a test has a path"),
        args: vec![OsString::from(AS_CHILD)],
    }
}

/// No compiler at all: whatever is compiled anyway was kept.
fn nobody() -> Compiler {
    Compiler::Child {
        program: PathBuf::from("/nonexistent/compiler"),
        args: Vec::new(),
    }
}

fn engine(compiler: Compiler, folder: Option<&Path>) -> Engine {
    let cache = folder.map(|folder| CacheFolder {
        folder: folder.to_owned(),
        secret: [7; 32],
    });
    Engine::new(Options {
        compiler,
        cache,
        small_max: 8,
        large_max: 8,
        ..Options::default()
    })
    .expect("an engine starts")
}

fn a_child_compiles_for_both_engines() {
    let engine = engine(child(), None);
    let large = echo("main").replacen("\"memory\") 1 1)", "\"memory\") 2)", 1);
    let mut small = body(&engine, &[&echo("main")]);
    let mut both = body(&engine, &[&large, &echo("main"), &counter(1)]);
    assert!(!small.is_large() && both.is_large());
    for capsule in [&mut small, &mut both] {
        assert_eq!(ask(&mut **capsule, "main", b"x"), Ok(Some(b"x".to_vec())));
    }
}

fn rows_are_compiled_and_kept_like_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = |compiler| RowOptions {
        compiler,
        cache: Some(CacheFolder {
            folder: folder.path().join("code"),
            secret: [7; 32],
        }),
        ..RowOptions::of_rows(Row::Bytes(4))
    };
    let module = wasm("(module (func (export \"turn\") (param i32) (result i32) (i32.const 7)))");
    let refused = RowCode::load(&module, &options(nobody())).unwrap_err();
    assert!(refused.to_string().contains("does not start"), "{refused}");
    // Compiled by the child, then kept, so that nobody needs to compile it.
    for compiler in [child(), nobody()] {
        let code = RowCode::load(&module, &options(compiler)).expect("it is compiled or kept");
        let (ids, keys) = (&[1], &[0]);
        let now = RowTick {
            ids,
            keys,
            ..RowTick::default()
        };
        let mut rows = [0; 4];
        code.runner().unwrap().turns(&now, &mut rows).unwrap();
        assert_eq!(rows, [7, 0, 0, 0]);
    }
}

fn a_child_that_cannot_compile_is_a_refusal() {
    let refusal = engine(nobody(), None)
        .admit(&wasm(&echo("main")))
        .unwrap_err();
    assert_eq!(refusal.code, Code::Io, "{refusal}");
    let not_a_compiler = Compiler::Child {
        program: PathBuf::from("/bin/true"),
        args: Vec::new(),
    };
    let refusal = engine(not_a_compiler, None)
        .admit(&wasm(&echo("main")))
        .unwrap_err();
    assert_eq!(refusal.code, Code::TooLarge, "{refusal}");
}

fn what_the_compiler_refuses_is_told() {
    // The reader is content, so only the trial of its first instance says what is wrong.
    let engine = engine(child(), None);
    let text = part_main("", "(i64.const 0)").replacen("(i32.const 1))", "(unreachable))", 1);
    let refusal = engine.admit(&wasm(&text)).unwrap_err();
    assert_eq!(refusal.code, Code::Malformed);
    assert!(engine.facts(wasm_harness::digest(&text)).is_none());
}

fn code_files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("the folder is there");
    files.map(|file| file.expect("a file").path()).collect()
}

fn kept_code_is_used_and_damaged_code_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("code");
    let text = echo("main");
    admit(&engine(child(), Some(&folder)), &text);
    let files = code_files(&folder);
    assert_eq!(files.len(), 1, "{files:?}");
    let good = fs::read(&files[0]).unwrap();

    // Without a compiler the kept code is all there is.
    let kept = engine(nobody(), Some(&folder));
    let facts = admit(&kept, &text);
    let mut capsule = kept.assemble(&[piece(0, &facts)], FUEL).unwrap();
    assert_eq!(ask(&mut *capsule, "main", b"x"), Ok(Some(b"x".to_vec())));

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut foreign = good[32..].to_vec();
    foreign.splice(..0, Digest::of(&good[32..]).0); // as anybody could make it
    for damaged in [
        &flipped[..],
        &good[..good.len() - 1],
        &good[..10],
        b"",
        &foreign,
    ] {
        fs::write(&files[0], damaged).unwrap();
        let refusal = engine(nobody(), Some(&folder))
            .admit(&wasm(&text))
            .unwrap_err();
        assert_eq!(refusal.code, Code::Io, "it is not loaded");
        admit(&engine(child(), Some(&folder)), &text);
        assert_eq!(code_files(&folder), files, "nothing is left beside it");
        assert_eq!(
            fs::read(&files[0]).unwrap().len(),
            good.len(),
            "it is made again"
        );
    }
    // Another secret, another module under its name.
    let other = Engine::new(Options {
        compiler: nobody(),
        cache: Some(CacheFolder {
            folder: folder.clone(),
            secret: [8; 32],
        }),
        small_max: 8,
        large_max: 8,
        ..Options::default()
    });
    assert!(other.unwrap().admit(&wasm(&text)).is_err());
}

fn the_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    admit(&engine(child(), Some(folder.path())), &echo("main"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(mode(&code_files(folder.path())[0]), 0o600);
}
