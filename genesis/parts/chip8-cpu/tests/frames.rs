//! The processor over a table: what it must be able to do, frames, and what it keeps.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chip8_cpu::bus::{Bus, PROGRAM, Quirks, Rom};
use chip8_cpu::console::{Answer, command};
use chip8_cpu::machine::Machine;
use chip8_cpu::selftest::{CASES, Table, run};
use chip8_cpu::state::{Halt, SAVE_BYTES, STACK_MAX, State};

#[test]
fn all_cases_pass() {
    assert_eq!(run(), Ok(u32::try_from(CASES.len()).unwrap()));
}

/// A machine on a table, one instruction for each frame.
fn slow(program: &'static [u16], quirks: Quirks) -> (Machine, Table) {
    let mut table = Table::new(program, quirks);
    table.ticks = 1;
    (Machine::default(), table)
}

#[test]
fn halts_are_kept_and_say_why() {
    let overflow: &[u16] = &[0x2200];
    for (program, frames, halt, at) in [
        (overflow, STACK_MAX + 1, Halt::StackOverflow, PROGRAM),
        (&[0x00ee], 1, Halt::StackUnderflow, PROGRAM),
        (&[0x6001, 0x5001], 2, Halt::UnknownInstruction, PROGRAM + 2),
        (&[0x0123], 1, Halt::UnknownInstruction, PROGRAM),
        (&[0xf0ff], 1, Halt::UnknownInstruction, PROGRAM),
        (&[0x01e0], 1, Halt::UnknownInstruction, PROGRAM),
    ] {
        let (mut machine, mut table) = slow(program, Quirks::VIP);
        for _ in 1..frames {
            machine.frame(0, &mut table);
            assert_eq!(machine.state.halt, None, "{program:x?}");
        }
        for _ in 0..2 {
            machine.frame(0, &mut table);
            assert_eq!((machine.state.halt, machine.state.pc), (Some(halt), at));
        }
    }
}

#[test]
fn a_key_counts_when_it_goes_up_again() {
    let (mut machine, mut table) = slow(&[0xf00a, 0x6101, 0x1204], Quirks::VIP);
    for (keys, pc) in [
        (0, PROGRAM),
        (0b1010_0000, PROGRAM),
        (0b1000_0000, PROGRAM + 2),
        (0b1000_0000, PROGRAM + 4),
    ] {
        machine.frame(keys, &mut table);
        assert_eq!(machine.state.pc, pc, "{keys:b}");
    }
    assert_eq!(machine.state.v[0], 5);
}

#[test]
fn timers_run_while_a_key_is_waited_for() {
    let (mut machine, mut table) = slow(&[0x6003, 0xf015, 0xf018, 0xf10a], Quirks::VIP);
    for _ in 0..5 {
        machine.frame(0, &mut table);
    }
    assert_eq!((table.pad.delay, table.pad.sound), (0, 1));
}

#[test]
fn a_frame_ends_with_a_sprite_where_the_cartridge_says_so() {
    for (quirks, x) in [(Quirks::VIP, 0), (Quirks(Quirks::CLIP), 1)] {
        let mut table = Table::new(&[0xd125, 0x6001, 0x1204], quirks);
        table.ticks = 10;
        let mut machine = Machine::default();
        machine.frame(0, &mut table);
        assert_eq!(machine.state.v[0], x);
        assert_eq!(table.drawn, (0, 0, true, 5));
    }
}

#[test]
fn keys_skip() {
    for (keys, v1, v2) in [(0b1000, 0, 1), (0, 1, 0), (0b0111, 1, 0)] {
        let program = &[0x6013, 0xe09e, 0x6101, 0xe0a1, 0x6201, 0x120a];
        let mut table = Table::new(program, Quirks::VIP);
        let mut machine = Machine::default();
        machine.frame(keys, &mut table);
        assert_eq!(
            (machine.state.v[1], machine.state.v[2]),
            (v1, v2),
            "{keys:b}"
        );
    }
}

#[test]
fn memory_is_asked_for_once_a_line_and_frame() {
    let mut table = Table::new(&[0x6001, 0x6002, 0xa240, 0xf165, 0x1208], Quirks::VIP);
    let mut machine = Machine::default();
    machine.frame(0, &mut table);
    assert_eq!(table.reads, 0, "what was just loaded is known");
    machine.state.pc = PROGRAM;
    machine.frame(0, &mut table);
    assert_eq!(table.reads, 2);
    // Who writes between two frames is heard.
    table.memory[0x201] = 7;
    machine.state.pc = PROGRAM;
    table.ticks = 1;
    machine.frame(0, &mut table);
    assert_eq!(machine.state.v[0], 7);
}

#[test]
fn another_program_begins_and_other_flags_do_not() {
    let mut table = Table::new(&[0x6005, 0x1202], Quirks::VIP);
    let mut machine = Machine::default();
    machine.frame(0, &mut table);
    machine.state.v[3] = 9;
    table.quirks = Quirks(0);
    machine.frame(0, &mut table);
    assert_eq!((machine.state.v[0], machine.state.v[3]), (5, 9));
    table.program = &[0x6006, 0x1202];
    machine.frame(0, &mut table);
    assert_eq!((machine.state.v[0], machine.state.v[3]), (6, 0));
}

#[test]
fn a_state_is_what_was_saved() {
    let state = State {
        v: core::array::from_fn(|at| u8::try_from(at * 3).unwrap()),
        i: 0xabcd,
        pc: 0x345,
        stack: core::array::from_fn(|at| u16::try_from(at * 500).unwrap()),
        depth: 16,
        halt: Some(Halt::StackUnderflow),
        held: Some(15),
        loaded: Some(Rom {
            digest: 0x0123_4567_89ab_cdef,
            bytes: 3584,
        }),
    };
    for state in [state, State::NEW] {
        let save = state.save();
        assert_eq!(State::load(&save), Some(state));
        assert_eq!(State::load(&save[1..]), None);
        for (at, bad) in [(0, 2), (21, 17), (54, 4), (55, 16), (56, 2)] {
            let mut save = save;
            save[at] = bad;
            assert_eq!(State::load(&save), None, "byte {at}");
        }
    }
    assert_eq!(State::NEW.save().len(), SAVE_BYTES);
}

fn say(message: &str, machine: &mut Machine, table: &mut Table) -> String {
    let mut answer = Answer::new();
    command(message.as_bytes(), machine, table, &mut answer);
    String::from_utf8(answer.as_bytes().to_vec()).unwrap()
}

#[test]
fn commands_answer() {
    let (mut machine, mut table) = slow(&[0x6001, 0xf015, 0x1204], Quirks::VIP);
    let mut check = |message: &str, expected: &str| {
        assert_eq!(
            say(message, &mut machine, &mut table),
            expected,
            "{message}"
        );
    };
    let usage =
        "error: say `reset`, `frames N [KEYS]`, `screen`, `status` or `peek ADDRESS [LENGTH]`";
    check(
        "status",
        "(no title): frame 0, at 0x000, 0 pixels lit, not started",
    );
    check(
        " frames  2 0x10\n",
        "(no title): frame 0, at 0x204, 0 pixels lit, running",
    );
    check("peek 0x200 4", "6001f015");
    check(
        "reset",
        "(no title): frame 0, at 0x200, 0 pixels lit, running",
    );
    for wrong in [
        "",
        "frames",
        "frames 1001",
        "frames x",
        "frames 1 65536",
        "peek 4096",
        "reset 1",
    ] {
        check(wrong, usage);
    }
    let screen = say("screen", &mut machine, &mut table);
    assert_eq!(screen, format!("{}\n", ".".repeat(64)).repeat(32));
    assert_eq!(table.look()[..256], [0; 256]);
}
