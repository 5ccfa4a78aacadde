//! Journals and what is made of them: whatever happened to a VC, it is computed again to the same digest, and
//! what was changed behind its back is shown.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod sandbox;

use std::sync::Arc;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::clock::{Clock, VirtualClock};
use actors::runtime::Runtime;
use actors::store::{Op, Store, Table};
use actors::view::{Caused, Consent, End, Outgoing, Replayed};
use adapters::store::memory::{FaultStore, Plan};
use genesis::id::VcId;
use genesis::power::Grants;
use genesis::purse::Purse;
use genesis::refusal::Code;
use proptest::prelude::*;
use sandbox::common::{ask, config_on, knowing, pass, puppet, say, show, start, tell};
use sandbox::{body, bring, fragile, module, sandboxed, source, sum};

/// A runtime that ends and begins again on what it left behind.
struct Place {
    store: Arc<dyn Store>,
    clock: Arc<VirtualClock>,
    runtime: Runtime,
}

impl Place {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(FaultStore::new(Plan::default()));
        let clock = Arc::new(VirtualClock::default());
        let runtime = Self::start(&store, &clock).await;
        Self {
            store,
            clock,
            runtime,
        }
    }

    async fn start(store: &Arc<dyn Store>, clock: &Arc<VirtualClock>) -> Runtime {
        let mut config = sandboxed(config_on(3, Arc::clone(store)));
        config.natives = config.natives.with::<adapters::outside::Outside>();
        config.clock = Arc::clone(clock) as Arc<dyn Clock>;
        start(config).await
    }

    async fn begin_again(&mut self) {
        self.runtime.shutdown().await;
        self.runtime = Self::start(&self.store, &self.clock).await;
    }

    async fn replay(&self, id: VcId) -> Replayed {
        self.runtime.quiet().await.unwrap();
        self.runtime.replay(id).await.unwrap()
    }

    /// Checks that a VC comes to what it is.
    async fn check(&self, id: VcId, story: &str) -> u64 {
        let found = self.replay(id).await;
        assert_eq!(found.first, None, "{story}");
        let shown = show(&self.runtime, id).await;
        assert_eq!(found.digest, shown.image_digest, "{story}");
        found.messages
    }
}

fn runs(work: impl Future<Output = ()>) {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(work);
}

/// What happens to a puppet: told, or done to it.
async fn happens(place: &mut Place, id: VcId, step: u8, n: usize) {
    let script = match step {
        0 => format!("said {n}"),
        1 => format!("!after {} {n}", 5 + n % 40),
        2 => "!fail".to_owned(),
        3 => "!draw".to_owned(),
        4 => "!spawn puppet all messages=9 children=1".to_owned(),
        5 => "!order k0 send+h+back,stop".to_owned(),
        6 => "!fork 100000;emit forked".to_owned(),
        7 => "!panic".to_owned(),
        8 => "!internalize echo;note more".to_owned(),
        9 => "!strip 2;send h done".to_owned(),
        10 => "!ask k0 20 hello;keep s".to_owned(),
        11 => {
            pass(&place.runtime, place.clock.as_ref(), 30).await;
            return;
        }
        12 => {
            // Refused while it has mail; then it stays up.
            let _ = place.runtime.sleep(id).await;
            return;
        }
        13 => {
            place.begin_again().await;
            return;
        }
        14 => {
            let part = PartBirth {
                role: None,
                code: CodeBirth::Native {
                    name: "counter".to_owned(),
                    version: None,
                    argument: bytes::Bytes::new(),
                },
            };
            drop(place.runtime.internalize(id, part, Consent::Judge).await);
            return;
        }
        15 => {
            drop(place.runtime.strip(id, 2).await);
            return;
        }
        gift => {
            let messages = if gift == 16 { 3 } else { u64::MAX };
            let gift = Purse {
                messages,
                ..Purse::EMPTY
            };
            drop(place.runtime.fill_purse(id, gift).await);
            return;
        }
    };
    // Refused where its purse has ended it.
    drop(place.runtime.send(Outgoing::new(id, script)).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Any run of messages, faults, restarts, timers, births, forks, changes of the body, sleeps, and ends of
    /// the node: computed again from its journal, the VC is what it is.
    #[test]
    fn a_native_comes_to_what_it_is(
        record in 1_u32..24,
        own_actor: bool,
        script in proptest::collection::vec(0_u8..18, 1..60),
    ) {
        runs(async {
            let mut place = Place::new().await;
            let mut birth = puppet().durable();
            birth.record = record;
            birth.own_actor = own_actor;
            birth.restart.faults_max = 1;
            birth.restart.restarts_max = u32::MAX;
            birth.purse = Purse { messages: 60, children: 8, ..Purse::ENDLESS };
            let id = place.runtime.spawn(birth).await.unwrap();
            for (n, &step) in script.iter().enumerate() {
                happens(&mut place, id, step, n).await;
                if n % 7 == 0 {
                    place.check(id, &format!("after step {n} of {script:?}")).await;
                }
            }
            place.check(id, &format!("{script:?}")).await;
            place.runtime.shutdown().await;
        });
    }

    /// The same of sandboxed code, and of a VC in its body that serves its turns and has a journal of its own.
    #[test]
    fn sandboxed_code_and_who_serves_it_come_to_what_they_are(
        record in 1_u32..40,
        script in proptest::collection::vec(0_u8..10, 1..60),
    ) {
        runs(async {
            let mut place = Place::new().await;
            let birth = host(&place.runtime, record).await;
            let id = place.runtime.spawn(birth).await.unwrap();
            let inner = place.runtime.resolve("host/sum").await.unwrap();
            for &step in &script {
                match step {
                    0 => drop(sum(&place.runtime, id, b'!').await),
                    1 => drop(sum(&place.runtime, id, b'L').await),
                    2 => {
                        let _ = place.runtime.sleep(inner).await;
                        let _ = place.runtime.sleep(id).await;
                    }
                    3 => place.begin_again().await,
                    add => drop(sum(&place.runtime, id, add).await),
                }
            }
            for id in [id, inner] {
                place.check(id, &format!("{script:?}")).await;
            }
            place.runtime.shutdown().await;
        });
    }
}

/// Sandboxed code that has a VC in its body add to a sum.
async fn host(runtime: &Runtime, record: u32) -> Birth {
    let inner = fragile()
        .replace("channel/main", "channel/sum/add")
        .replace("(i32.const 33)", "(i32.const 34)");
    let inner = Birth {
        parts: vec![bring(runtime, inner.as_bytes()).await],
        name: Some("sum".to_owned()),
        record,
        ..Birth::default()
    };
    let front = module(
        r#"(import "channel" "sum/add" (func $add (param i32 i32) (result i64)))"#,
        r#"(func (export "channel/main") (param $p i32) (param $n i32) (result i64) (local $said i64)
    (local.set $said (call $add (local.get $p) (local.get $n)))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 33)) (then (unreachable)))
    (local.get $said))"#,
    );
    let mut birth = body(vec![
        bring(runtime, front.as_bytes()).await,
        PartBirth {
            role: Some("sum".to_owned()),
            code: CodeBirth::Computer(Box::new(inner)),
        },
    ]);
    birth.name = Some("host".to_owned());
    birth.record = record;
    birth.restart.faults_max = u32::MAX;
    birth
}

#[tokio::test]
async fn a_lisp_agent_comes_to_what_it_is() {
    let mut place = Place::new().await;
    let facts = place
        .runtime
        .bring(source("lisp/lisp.wasm").into())
        .await
        .unwrap();
    let program =
        b"(define n 0) (on 'main (lambda (msg from) (set! n (+ n 1)) (after 5 'tick) (reply n)))";
    let mut birth = body(vec![PartBirth {
        role: Some("lisp".to_owned()),
        code: CodeBirth::WebAssembly {
            module: facts.digest,
            argument: bytes::Bytes::from_static(program),
        },
    }]);
    birth.record = 8;
    birth.turn_fuel = 200_000_000;
    birth.grants = Grants::HARMLESS;
    let id = place.runtime.spawn(birth).await.unwrap();
    for n in 0..12 {
        drop(ask(&place.runtime, id, "(car 5)").await);
        drop(ask(&place.runtime, id, "hello").await);
        pass(&place.runtime, place.clock.as_ref(), 10).await;
        if n == 5 {
            place.begin_again().await;
        }
        place.check(id, &format!("round {n}")).await;
    }
    place.runtime.shutdown().await;
}

#[tokio::test]
async fn a_changed_row_shows_its_first_difference() {
    let mut place = Place::new().await;
    let mut birth = puppet().durable();
    birth.record = 100;
    let id = place.runtime.spawn(birth).await.unwrap();
    for n in 0..10 {
        say(&place.runtime, id, &format!("!note n{n};reply r{n}")).await;
    }
    assert_eq!(place.check(id, "untouched").await, 10);
    place.runtime.shutdown().await;
    // Somebody edits the seventh message, and what its sender gets is another text.
    let rows = place
        .store
        .range(Table::Journal, id.as_bytes(), 1_000)
        .unwrap();
    let at = |bytes: &[u8]| bytes.windows(8).position(|window| window == b"reply r6");
    let (key, mut value) = rows.into_iter().find(|(_, row)| at(row).is_some()).unwrap();
    let from = at(&value).unwrap();
    value[from + 7] = b'7';
    let edit = Op::Put {
        table: Table::Journal,
        key,
        value,
    };
    place.store.commit(&[edit]).unwrap();
    place.runtime = Place::start(&place.store, &place.clock).await;
    let first = place.replay(id).await.first.unwrap();
    assert_eq!(first.message, 7);
    assert!(first.contents.contains("note n6;reply r7"), "{first:?}");
    assert!(first.now[0].contains("reply \"r7\""), "{first:?}");
    assert!(first.recorded[0].contains("reply of 2 bytes"), "{first:?}");
    place.runtime.shutdown().await;
}

/// A row of the version before: flags and image, without a tail that says where the journal is.
fn without_tail(row: &[u8]) -> Vec<u8> {
    const TAIL: u8 = 8;
    assert_ne!(row[0] & TAIL, 0);
    let len = u32::from_le_bytes(row[1..5].try_into().unwrap()) as usize;
    [&[row[0] & !TAIL], &row[5 + len..]].concat()
}

/// The version before kept a snapshot under number 0 and one message in each row, and did not say what came
/// of them.
#[tokio::test]
async fn a_journal_of_the_version_before_is_still_read() {
    let mut place = Place::new().await;
    let mut birth = puppet().durable();
    birth.record = 100;
    let id = place.runtime.spawn(birth).await.unwrap();
    for n in 0..5 {
        tell(&place.runtime, id, &format!("said {n}")).await;
    }
    let journal = place.runtime.journal(id).await.unwrap();
    // Such rows have no trace either.
    let key = |number: u64| [id.as_bytes().as_slice(), &number.to_be_bytes()].concat();
    place.runtime.shutdown().await;
    let row = place.store.get(Table::Vcs, id.as_bytes()).unwrap().unwrap();
    let mut ops = vec![
        Op::DeleteRange {
            table: Table::Journal,
            from: key(0),
            until: key(u64::MAX),
        },
        Op::Put {
            table: Table::Vcs,
            key: id.as_bytes().to_vec(),
            value: without_tail(&row),
        },
    ];
    let rows = std::iter::once(&journal.snapshot).chain(&journal.messages);
    ops.extend(rows.enumerate().map(|(number, row)| Op::Put {
        table: Table::Journal,
        key: key(number as u64),
        value: row.to_vec(),
    }));
    place.store.commit(&ops).unwrap();
    place.runtime = Place::start(&place.store, &place.clock).await;
    let found = place.replay(id).await;
    assert_eq!((found.messages, found.unsaid), (5, 5));
    let first = found.first.unwrap();
    assert!(
        first.recorded.iter().all(|line| !line.starts_with("state")),
        "{first:?}"
    );
    // From the next message on it is one of this version.
    tell(&place.runtime, id, "more").await;
    assert_eq!(place.check(id, "begun anew").await, 1);
    place.runtime.shutdown().await;
}

/// Looked at in one moment, computed beside: whoever is replayed handles messages all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vc_is_replayed_while_it_goes_on() {
    let store: Arc<dyn Store> = Arc::new(FaultStore::new(Plan::default()));
    let mut config = config_on(3, store);
    config.deterministic = false;
    config.workers = 3;
    let runtime = start(config).await;
    let mut ids = Vec::new();
    for durable in [true, true, false] {
        let mut birth = knowing(puppet(), &ids);
        birth.durable = durable;
        birth.record = 64;
        ids.push(runtime.spawn(birth).await.unwrap());
    }
    let tellers: Vec<_> = ids
        .iter()
        .map(|&id| {
            let runtime = runtime.clone();
            tokio::spawn(async move {
                for n in 0..600 {
                    let text = format!("!note n{n};count");
                    say(&runtime, id, &text).await;
                }
            })
        })
        .collect();
    let mut replayed = 0;
    while !tellers.iter().all(tokio::task::JoinHandle::is_finished) {
        for &id in &ids {
            match runtime.replay(id).await {
                Ok(found) => {
                    assert_eq!(found.first, None);
                    replayed += found.messages;
                }
                Err(why) => assert_eq!(why.code, Code::Busy, "{why}"),
            }
        }
    }
    for teller in tellers {
        teller.await.unwrap();
    }
    assert!(replayed > 0);
    for id in ids {
        let found = runtime.replay(id).await.unwrap();
        assert!((32..=64).contains(&found.messages), "{found:?}");
        assert_eq!(found.first, None);
    }
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_state_that_no_message_made_is_shown() {
    let mut place = Place::new().await;
    let mut birth = puppet().durable();
    birth.record = 100;
    let id = place.runtime.spawn(birth).await.unwrap();
    say(&place.runtime, id, "!note apple;reply").await;
    place.runtime.shutdown().await;
    let row = place.store.get(Table::Vcs, id.as_bytes()).unwrap().unwrap();
    let at = row
        .windows(5)
        .position(|window| window == b"apple")
        .unwrap();
    let mut value = row;
    value[at] = b'A';
    let edit = Op::Put {
        table: Table::Vcs,
        key: id.as_bytes().to_vec(),
        value,
    };
    place.store.commit(&[edit]).unwrap();
    place.runtime = Place::start(&place.store, &place.clock).await;
    let first = place.replay(id).await.first.unwrap();
    assert_eq!(first.contents, "its state after 1 turns");
    assert!(
        first.now[0].starts_with("state of occurrence 1: "),
        "{first:?}"
    );
    place.runtime.shutdown().await;
}

fn names(caused: &Caused, into: &mut Vec<String>, depth: usize) {
    let name = |party: &actors::view::Party| party.name.clone().unwrap_or_default();
    let end = match &caused.end {
        End::Consumed => "consumed".to_owned(),
        End::Fault(why) => format!("fault {}", why.code),
        End::Bounced(why) => format!("bounced {}", why.code),
        End::Queued => "queued".to_owned(),
        End::HandedOver => "handed over".to_owned(),
        End::NotRecorded => "not recorded".to_owned(),
    };
    let (from, to) = (name(&caused.from), name(&caused.to));
    into.push(format!(
        "{}{from} -> {to} {}: {end}",
        "  ".repeat(depth),
        caused.kind
    ));
    for child in &caused.caused {
        names(child, into, depth + 1);
    }
}

fn text(tree: &Caused) -> String {
    let mut lines = Vec::new();
    names(tree, &mut lines, 0);
    lines.join("\n")
}

/// `front` asks `clerk`, who asks `judge`; their answers go back the same way.
#[tokio::test]
async fn a_request_through_three_is_one_tree() {
    let place = Place::new().await;
    let mut ids = Vec::new();
    for name in ["judge", "clerk", "front"] {
        let mut birth = knowing(puppet().durable().named(name), &ids);
        birth.record = if name == "judge" { 0 } else { 50 };
        ids.insert(0, place.runtime.spawn(birth).await.unwrap());
    }
    let (front, clerk) = (ids[0], ids[1]);
    // What a clerk is told goes to its first contact, and so on; k0 of the front is the clerk.
    let outgoing = Outgoing::new(front, "!order k0 order+k0+reply;reply taken");
    let receipt = place.runtime.send(outgoing).await.unwrap();
    place.runtime.quiet().await.unwrap();
    let tree = place.runtime.trace(receipt.message).await.unwrap();
    insta::assert_snapshot!(text(&tree), @"
    owner -> front tell: consumed
      front -> clerk tell: consumed
        clerk -> judge tell: not recorded
          judge -> clerk reply: consumed
      front -> owner reply: handed over
    ");
    // From anywhere in it one comes to the same root.
    let inner = tree.caused[0].message.unwrap();
    assert_eq!(place.runtime.trace(inner).await.unwrap(), tree);
    let trees = place.runtime.trace_of(clerk, 5).await.unwrap();
    assert_eq!(trees.len(), 1);
    assert_eq!(trees[0], tree.caused[0]);
    // A fault, and what its sender was told of it.
    let outgoing = Outgoing::new(front, "!order k0 fail");
    let receipt = place.runtime.send(outgoing).await.unwrap();
    place.runtime.quiet().await.unwrap();
    let tree = place.runtime.trace(receipt.message).await.unwrap();
    insta::assert_snapshot!(text(&tree), @"
    owner -> front tell: consumed
      front -> clerk tell: fault fault
        the medium -> front bounce: consumed
    ");
    // One that is stopped takes no message.
    place.runtime.stop_vc(clerk).await.unwrap();
    let outgoing = Outgoing::new(front, "!send k0 anybody");
    let receipt = place.runtime.send(outgoing).await.unwrap();
    place.runtime.quiet().await.unwrap();
    let tree = place.runtime.trace(receipt.message).await.unwrap();
    insta::assert_snapshot!(text(&tree), @"
    owner -> front tell: consumed
      front -> clerk tell: bounced stopped
        the medium -> front bounce: consumed
    ");
    place.runtime.shutdown().await;
}

/// A program outside answers later, in another message; its VC comes to what it is without it, and its answer
/// is due to the question.
#[tokio::test]
async fn what_was_said_from_outside_is_in_the_journal() {
    let mut place = Place::new().await;
    let mut birth = Birth::native("outside", r#"{"command":["agent"]}"#).durable();
    birth.record = 64;
    birth.name = Some("agent".to_owned());
    birth.grants = Grants::HARMLESS;
    let id = place.runtime.spawn(birth).await.unwrap();
    let mut asker = knowing(puppet().durable().named("asker"), &[id]);
    asker.record = 64;
    let asker = place.runtime.spawn(asker).await.unwrap();
    let says = async |place: &Place, channel: &str, text: &str| {
        let channel = channel.parse().unwrap();
        let text = text.to_owned();
        place
            .runtime
            .outside_says(id, channel, text, None)
            .await
            .unwrap();
        place.runtime.quiet().await.unwrap();
    };
    says(&place, adapters::outside::BEGAN.as_str(), "").await;
    let outgoing = Outgoing::new(asker, "!send k0 hello");
    place.runtime.send(outgoing).await.unwrap();
    place.runtime.quiet().await.unwrap();
    place.begin_again().await;
    says(
        &place,
        adapters::outside::SAID.as_str(),
        r#"{"re":1,"text":"hi"}"#,
    )
    .await;
    let logs = sandbox::log(&place.runtime, id).await;
    assert!(place.check(id, "outside").await >= 3, "{logs}");
    place.check(asker, "asker").await;
    let trees = place.runtime.trace_of(asker, 9).await.unwrap();
    insta::assert_snapshot!(trees.iter().map(text).collect::<Vec<_>>().join("\n"), @"
    owner -> asker tell: consumed
      asker -> agent tell: consumed
        agent -> outside tell: handed over
        agent -> asker reply: consumed
    ");
    place.runtime.shutdown().await;
}

#[tokio::test]
async fn who_keeps_no_journal_says_so() {
    let place = Place::new().await;
    let id = place.runtime.spawn(puppet().durable()).await.unwrap();
    tell(&place.runtime, id, "hello").await;
    let refused = place.runtime.replay(id).await.unwrap_err();
    assert_eq!(refused.code, Code::Unknown);
    assert!(refused.hint.unwrap().contains("--record"));
    assert_eq!(
        place.runtime.trace_of(id, 3).await.unwrap_err().code,
        Code::Unknown
    );
    place.runtime.shutdown().await;
}

/// A candidate that does the same is the same; another one is not.
#[tokio::test]
async fn a_candidate_is_compared_over_the_whole_record() {
    let place = Place::new().await;
    let v1 = common_part(&place.runtime, "counter/counter-v1.wat").await;
    let counter = Birth {
        record: 16,
        ..body(vec![v1.clone()])
    };
    let counter = place.runtime.spawn(counter).await.unwrap();
    for n in 1..=5 {
        say(&place.runtime, counter, &n.to_string()).await;
    }
    let same = place.runtime.replay_with(counter, None, v1).await.unwrap();
    assert_eq!((same.messages, same.different), (5, 0));
    let v2 = common_part(&place.runtime, "counter/counter-v2.wat").await;
    let other = place.runtime.replay_with(counter, None, v2).await.unwrap();
    assert_eq!((other.messages, other.different, other.failing), (5, 5, 0));
    place.check(counter, "it is as it was").await;
    place.runtime.shutdown().await;
}

async fn common_part(runtime: &Runtime, path: &str) -> PartBirth {
    bring(runtime, &source(path)).await
}
