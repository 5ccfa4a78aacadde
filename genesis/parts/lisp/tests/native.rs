//! The interpreter, natively: the table, the collector, saving and loading, agents.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test may end with a panic"
)]

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
        Answer::Failure(_) => Some("FAILED".to_owned()),
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
            wrong = format!("{wrong}{program}\n  answers {found}\n  not     {answer}\n");
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

#[test]
fn deep_recursion_ends_well() {
    let program = "(define (deep n) (if (= n 0) 0 (+ 1 (deep (- n 1))))) (deep 100000)";
    assert_eq!(eval(&mut new(LARGE), program), "100000");
    let mut small = new(SMALL);
    let answer = eval(&mut small, program);
    assert!(
        answer.starts_with("error: out of memory: ") && answer.ends_with(" cells"),
        "{answer}"
    );
    assert_eq!(eval(&mut small, "(deep 10)"), "10");
    let nested = "(".repeat(60_000) + &")".repeat(60_000);
    let answer = eval(&mut new(LARGE), &format!("'{nested}"));
    assert_eq!(answer, nested);
    let answer = eval(
        &mut small,
        &format!("'{}{}", "(".repeat(9000), ")".repeat(9000)),
    );
    assert!(answer.starts_with("error: out of memory"), "{answer}");
    assert_eq!(eval(&mut small, "(deep 10)"), "10");
}

#[test]
fn a_message_that_does_not_fit_is_refused() {
    let mut lisp = new(SMALL);
    assert!(!lisp.receive(&vec![b' '; 60_000]));
    assert_eq!(eval(&mut lisp, "(+ 1 2)"), "3");
}

#[test]
fn garbage_does_not_grow_the_slab() {
    let mut lisp = new(SMALL);
    eval(
        &mut lisp,
        "(define (loop n) (if (> n 0) (begin (list n n n) (loop (- n 1)))))",
    );
    eval(&mut lisp, "(loop 20000)");
    assert!(lisp.collections() > 50);
    assert!(lisp.touched_words() <= 4 * 1024, "{}", lisp.touched_words());
    // Symbols without a value are garbage too.
    for n in 0..2000 {
        eval(&mut lisp, &format!("'symbol-{n}"));
    }
    assert!(lisp.touched_words() <= 4 * 1024, "{}", lisp.touched_words());
}

#[test]
fn state_is_saved_with_its_cycles_and_loaded_elsewhere() {
    let mut lisp = new(SMALL);
    eval(
        &mut lisp,
        "(define c (list 1 2)) (set-cdr! (cdr c) c) (define v (vector c 'sym \"text\" #\\a 99999999999))
         (define (next) (set! c (cdr c)) (car c)) (define (car2 x) (car x))
         (define old list) (define (list . x) (cons 'mine x)) (define k (call/cc (lambda (k) k)))",
    );
    for words in [SMALL, LARGE] {
        let len = lisp.save();
        let state = lisp.saved_bytes(len).to_vec();
        let mut other = new(words);
        assert!(other.receive(&state) && other.load());
        other.end_turn();
        assert_eq!(eval(&mut other, "(next) (next)"), "1");
        assert_eq!(
            eval(
                &mut other,
                "(list (eq? c (vector-ref v 0)) (vector-ref v 1) (vector-ref v 4))"
            ),
            "(mine #t sym 99999999999)"
        );
        assert_eq!(eval(&mut other, "(eq? (vector-ref v 1) 'sym)"), "#t");
        let len = other.save();
        assert!(lisp.receive(other.saved_bytes(len)) && lisp.load());
        lisp.end_turn();
    }
    // What is damaged is refused, or at least harmless.
    let len = lisp.save();
    let state = lisp.saved_bytes(len).to_vec();
    for cut in [0, 1, 4, 100, state.len() - 4, state.len() - 8] {
        let mut other = new(SMALL);
        assert!(other.receive(&state[..cut]) && !other.load());
        other.end_turn();
        assert_eq!(eval(&mut other, "(+ 1 2)"), "3");
    }
    let mut wild = state.clone();
    wild[500..504].copy_from_slice(&0x00FF_FFF8_u32.to_le_bytes());
    let mut other = new(SMALL);
    assert!(other.receive(&wild) && !other.load());
}

#[test]
fn an_agent_acts_through_the_medium() {
    let mut lisp = new(SMALL);
    let mut notes = Notes::default();
    let program = "(define seen '())
        (on 'main (lambda (msg from)
          (set! seen (cons msg seen))
          (send 'peer (list 'got msg)) (send-to-channel from 'event \"x\" (keep from))
          (ask 'boss \"how?\" 500 (lambda (answer) (emit (if (error-object? answer) (error-object-message answer) answer))))
          (after 100 (lambda () (emit \"later\"))) (after 200 'tick)
          (list (random 100) (now) (length (contacts)) (host) (contact? from))))
        (on 'timer (lambda (what) (emit (list 'timer what))))
        (on 'report (lambda (msg from) (spawn '((define x 1) (on 'main (lambda (m f) \"s\"))) \"kid\" 1000) (stop) #f))
        (on 'event (lambda (msg from) (spawn \"(emit 1)\") (forward 'peer) (fork) (display \"shown \") (void)))
        (on 'ask (lambda (msg from) (string-append msg \"!\")))
        (on 'start (lambda (msg from) (emit \"started\")))";
    assert!(lisp.receive(program.as_bytes()));
    lisp.born();
    lisp.end_turn();
    assert_eq!(say(&mut lisp, Channel::Start, "", &mut notes), None);
    let answer = say(&mut lisp, Channel::Main, "hi", &mut notes).unwrap();
    assert_eq!(answer, "(34 0 0 #<contact host> #t)");
    let tag = |n: u64| String::from_utf8(n.to_le_bytes().to_vec()).unwrap();
    assert_eq!(say(&mut lisp, Channel::Timer, &tag(1), &mut notes), None);
    assert_eq!(say(&mut lisp, Channel::Timer, &tag(2), &mut notes), None);
    assert_eq!(say(&mut lisp, Channel::Timer, &tag(2), &mut notes), None);
    notes.context = vec![0; 176];
    notes.context[16] = 1;
    notes.context[32] = 3;
    assert_eq!(say(&mut lisp, Channel::Reply, "so", &mut notes), None);
    assert_eq!(say(&mut lisp, Channel::Reply, "so", &mut notes), None);
    assert_eq!(say(&mut lisp, Channel::Report, "", &mut notes), None);
    assert_eq!(
        say(&mut lisp, Channel::Event, "", &mut notes).unwrap(),
        "shown "
    );
    assert_eq!(
        say(&mut lisp, Channel::Ask, "yes", &mut notes).unwrap(),
        "yes!"
    );
    let expected = [
        "emit started",
        "send 3 0 main: (got hi)",
        "keep ffffffff",
        "send ffffffff 0 event: x",
        "hand 2 9",
        "send 4 500 main: how?",
        "after 100 1",
        "after 200 2",
        "emit later",
        "emit (timer tick)",
        "emit so",
        "spawn 1000 kid: (define x 1)\n(on (quote main) (lambda (m f) \"s\"))\n",
        "stop",
        "spawn -1 : (emit 1)",
        "forward 3",
        "fork",
    ];
    assert_eq!(notes.lines, expected);
}

#[test]
fn what_fails_is_told_where_somebody_listens() {
    let mut lisp = new(SMALL);
    let notes = &mut Notes::default();
    let program = "(define n 1) (on 'main (lambda (m f) (set! n 2) (car m))) (on 'timer car)
        (define held #f) (on 'report (lambda (m f) (set! held f) #f)) (on 'event (lambda (m f) (send held 1)))";
    eval(&mut lisp, program);
    let answer = say(&mut lisp, Channel::Main, "x", notes).unwrap();
    assert_eq!(answer, "error: car: not a pair: \"x\" in (car \"x\")");
    assert_eq!(eval(&mut lisp, "n"), "2");
    assert_eq!(
        eval(&mut lisp, "(define n 5) (car n) (define n 6)")
            .get(..6)
            .unwrap(),
        "error:"
    );
    assert_eq!(eval(&mut lisp, "n"), "5");
    eval(&mut lisp, "(after 1 5)");
    let tag = String::from_utf8(vec![1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(
        say(&mut lisp, Channel::Timer, &tag, notes).unwrap(),
        "FAILED"
    );
    let mut lisp = new(SMALL);
    eval(&mut lisp, program);
    assert_eq!(say(&mut lisp, Channel::Report, "x", notes), None);
    let answer = say(&mut lisp, Channel::Event, "x", notes).unwrap();
    assert!(answer.contains("a contact of an earlier turn"), "{answer}");
    assert_eq!(
        say(&mut lisp, Channel::Ask, "x", notes).unwrap(),
        "error: no handler"
    );
}

#[test]
fn contents_that_come_by_reference_are_fetched() {
    let mut lisp = new(SMALL);
    let mut notes = Notes::default();
    notes.context = vec![0; 176];
    notes.context[28] = 1;
    notes.context[40..42].copy_from_slice(&20_000_u16.to_le_bytes());
    eval(
        &mut lisp,
        "(on 'main (lambda (msg from) (list (string-length msg) (substring msg 25 28))))",
    );
    let digest = "d".repeat(40);
    assert_eq!(
        say(&mut lisp, Channel::Main, &digest, &mut notes).unwrap(),
        "(20000 \"zab\")".replace('"', "")
    );
    notes.context[42] = 2;
    assert!(
        say(&mut lisp, Channel::Main, &digest, &mut notes)
            .unwrap()
            .starts_with("error: out of memory")
    );
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[()'`,@\\.#;|\"\\\\a-f0-9 tx\n-]{0,80}") {
        let mut lisp = new(SMALL);
        assert!(lisp.receive(text.as_bytes()));
        let _ = lisp.test();
        lisp.end_turn();
        eval(&mut lisp, &text);
        assert_eq!(eval(&mut lisp, "(quotient 7 2)"), "3");
    }

    #[test]
    fn no_bytes_break_the_reader(bytes: Vec<u8>) {
        let mut lisp = new(SMALL);
        assert!(lisp.receive(&bytes));
        let _ = lisp.turn(Channel::Eval, &mut Notes::default());
        lisp.end_turn();
        assert_eq!(eval(&mut lisp, "(quotient 7 2)"), "3");
    }

    #[test]
    fn what_is_written_reads_back(numbers: Vec<i64>, text in ".{0,20}") {
        let list = format!("({} \"{}\")", numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" "),
            text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut lisp = new(SMALL);
        let written = eval(&mut lisp, &format!("'{list}"));
        assert_eq!(eval(&mut lisp, &format!("(equal? '{list} '{written})")), "#t");
    }

    #[test]
    fn a_damaged_state_does_no_harm(at in 0_usize..2000, bits: u32) {
        let mut lisp = new(SMALL);
        eval(&mut lisp, "(define x '(1 (2 3) #(4 5) \"six\")) (define (f y) (cons y x))");
        let len = lisp.save();
        let mut state = lisp.saved_bytes(len).to_vec();
        let at = at * 4 % state.len();
        for (place, bits) in state[at..at + 4].iter_mut().zip(bits.to_le_bytes()) {
            *place ^= bits;
        }
        let mut other = new(SMALL);
        assert!(other.receive(&state));
        let _ = other.load();
    }
}
