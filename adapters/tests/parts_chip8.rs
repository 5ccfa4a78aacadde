//! The four parts of a CHIP-8 as one body: the project's own program, and the programs of other people where
//! they are at hand (`../shared/specs/chip8` beside the repository; without them those tests say so).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stdout,
    reason = "what is skipped, and what a frame takes, is said"
)]

mod parts_harness;

use std::path::PathBuf;

use parts_harness::{Body, admit, bytes};

const CLIP: u8 = 4;
const VIP: u8 = 0x34;

/// A cartridge that says itself how it is to be run.
fn cartridge(flags: u8, ticks: u16, title: &str, program: &[u8]) -> Vec<u8> {
    let mut bytes = b"C8\x01".to_vec();
    bytes.push(flags);
    bytes.extend(ticks.to_le_bytes());
    bytes.push(u8::try_from(title.len()).unwrap());
    bytes.extend(title.as_bytes());
    bytes.extend(program);
    bytes
}

fn console(cartridge: &[u8]) -> Body {
    Body::new(&[])
        .with("chip8-cpu/chip8-cpu", b"")
        .with("chip8/chip8-ram", b"")
        .with("chip8/chip8-io", b"")
        .with("chip8/chip8-cartridge", cartridge)
}

/// One frame: the pixels as 32 lines, whether it sounds, its number.
fn frame(body: &mut Body, keys: u16) -> (String, bool, u32) {
    let picture = body.send("console/frame", &keys.to_le_bytes()).unwrap();
    read(&picture.unwrap())
}

fn read(picture: &[u8]) -> (String, bool, u32) {
    assert_eq!(picture.len(), 261);
    let mut lines = String::new();
    for row in picture[..256].chunks(8) {
        for byte in row {
            let bits = format!("{byte:08b}");
            lines.push_str(&bits.replace('0', ".").replace('1', "#"));
        }
        lines.push('\n');
    }
    let number = u32::from_le_bytes(picture[257..].try_into().unwrap());
    (lines, picture[256] == 1, number)
}

/// Where other people's programs are, or nothing, said aloud.
fn programs() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs/chip8");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no programs at {}", folder.display());
    None
}

#[test]
fn the_processor_is_a_part_of_the_small_engine_and_needs_what_the_others_give() {
    let links = admit(&bytes("chip8-cpu/chip8-cpu")).unwrap();
    let list = |names: &std::collections::BTreeSet<String>| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        names.join(" ")
    };
    assert_eq!(list(&links.gives), "console/frame main");
    assert_eq!(
        list(&links.needs),
        "cart/quirks cart/rom io/draw io/frame medium/random mem/read mem/write"
    );
}

#[test]
fn all_four_test_themselves() {
    let mut body = console(b"");
    for (role, argument, scores) in [
        ("chip8-cpu", &b""[..], "ok 1\ncases 33\n"),
        ("chip8-cpu", b"x", "ok 0 a processor takes no argument\n"),
        ("chip8-ram", b"", "ok 1\nbytes 4096\n"),
        (
            "chip8-ram",
            &[0; 4097],
            "ok 0 an image of the memory has at most 4096 bytes\n",
        ),
        ("chip8-io", b"", "ok 1\npixels 2048\n"),
        ("chip8-io", b"x", "ok 0 screen and pad take no argument\n"),
        ("chip8-cartridge", b"", "ok 1\nrom 79\nticks 30\n"),
        ("chip8-cartridge", b"\x12\x00", "ok 1\nrom 2\nticks 15\n"),
    ] {
        assert_eq!(body.test(role, argument).unwrap(), scores, "{role}");
        println!("{role}: {} fuel for a test", body.fuel);
    }
}

#[test]
fn a_cartridge_that_is_none_is_refused() {
    let program = [0x12, 0];
    let mut longest = cartridge(VIP, 4096, &"t".repeat(255), &[0; 3584]);
    let mut cases = vec![
        (longest.clone(), "ok 1\nrom 3584\nticks 4096\n"),
        (vec![0; 3585], "ok 0 a program has 1 to 3584 bytes\n"),
        (
            cartridge(0, 15, "title", b""),
            "ok 0 a program has 1 to 3584 bytes\n",
        ),
        (
            b"C8\x01\x00\x0f\x00\xffshort".to_vec(),
            "ok 0 a program has 1 to 3584 bytes\n",
        ),
        (
            cartridge(64, 15, "", &program),
            "ok 0 a flag is set that has no meaning\n",
        ),
        (
            cartridge(0, 0, "", &program),
            "ok 0 a frame has 1 to 4096 instructions\n",
        ),
        (
            cartridge(0, 4097, "", &program),
            "ok 0 a frame has 1 to 4096 instructions\n",
        ),
    ];
    longest.push(0);
    cases.push((longest, "ok 0 a program has 1 to 3584 bytes\n"));
    let mut newer = cartridge(0, 15, "", &program);
    newer[2] = 2;
    cases.push((newer, "ok 0 only version 1 of the format can be read\n"));
    let mut body = console(b"");
    for (bytes_of_it, scores) in cases {
        assert_eq!(body.test("chip8-cartridge", &bytes_of_it).unwrap(), scores);
        let part = bytes("chip8/chip8-cartridge");
        let born = Body::new(&[]).born("cartridge", &part, &bytes_of_it);
        assert_eq!(born.is_ok(), scores.starts_with("ok 1"), "{scores}");
    }
}

/// Where the ball of the project's own program is after so many frames, told by its rules and not by its code.
fn ball(frames: u32) -> (i32, i32, bool) {
    let (mut x, mut y, mut dx, mut dy) = (20, 8, 1, 1);
    let mut sounds = 0;
    for frame in 0..frames {
        sounds -= 1;
        // The first frame draws the ball and waits.
        if frame == 0 {
            continue;
        }
        x += dx;
        y += dy;
        if x == 0 || x == 61 {
            dx = -dx;
            sounds = 2;
        }
        if y == 0 || y == 29 {
            dy = -dy;
            sounds = 2;
        }
    }
    (x, y, sounds > 0)
}

fn screen_with_a_ball(x: i32, y: i32) -> String {
    let mut lines = String::new();
    for row in 0..32 {
        for column in 0..64 {
            // A plus sign of five pixels.
            let is_lit = (row - y - 1).abs() + (column - x - 1).abs() <= 1;
            lines.push(if is_lit { '#' } else { '.' });
        }
        lines.push('\n');
    }
    lines
}

#[test]
fn the_projects_own_ball_bounces() {
    let mut body = console(b"");
    let mut fuel_max = 0;
    for number in 1..=400 {
        let (screen, sounds, seen) = frame(&mut body, 0);
        let (x, y, expected) = ball(number);
        assert_eq!(
            (screen, sounds),
            (screen_with_a_ball(x, y), expected),
            "{number}"
        );
        assert_eq!(seen, number);
        fuel_max = fuel_max.max(body.fuel);
    }
    println!("bounce: at most {fuel_max} fuel a frame");
    let peek = body.send("console/peek", b"").unwrap().unwrap();
    assert_eq!(read(&peek).2, 400);
    assert_eq!(
        body.say("status"),
        "bounce: frame 400, at 0x218, 5 pixels lit, running"
    );
}

/// Both what the rules say and the screen itself, so that a change of it is seen as one.
#[test]
fn a_key_leaves_a_trail() {
    let mut body = console(b"");
    body.say("frames 12");
    body.say("frames 12 0x20");
    let screen = body.say("screen");
    let mut expected = vec![false; 65 * 32];
    for number in 12..=24 {
        let (x, y, _) = ball(number);
        let screen = screen_with_a_ball(x, y);
        for (pixel, c) in expected.iter_mut().zip(screen.chars()) {
            *pixel ^= c == '#';
        }
    }
    for (at, (pixel, c)) in expected.iter().zip(screen.chars()).enumerate() {
        assert_eq!(*pixel, c == '#', "row {}, column {}", at / 65, at % 65);
    }
    let lines: Vec<_> = screen.lines().skip(18).map(|line| &line[28..48]).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    ....................
    ....#...............
    ...##...............
    .....#..............
    ......#.............
    .......#............
    ........#...........
    .........#..........
    ..........#.........
    ...........#....#...
    ............#...##..
    .............###....
    ..............#.....
    ..............#.....
    ");
}

#[test]
fn without_its_memory_a_console_says_so_and_goes_on_when_it_is_back() {
    let mut body = console(b"");
    for _ in 0..50 {
        frame(&mut body, 0);
    }
    for (role, need) in [
        ("chip8-ram", "mem/read"),
        ("chip8-io", "io/frame"),
        ("chip8-cartridge", "cart/quirks"),
    ] {
        body.strip(role);
        let fault = body.send("console/frame", b"").unwrap_err();
        assert_eq!(fault, format!("unmet need {need}"));
        body.put_back(role);
    }
    let (x, y, _) = ball(51);
    let (screen, _, number) = frame(&mut body, 0);
    assert_eq!((screen, number), (screen_with_a_ball(x, y), 51));
}

#[test]
fn another_cartridge_begins_and_the_same_one_with_other_flags_goes_on() {
    // A dot lower and lower: one a frame where frames end with a sprite, else two.
    let program = [0xa2, 0x08, 0xd0, 0x11, 0x71, 0x01, 0x12, 0x02, 0x80];
    let mut body = console(b"");
    body.say("frames 9");
    for (flags, lit) in [(VIP, [1, 2, 3]), (CLIP, [5, 7, 9])] {
        let argument = cartridge(flags, 6, "dots", &program);
        body.strip("chip8-cartridge");
        let part = bytes("chip8/chip8-cartridge");
        body.born("chip8-cartridge", &part, &argument).unwrap();
        for lit in lit {
            assert_eq!(frame(&mut body, 0).0.matches('#').count(), lit, "{flags}");
        }
    }
    let status = body.say("status");
    assert_eq!(status, "dots: frame 6, at 0x204, 9 pixels lit, running");
}

#[test]
fn what_all_four_save_makes_the_same_console() {
    let mut body = console(b"");
    body.say("frames 100");
    let mut other = console(b"\x12\x00");
    for role in ["chip8-cpu", "chip8-ram", "chip8-io", "chip8-cartridge"] {
        let saved = body.save(role);
        assert_eq!(other.load(role, &saved), 0, "{role}");
        assert_eq!(other.save(role), saved, "{role}");
        assert_ne!(other.load(role, &saved[1..]), 0, "{role}");
    }
    for _ in 0..100 {
        assert_eq!(frame(&mut body, 0), frame(&mut other, 0));
    }
}

#[test]
fn corax89s_opcode_test_passes_bit_for_bit() {
    let Some(folder) = programs() else { return };
    let program = std::fs::read(folder.join("corax89/test_opcode.ch8")).unwrap();
    let expected = std::fs::read_to_string(folder.join("corax89/expected-screen.txt")).unwrap();
    // 2,000 instructions.
    let mut body = console(&cartridge(CLIP, 20, "corax89", &program));
    let status = body.say("frames 100");
    assert!(status.ends_with("running"), "{status}");
    assert_eq!(body.say("screen").trim_end(), expected.trim_end());
}

/// How a program of the archive wants to be run: missing and `0` are false, numbers may be texts.
fn cartridge_of(name: &str, entry: &serde_json::Value, program: &[u8]) -> Vec<u8> {
    let options = &entry["options"];
    let is_on = |name: &str| {
        let value = &options[name];
        value.as_bool() == Some(true) || value.as_u64() == Some(1)
    };
    let mut flags = 0;
    for (bit, name) in [
        "shiftQuirks",
        "loadStoreQuirks",
        "clipQuirks",
        "jumpQuirks",
        "vBlankQuirks",
        "logicQuirks",
    ]
    .into_iter()
    .enumerate()
    {
        flags |= u8::from(is_on(name)) << bit;
    }
    let ticks = &options["tickrate"];
    let ticks = ticks
        .as_u64()
        .unwrap_or_else(|| ticks.as_str().unwrap().parse().unwrap());
    cartridge(flags, u16::try_from(ticks).unwrap(), name, program)
}

#[test]
fn the_programs_of_the_archive_run_for_ten_seconds() {
    let Some(folder) = programs() else { return };
    let list = std::fs::read_to_string(folder.join("programs.json")).unwrap();
    let list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(list.len(), 22);
    for (name, entry) in list {
        let program = std::fs::read(folder.join(format!("roms/{name}.ch8"))).unwrap();
        let mut body = console(&cartridge_of(&name, &entry, &program));
        let (mut fuel, mut fuel_max, mut calls, mut lit_max) = (0, 0, 0, 0);
        for number in 0..600_u32 {
            // A finger that presses a key for a third of a second, then the next one.
            let keys = match number % 40 {
                0..20 => 1 << (number / 40 % 16),
                _ => 0,
            };
            let (screen, _, _) = frame(&mut body, keys);
            fuel += body.fuel;
            fuel_max = fuel_max.max(body.fuel);
            calls = calls.max(body.calls);
            lit_max = lit_max.max(screen.matches('#').count());
        }
        let status = body.say("status");
        println!(
            "{status}; {} fuel a frame, at most {fuel_max}; at most {calls} calls",
            fuel / 600
        );
        assert!(status.ends_with("running"), "{status}");
        assert!(lit_max > 0, "{name} shows nothing");
        assert!(fuel_max < 300_000, "{name} takes {fuel_max} fuel");
    }
}
