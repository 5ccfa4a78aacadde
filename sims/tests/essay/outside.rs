//! Answers from outside: agents are absent for some ticks without stopping the world, and a replay needs nobody.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use sims::crew::Crew;
use sims::live::{Live, Loaded, RunError};
use sims::models::market::Market;
use sims::outside::{OutsideError, Program, Record, Replay, Talk};
use sims::params::Params as _;
use sims::run::Run;
use sims::store::Hosting;

const TICKS: u64 = 60;

fn world() -> Run<Market> {
    let market = Market {
        buyers: 60,
        sellers: 30,
        advised: true,
        advised_share: 0.5,
        ..Market::defaults()
    };
    Run::of(market, 11, Hosting::Cohorts).unwrap()
}

/// A real child process; how it behaves is its argument.
fn adviser(how: &str) -> Box<Program> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/essay/adviser.sh");
    Box::new(Program::shell(&format!("sh '{}' {how}", script.display())).unwrap())
}

/// So long a test waits for a process, unless something has failed.
const LONG: Duration = Duration::from_mins(1);

fn patient(how: &str, record: Option<Record>, ahead: Replay) -> Talk {
    let mut talk = Talk::with(adviser(how), record, ahead);
    talk.wait(LONG);
    talk
}

fn go_on(run: &mut dyn Live, talk: &mut Talk, until: u64) -> Result<(), OutsideError> {
    let crew = Crew::alone();
    while run.now() < until {
        talk.between(run)?;
        run.tick(&crew).unwrap();
    }
    Ok(())
}

fn see(run: &Run<Market>, name: &str) -> f64 {
    run.observe().get(name).unwrap()
}

#[test]
fn a_replay_needs_nobody_and_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("answers.jsonl");
    let mut run = world();
    let (record, ahead) = Record::open(&path, 0).unwrap();
    go_on(&mut run, &mut patient("", Some(record), ahead), TICKS).unwrap();
    assert!(see(&run, "heeded") > 50.0);
    assert_eq!((see(&run, "garbled"), see(&run, "alone")), (0.0, 0.0));
    let digest = run.digest();

    let mut again = world();
    go_on(
        &mut again,
        &mut Talk::replay(Replay::open(&path, 0).unwrap()),
        TICKS,
    )
    .unwrap();
    assert_eq!(again.digest(), digest);

    // Without the answers, and with one changed, it is another run.
    let mut alone = world();
    go_on(&mut alone, &mut Talk::replay(Replay::default()), TICKS).unwrap();
    assert_ne!(alone.digest(), digest);
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.replacen("\"answer\":\"", "\"answer\":\"1", 1);
    std::fs::write(&path, changed).unwrap();
    let mut other = world();
    let mut talk = Talk::replay(Replay::open(&path, 0).unwrap());
    match go_on(&mut other, &mut talk, TICKS) {
        Ok(()) => assert_ne!(other.digest(), digest),
        // Who had another answer asks at another time.
        Err(error) => assert!(matches!(error, OutsideError::Strange { .. }), "{error}"),
    }
}

#[test]
fn a_run_that_goes_on_from_a_checkpoint_has_the_answers_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("answers.jsonl");
    let mut run = world();
    let (record, ahead) = Record::open(&path, 0).unwrap();
    let mut talk = patient("", Some(record), ahead);
    // A question is open in the checkpoint, because nobody was asked since the last tick.
    let mut begins = 20;
    go_on(&mut run, &mut talk, begins).unwrap();
    while run.questions(&BTreeSet::new()).is_empty() {
        begins += 1;
        go_on(&mut run, &mut talk, begins).unwrap();
    }
    let saved = run.save();
    go_on(&mut run, &mut talk, 40).unwrap();
    drop(talk);
    go_on(&mut run, &mut patient("", None, Replay::default()), TICKS).unwrap();
    let digest = run.digest();

    // The process was killed at 40 while it wrote a line; the run goes on from the checkpoint, has what was recorded until 40, and asks
    // from then on.
    let torn = [
        std::fs::read(&path).unwrap(),
        b"{\"tick\":40,\"num".to_vec(),
    ]
    .concat();
    std::fs::write(&path, torn).unwrap();
    let mut resumed = Run::<Market>::load(&Loaded::parse(&saved).unwrap(), Hosting::Alone).unwrap();
    let (record, ahead) = Record::open(&path, resumed.now()).unwrap();
    assert!(ahead.goes_on(begins) && !ahead.goes_on(40));
    go_on(&mut resumed, &mut patient("", Some(record), ahead), TICKS).unwrap();
    assert_eq!(resumed.digest(), digest);
    let mut again = world();
    go_on(
        &mut again,
        &mut Talk::replay(Replay::open(&path, 0).unwrap()),
        TICKS,
    )
    .unwrap();
    assert_eq!(again.digest(), digest);
}

#[test]
fn nobody_waits_for_who_says_nothing() {
    let mut run = world();
    let mut talk = Talk::with(adviser("silent"), None, Replay::default());
    let crew = Crew::alone();
    let mut asking = 0.0_f64;
    for _ in 0..TICKS * 3 {
        assert_eq!(talk.between(&mut run).unwrap(), 0);
        run.tick(&crew).unwrap();
        asking = asking.max(see(&run, "asking"));
    }
    // They were absent, the others traded, and after `advice` ticks they bid by themselves.
    assert!(asking > 20.0, "{asking}");
    assert!(see(&run, "alone") > 20.0 && see(&run, "heeded") == 0.0);
    assert!(
        run.world
            .sellers
            .iter()
            .any(|seller| seller.buyer.is_somebody())
    );
}

#[test]
fn an_answer_that_is_no_number_is_counted_and_not_heeded() {
    let mut run = world();
    go_on(
        &mut run,
        &mut patient("text", None, Replay::default()),
        TICKS,
    )
    .unwrap();
    assert!(see(&run, "garbled") > 50.0);
    assert_eq!(see(&run, "heeded"), 0.0);
}

#[test]
fn what_is_no_answer_ends_the_conversation_and_says_why() {
    let check = |how: &str, says: &str| {
        let mut run = world();
        let error = go_on(&mut run, &mut patient(how, None, Replay::default()), TICKS).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(says), "{how}: {text}");
        assert!(error.hint().is_some());
        // The world can go on without.
        run.tick(&Crew::alone()).unwrap();
    };
    check("line", "line 1 of `sh");
    check("line", "\"I have no idea.");
    check("long", "more than 98560 bytes");
    check("twice", "is not open");
    check("dies", "exit status: 3); it said: out of ideas");
    check("half", "exit status: 0");
    let error = Program::shell("no-such-program-anywhere").map(|mut program| {
        use sims::outside::Outside as _;
        program.wait(LONG);
        program.poll(0).unwrap_err().to_string()
    });
    assert!(error.unwrap().contains("exit status: 127"));
}

#[test]
fn a_record_of_another_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str, says: &str| {
        let path = dir.path().join("answers.jsonl");
        std::fs::write(&path, text).unwrap();
        let mut run = world();
        let replayed = Replay::open(&path, 0)
            .and_then(|replay| go_on(&mut run, &mut Talk::replay(replay), TICKS));
        let error = replayed.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    check(
        r#"{"tick":3,"number":999999,"answer":"1"}"#,
        "question 999999 after tick 3",
    );
    check(
        r#"{"tick":3,"answer":"1"}"#,
        "line 1: missing field `number`",
    );
    check(
        "{\"tick\":3,\"number\":1,\"answer\":\"1\"}\n{\"tick\":2,\"number\":1,\"answer\":\"1\"}\n",
        "line 2: tick 2",
    );
}

#[test]
fn answers_are_bounded_and_given_once() {
    let mut run = world();
    let crew = Crew::alone();
    while run.questions(&BTreeSet::new()).is_empty() {
        run.tick(&crew).unwrap();
    }
    let questions = run.questions(&BTreeSet::new());
    let first = &questions[0];
    assert_eq!(first.cohort, "buyers");
    assert!(
        first.text.contains("How many millitokens"),
        "{}",
        first.text
    );
    let long = "x".repeat(16 * 1024 + 1);
    assert!(matches!(
        run.answer(first.number, &long),
        Err(RunError::TooLong { bytes: 16_385, .. })
    ));
    let before = run.digest();
    run.answer(first.number, "7").unwrap();
    assert_ne!(
        run.digest(),
        before,
        "what was said from outside is in the digest"
    );
    assert!(matches!(
        run.answer(first.number, "7"),
        Err(RunError::NotOpen { .. })
    ));
    assert_eq!(run.questions(&BTreeSet::new()).len(), questions.len() - 1);
    // An answer that was given and not delivered is in the checkpoint.
    let saved = run.save();
    let mut other = Run::<Market>::load(&Loaded::parse(&saved).unwrap(), Hosting::Alone).unwrap();
    run.tick(&crew).unwrap();
    other.tick(&crew).unwrap();
    assert_eq!(run.digest(), other.digest());
    assert_eq!(see(&run, "heeded"), 1.0);
}

#[test]
fn neither_threads_nor_how_rows_are_kept_show_in_what_is_asked() {
    let digests = |threads, hosting| {
        let market = Market {
            buyers: 9_000,
            sellers: 3_000,
            advised: true,
            advised_share: 0.5,
            ..Market::defaults()
        };
        let crew = Crew::of(threads).unwrap();
        let mut run = Run::of(market, 5, hosting).unwrap();
        let mut seen = Vec::new();
        for _ in 0..8 {
            run.tick(&crew).unwrap();
            let questions = run.questions(&BTreeSet::new());
            for question in questions.iter().filter(|question| question.number % 3 > 0) {
                run.answer(question.number, &(question.number % 500).to_string())
                    .unwrap();
            }
            seen.push((run.digest(), questions));
        }
        assert!(see(&run, "heeded") > 300.0);
        seen
    };
    let one = digests(1, Hosting::Cohorts);
    assert_eq!(one, digests(3, Hosting::Cohorts));
    assert_eq!(one, digests(2, Hosting::Alone));
}
