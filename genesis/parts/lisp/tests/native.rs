//! The interpreter, natively: the table, the collector, saving and loading, agents.

mod common;

use common::{Notes, table};
use lisp::part::{Answer, Channel};
use lisp::{Lisp, Memory};

/// Words of one page less what the module uses itself.
const SMALL: usize = 13_000;
const LARGE: usize = 4 << 20;

fn new(words: usize) -> Lisp {
    Lisp::new(Memory::new(words), words)
}

fn say(lisp: &mut Lisp, channel: Channel, message: &str, notes: &mut Notes) -> Option<String> {
    assert!(lisp.receive(message.as_bytes()), "no room for the message");
    let answer = match lisp.turn(channel, notes) {
        Answer::Nothing => None,
        Answer::Text(text) => Some(String::from_utf8_lossy(lisp.answer_bytes(text)).into_owned()),
        Answer::Failure => Some("FAILED".to_owned()),
    };
    lisp.end_turn();
    answer
}

fn eval(lisp: &mut Lisp, program: &str) -> String {
    say(lisp, Channel::Eval, program, &mut Notes::default()).unwrap()
}

/// Every row of the table, each in an interpreter of its own.
fn check(prepare: impl Fn(&mut Lisp)) {
    let mut wrong = String::new();
    for (program, answer) in table() {
        let mut lisp = new(SMALL);
        prepare(&mut lisp);
        let found = eval(&mut lisp, &program);
        if found != answer {
            wrong += &format!("{program}\n  answers {found}\n  not     {answer}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_table_holds() {
    check(|_| {});
}

#[test]
fn the_table_holds_with_a_collection_at_every_step() {
    check(Lisp::stress);
}
