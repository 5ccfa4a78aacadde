//! The Lisp computer on the real engine: sessions, agents, what ends loops, and a move to more memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod sandbox;

use std::sync::Arc;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::clock::{Clock, VirtualClock};
use actors::runtime::Runtime;
use actors::view::Consent;
use adapters::store::memory::{FaultStore, Plan};
use genesis::power::{Grants, Power};
use genesis::refusal::Code;
use sandbox::common::{self, ask, config_on, pass, say, show, start};
use sandbox::{body, log, sandboxed, source};

/// What a turn of an interpreted program may take.
const TURN_FUEL: u64 = 200_000_000;

async fn lisp(runtime: &Runtime, module: &str, program: &[u8]) -> PartBirth {
    let module = source(&format!("lisp/{module}.wasm"));
    let facts = runtime.bring(module.into()).await.unwrap();
    PartBirth {
        role: Some("lisp".to_owned()),
        code: CodeBirth::WebAssembly {
            module: facts.digest,
            argument: bytes::Bytes::copy_from_slice(program),
        },
    }
}

async fn agent(runtime: &Runtime, program: &[u8]) -> Birth {
    Birth {
        turn_fuel: TURN_FUEL,
        ..body(vec![lisp(runtime, "lisp", program).await])
    }
}

async fn world() -> (Runtime, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::default());
    let mut config = sandboxed(config_on(1, Arc::new(FaultStore::new(Plan::default()))));
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    (start(config).await, clock)
}

/// One test for what one session goes through: the interpreter is compiled once for each engine.
#[tokio::test]
async fn a_session_goes_on_asleep_awake_and_in_more_memory() {
    let (runtime, _) = world().await;
    let mut birth = agent(&runtime, b"").await;
    birth.record = 32;
    let id = runtime.spawn(birth).await.unwrap();
    let said = say(&runtime, id, "(cons '4 '(9 16 25 36 49))").await;
    assert_eq!(said, "(4 9 16 25 36 49)");
    say(&runtime, id, "(define xs (list 1 2 3))").await;
    say(&runtime, id, "(define (sum l) (apply + l))").await;
    runtime.sleep(id).await.unwrap();
    runtime.quiet().await.unwrap();
    assert_eq!(say(&runtime, id, "(sum xs)").await, "6");
    // What does not end is ended, and has changed nothing.
    let refused = ask(&runtime, id, "(begin (set! xs '()) (let loop () (loop)))").await;
    assert_eq!(refused.unwrap_err().code, Code::TooLarge);
    let said = say(&runtime, id, "(let loop ((l '())) (loop (cons 1 l)))").await;
    assert!(said.starts_with("error: out of memory"), "{said}");
    let said = say(&runtime, id, "(car 5)").await;
    assert_eq!(said, "error: car: not a pair: 5 in (car 5)");
    assert_eq!(say(&runtime, id, "(sum xs)").await, "6");
    // The same source with more memory takes over what the other saved, and back.
    let large = lisp(&runtime, "lisp-large", b"").await;
    let trial = runtime
        .try_part(id, None, large.clone(), Some(2))
        .await
        .unwrap();
    assert_eq!(trial.replay.unwrap().failing, 0);
    runtime
        .upgrade(id, None, large, Consent::Override)
        .await
        .unwrap();
    assert_eq!(say(&runtime, id, "(sum xs)").await, "6");
    let said = say(&runtime, id, "(length (iota 20000))").await;
    assert_eq!(said, "20000", "more than the small one holds");
    let small = lisp(&runtime, "lisp", b"").await;
    runtime
        .upgrade(id, None, small, Consent::Override)
        .await
        .unwrap();
    assert_eq!(say(&runtime, id, "(sum xs)").await, "6");
    let said = say(&runtime, id, "(length (iota 20000))").await;
    assert!(said.starts_with("error: out of memory"), "{said}");
    assert!(show(&runtime, id).await.summary.restarts == 0);

    counts_and_reports().await;
    spawns(&runtime).await;
    runtime.shutdown().await;
}

async fn counts_and_reports() {
    let (runtime, clock) = world().await;
    let boss = runtime.spawn(common::puppet()).await.unwrap();
    let mut birth = agent(&runtime, &source("lisp/examples/count-and-report.scm")).await;
    birth.contacts = vec![(Some("boss".to_owned()), boss)];
    birth.grants = Grants::NONE.with(Power::Send).with(Power::After);
    let counter = runtime.spawn(birth).await.unwrap();
    runtime.quiet().await.unwrap();
    for n in 1..=23 {
        assert_eq!(say(&runtime, counter, "hello").await, n.to_string());
    }
    runtime.quiet().await.unwrap();
    // At the tenth and the twentieth; the puppet gives no `report`, so its mail came back to the agent.
    let bounced = log(&runtime, counter).await;
    assert!(!bounced.contains("fault"), "{bounced}");
    runtime.sleep(counter).await.unwrap();
    pass(&runtime, clock.as_ref(), 61_000).await;
    assert_eq!(
        say(&runtime, counter, "hello").await,
        "24",
        "its timer woke it"
    );
    assert_eq!(show(&runtime, counter).await.timers, 1, "and was set again");

    // A pair that plays: asks, answers, output.
    let pong = agent(&runtime, &source("lisp/examples/pong.scm")).await;
    let pong = runtime.spawn(pong).await.unwrap();
    let mut ping = agent(&runtime, &source("lisp/examples/ping.scm")).await;
    ping.contacts = vec![(Some("pong".to_owned()), pong)];
    let ping = runtime.spawn(ping).await.unwrap();
    runtime.quiet().await.unwrap();
    let said = log(&runtime, ping).await;
    assert!(said.contains("played ten rounds"), "{said}");
    runtime.shutdown().await;
}

async fn spawns(runtime: &Runtime) {
    let program = br#"
        (on 'main (lambda (msg from)
          (let ((child (spawn "(on 'main (lambda (msg from) (string-append \"child of \" msg)))")))
            (ask child msg 1000 emit)
            'born)))"#;
    let mut birth = agent(runtime, program).await;
    birth.grants = Grants::HARMLESS.with(Power::Spawn);
    let parent = runtime.spawn(birth).await.unwrap();
    assert_eq!(say(runtime, parent, "me").await, "born");
    runtime.quiet().await.unwrap();
    let said = log(runtime, parent).await;
    assert!(said.contains("child of me"), "{said}");
    assert_eq!(show(runtime, parent).await.births, 1);
}
