//! The parts that come with the medium, on the engine they are run on: all of them are taken, and the bodies
//! of the pods do what their pods say.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use actors::behaviour::Fault;
use actors::sandbox::{Capsule, Givers, Piece, Sandbox, Source};
use adapters::wasm::{Engine, Options, assemble_text};
use bytes::Bytes;
use genesis::channel::Channel;
use genesis::refusal::Code;

const FUEL: u64 = 1_000_000;

fn engine() -> Engine {
    Engine::new(Options {
        small_max: 64,
        large_max: 1,
        ..Options::default()
    })
    .unwrap()
}

/// The modules below `genesis/parts`, with their names; sorted.
fn modules() -> Vec<(String, Bytes)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../genesis/parts")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("wat") => {
                    found.push((name, assemble_text(&std::fs::read(&path).unwrap()).unwrap()));
                }
                Some("wasm") => found.push((name, std::fs::read(&path).unwrap().into())),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// A medium that grants nothing and whose random numbers are not.
struct Nobody;

impl Givers for Nobody {
    fn give(&mut self, channel: Channel, _: &[u8], answer: &mut Vec<u8>) -> Result<(), Fault> {
        if channel == Channel::known("medium/random") {
            answer.extend(7_u64.to_le_bytes());
            return Ok(());
        }
        Err(Fault::new(Code::Denied, format!("denied: {channel}")))
    }
}

/// A body of built-in parts that begin without an argument.
fn body(engine: &Engine, parts: &[&str]) -> Box<dyn Capsule> {
    let modules = modules();
    let mut pieces = Vec::new();
    for (occurrence, part) in (0..).zip(parts) {
        let (_, module) = modules.iter().find(|(name, _)| name == part).unwrap();
        let facts = engine.admit(module).unwrap();
        pieces.push(Piece {
            occurrence,
            digest: facts.digest,
            module: facts.digest,
            argument: Bytes::new(),
            from: Source::Birth,
        });
    }
    engine.assemble(&pieces, FUEL).unwrap()
}

/// What a message is answered, and the fuel it took.
fn send(body: &mut dyn Capsule, channel: &str, contents: &[u8]) -> (Vec<u8>, u64) {
    let mut answer = Vec::new();
    let channel: Channel = channel.parse().unwrap();
    let called = body.call(channel, contents, FUEL, &mut Nobody, &mut answer);
    match called.outcome {
        Ok(_) => (answer, called.fuel),
        Err(fault) => panic!("{channel}: {}", fault.what),
    }
}

fn say(body: &mut dyn Capsule, text: &str) -> String {
    String::from_utf8(send(body, "main", text.as_bytes()).0).unwrap()
}

#[test]
fn every_part_is_taken_and_small() {
    let engine = engine();
    let modules = modules();
    assert!(modules.len() >= 19);
    for (name, module) in modules {
        let facts = engine.admit(&module);
        let facts = facts.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        println!("{name}: {} bytes, {} links", facts.bytes, facts.links.len());
        let large = name.ends_with("-large");
        assert_eq!(facts.large, large, "{name}");
    }
}

#[test]
fn a_robot_moves_and_its_judge_judges() {
    let engine = engine();
    for (limb, verdict) in [
        ("limb-v1", "ok 1\nmoved 3\n"),
        ("limb-boaster", "ok 0 moved -1 where 1 was asked\nmoved 0\n"),
    ] {
        let mut robot = body(&engine, &["robot-brain", "robot-judge", limb]);
        let moved = say(&mut *robot, "move 3");
        assert_eq!(moved, if limb == "limb-v1" { "3" } else { "-3" });
        let said = send(&mut *robot, "judge", b"ok 1\nskill 1000000\n").0;
        assert_eq!(String::from_utf8(said).unwrap(), verdict);
    }
}

#[test]
fn a_cat_learns() {
    let engine = engine();
    let mut cat = body(&engine, &["cat-brain", "cat-judge", "hippocampus-v1"]);
    assert_eq!(say(&mut *cat, "learn fish yes"), "learned fish");
    assert_eq!(say(&mut *cat, "recall fish"), "yes");
    let said = send(&mut *cat, "judge", b"").0;
    assert_eq!(String::from_utf8(said).unwrap(), "ok 1\nretention 4\n");
}

#[test]
fn a_console_plays() {
    let engine = engine();
    let parts = ["chip8-cpu", "chip8-ram", "chip8-io", "chip8-cartridge"];
    let mut console = body(&engine, &parts);
    let (_, loading) = send(&mut *console, "console/frame", &[]);
    let mut most = 0;
    for number in 2..=60_u32 {
        let (picture, fuel) = send(&mut *console, "console/frame", &[0, 0]);
        assert_eq!(picture.len(), 261);
        assert_eq!(picture[257..], number.to_le_bytes());
        most = most.max(fuel);
    }
    println!("a frame: at most {most} fuel, the first {loading}");
    let status = say(&mut *console, "status");
    assert!(status.starts_with("bounce: frame 60, at 0x"), "{status}");
    assert!(status.ends_with(", 5 pixels lit, running"), "{status}");
}
