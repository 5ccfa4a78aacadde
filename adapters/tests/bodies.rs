//! How bodies change, and where parts go.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::clock::{Clock, VirtualClock};
use actors::natives::Scavenger;
use actors::runtime::Runtime;
use actors::store::Store;
use actors::view::{Consent, Outgoing};
use adapters::store::memory::{CommitFate, FaultStore, Plan};
use common::{
    ask, check_conserved, config_on, draw, knowing, native_part, notes, pass, puppet, say, show,
    start, tell,
};
use genesis::id::{MessageId, VcId};
use genesis::power::Grants;
use genesis::refusal::Code;
use genesis::time::Time;

struct Medium {
    runtime: Runtime,
    clock: Arc<VirtualClock>,
    faults: FaultStore,
}

async fn medium() -> Medium {
    medium_on(FaultStore::new(Plan::default()), Time::ZERO).await
}

async fn medium_on(faults: FaultStore, now: Time) -> Medium {
    let clock = Arc::new(VirtualClock::default());
    clock.advance_to(now);
    let store: Arc<dyn Store> = Arc::new(faults.clone());
    let mut config = config_on(1, store);
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    Medium {
        runtime: start(config).await,
        clock,
        faults,
    }
}

fn native(name: &str, argument: &'static str) -> PartBirth {
    PartBirth {
        role: None,
        code: CodeBirth::Native {
            name: name.into(),
            version: None,
            argument: argument.into(),
        },
    }
}

fn data(contents: impl Into<bytes::Bytes>, decoder: Option<&str>) -> PartBirth {
    let decoder = decoder.map(|name| common::registry().get(name, None).unwrap().digest());
    PartBirth {
        role: None,
        code: CodeBirth::Data {
            contents: contents.into(),
            decoder,
        },
    }
}

impl Medium {
    async fn spawn(&self, birth: Birth) -> VcId {
        self.runtime.spawn(birth).await.unwrap()
    }

    /// The occurrences of a body, with what they are.
    async fn body(&self, id: VcId) -> Vec<(u64, String)> {
        let parts = show(&self.runtime, id).await.body;
        parts
            .into_iter()
            .map(|part| (part.occurrence, part.code))
            .collect()
    }

    async fn log(&self, id: VcId) -> String {
        let lines = self.runtime.logs(id, 0, 1_000).await.unwrap().lines;
        lines.into_iter().map(|line| line.text + "\n").collect()
    }

    /// What the scavenger counts: taken, held, adopted, removed.
    async fn scavenged(&self) -> [u64; 4] {
        let scavenger = self.runtime.resolve("scavenger").await.unwrap();
        let said = say(&self.runtime, scavenger, "stats").await;
        let numbers: Vec<u64> = said
            .split(' ')
            .map(|word| word.split_once('=').unwrap().1.parse().unwrap())
            .collect();
        numbers.try_into().unwrap()
    }
}

#[tokio::test]
async fn parts_are_taken_in_and_out_while_a_vc_lives() {
    let medium = medium().await;
    let runtime = &medium.runtime;
    let counter = medium.spawn(Birth::native("counter", "").durable()).await;
    assert_eq!(say(runtime, counter, "1.5").await, "1.5");
    let before = show(runtime, counter).await;
    let at = runtime
        .internalize(counter, native("echo", ""), Consent::Judge)
        .await
        .unwrap()
        .occurrence;
    let with = show(runtime, counter).await;
    assert_eq!(
        medium.body(counter).await.last().unwrap(),
        &(at, "native echo/1".to_owned())
    );
    assert_ne!(with.body_digest, before.body_digest);
    // Each channel has one active giver, the lowest by digest; the other is a spare.
    let giver = if native_part("counter").digest() < native_part("echo").digest() {
        "2.5"
    } else {
        "1"
    };
    assert_eq!(say(runtime, counter, "1").await, giver);
    runtime.strip(counter, at).await.unwrap();
    let after = show(runtime, counter).await;
    assert_eq!(
        (after.body_digest, after.shape),
        (before.body_digest, before.shape)
    );
    assert!(
        ["2.5", "3.5"].contains(&say(runtime, counter, "1").await.as_str()),
        "its state is kept"
    );
    let again = runtime
        .internalize(counter, native("echo", ""), Consent::Judge)
        .await
        .unwrap()
        .occurrence;
    assert!(again > at, "an occurrence is never used twice");

    // Contents are tested by their decoder.
    let number = runtime
        .internalize(counter, data("4.25", Some("counter")), Consent::Judge)
        .await;
    assert!(number.is_ok(), "{number:?}");
    let refused = runtime
        .internalize(counter, data("no number", Some("counter")), Consent::Judge)
        .await;
    assert_eq!(refused.unwrap_err().code, Code::Malformed);
    let refused = runtime
        .internalize(counter, data("what?", None), Consent::Judge)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Untestable);
    assert!(refused.hint.unwrap().contains("override"));
    let taken = runtime
        .internalize(counter, data("what?", None), Consent::Override)
        .await
        .unwrap();
    assert!(
        medium
            .body(counter)
            .await
            .iter()
            .any(|&(at, _)| at == taken.occurrence)
    );
    assert!(
        medium.log(counter).await.contains("override"),
        "and it is on record"
    );
    runtime.shutdown().await;
}

/// What fails in the middle leaves the body as it was, and one that can be woken.
#[tokio::test]
async fn a_part_that_cannot_begin_is_not_taken() {
    let medium = medium().await;
    let runtime = &medium.runtime;
    let counter = medium.spawn(Birth::native("counter", "7").durable()).await;
    let before = show(runtime, counter).await;
    for consent in [Consent::Judge, Consent::Override] {
        let refused = runtime
            .internalize(counter, native("counter", "not a number"), consent)
            .await
            .unwrap_err();
        assert_eq!(refused.code, Code::Malformed, "{refused}");
        let refused = runtime
            .upgrade(counter, None, native("counter", "not a number"), consent)
            .await;
        assert!(
            refused.is_err() || consent == Consent::Override,
            "{refused:?}"
        );
        let nested = PartBirth {
            role: None,
            code: CodeBirth::Computer(Box::new(puppet())),
        };
        let refused = runtime
            .internalize(counter, nested, consent)
            .await
            .unwrap_err();
        assert_eq!(
            refused.code,
            Code::Denied,
            "a VC is not taken in by a message: {refused}"
        );
    }
    assert_eq!(show(runtime, counter).await.body.len(), before.body.len());
    runtime.sleep(counter).await.unwrap();
    runtime.quiet().await.unwrap();
    assert_eq!(say(runtime, counter, "1").await, "8", "it wakes");
    runtime.shutdown().await;
}

#[tokio::test]
async fn an_upgrade_keeps_state_mailbox_and_occurrence() {
    let medium = medium().await;
    let runtime = &medium.runtime;
    let counter = medium.spawn(Birth::native("counter", "").durable()).await;
    let driver = medium.spawn(knowing(puppet(), &[counter])).await;
    say(runtime, counter, "40").await;
    // Mail before, the upgrade, mail after: all of it in the order in which it came.
    let (first, upgraded, last) = tokio::join!(
        runtime.ask(Outgoing::new(counter, "1"), common::WAIT_MS),
        runtime.upgrade(counter, Some(1), native("counter", ""), Consent::Judge),
        runtime.ask(Outgoing::new(counter, "1"), common::WAIT_MS),
    );
    assert_eq!(upgraded.unwrap().occurrence, 1);
    assert_eq!(first.unwrap().reply.unwrap().contents.as_text(), Some("41"));
    assert_eq!(last.unwrap().reply.unwrap().contents.as_text(), Some("42"));
    tell(runtime, driver, "!send k0 1").await;
    assert_eq!(notes(runtime, driver).await, ["reply 43"]);

    // Links that would be lost: refused, unless the owner overrides.
    let say_part = medium.spawn(Birth::native("say", "hi").durable()).await;
    let mut role = native("echo", "");
    role.role = Some("voice".into());
    let refused = runtime
        .upgrade(say_part, Some(1), role.clone(), Consent::Judge)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Denied, "{refused}");
    assert!(
        refused.what.contains("medium/timer"),
        "the lost links are named: {refused}"
    );
    assert_eq!(
        runtime
            .upgrade(say_part, Some(1), role, Consent::Override)
            .await
            .unwrap()
            .occurrence,
        1
    );
    assert_eq!(say(runtime, say_part, "echoed").await, "echoed");
    let refused = runtime
        .upgrade(say_part, Some(9), native("echo", ""), Consent::Judge)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Unknown);
    check_conserved(runtime, "upgrades").await;
    runtime.shutdown().await;
}

/// A body is reshaped by its owner, its host, and whom it names as a reshaper; by nobody else.
#[tokio::test]
async fn only_owner_host_and_reshapers_are_obeyed() {
    let medium = medium().await;
    let runtime = &medium.runtime;
    let stranger = medium
        .spawn(Birth::native("reshaper", "").granted(Grants::ALL))
        .await;
    let trusted = medium
        .spawn(Birth::native("reshaper", "").granted(Grants::ALL))
        .await;
    let without = medium
        .spawn(Birth::native("reshaper", "").granted(Grants::HARMLESS))
        .await;
    let mut birth = puppet();
    birth.reshapers = vec![trusted, without];
    let body = medium.spawn(birth).await;
    // They learn of it by a message that hands it over.
    for (who, obeyed) in [(stranger, false), (trusted, true), (without, false)] {
        let giver = medium.spawn(knowing(puppet(), &[who, body])).await;
        let parts = medium.body(body).await.len();
        tell(runtime, giver, "!give k0 k1").await;
        assert_eq!(
            medium.body(body).await.len(),
            parts + usize::from(obeyed),
            "{obeyed}"
        );
    }
    // The host, whose child it is.
    let host = medium
        .spawn(Birth::native("reshaper", "").granted(Grants::ALL))
        .await;
    tell(runtime, host, "have a child").await;
    let child = show(runtime, host).await.contacts[0].id;
    let parts = medium.body(child).await.len();
    tell(runtime, host, "reshape it").await;
    assert_eq!(medium.body(child).await.len(), parts + 1);
    // The scavenger offers what it holds at the word of the owner only.
    let counter = medium.spawn(Birth::native("counter", "")).await;
    let at = runtime
        .internalize(counter, native("echo", ""), Consent::Judge)
        .await
        .unwrap()
        .occurrence;
    let part = runtime.strip(counter, at).await.unwrap().message;
    let scavenger = runtime.resolve("scavenger").await.unwrap();
    let beggar = medium.spawn(Birth::native("beggar", "")).await;
    let giver = medium.spawn(knowing(puppet(), &[beggar, scavenger])).await;
    tell(runtime, giver, "!give k0 k1").await;
    tell(runtime, beggar, &format!("give {part}")).await;
    assert_eq!(medium.body(beggar).await.len(), 2);
    assert_eq!(medium.scavenged().await, [1, 1, 0, 0]);
    check_conserved(runtime, "reshapers").await;
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_stripped_part_is_adopted_or_removed_after_its_time() {
    let medium = medium().await;
    let runtime = &medium.runtime;
    let one = medium.spawn(Birth::native("counter", "").durable()).await;
    let two = medium.spawn(Birth::native("echo", "").durable()).await;
    let mut stripped = Vec::new();
    for _ in 0..3 {
        let at = runtime
            .internalize(one, native("echo", ""), Consent::Judge)
            .await
            .unwrap()
            .occurrence;
        stripped.push(runtime.strip(one, at).await.unwrap().message);
    }
    runtime.quiet().await.unwrap();
    assert_eq!(medium.scavenged().await, [3, 3, 0, 0]);
    let at = runtime
        .adopt(two, stripped[0], Consent::Judge)
        .await
        .unwrap();
    assert!(
        medium
            .body(two)
            .await
            .contains(&(at.occurrence, "native echo/1".to_owned()))
    );
    assert_eq!(medium.scavenged().await, [3, 2, 1, 0]);
    assert!(
        runtime
            .adopt(one, stripped[0], Consent::Judge)
            .await
            .is_err(),
        "not twice"
    );
    let refused = runtime
        .adopt(two, MessageId(genesis::id::Digest::ZERO), Consent::Judge)
        .await;
    assert_eq!(refused.unwrap_err().code, Code::Unknown);
    pass(runtime, medium.clock.as_ref(), Scavenger::HOLD_MS + 1).await;
    assert_eq!(medium.scavenged().await, [3, 0, 1, 2]);
    assert!(
        runtime
            .adopt(two, stripped[1], Consent::Judge)
            .await
            .is_err(),
        "it is removed"
    );
    runtime.shutdown().await;
}

/// More parts than a VC has timers end all the same.
#[tokio::test]
async fn every_part_held_ends() {
    const MANY: u64 = 300;
    let medium = medium().await;
    let runtime = &medium.runtime;
    let one = medium.spawn(Birth::native("counter", "")).await;
    for _ in 0..MANY {
        let at = runtime
            .internalize(one, native("echo", ""), Consent::Judge)
            .await
            .unwrap()
            .occurrence;
        runtime.strip(one, at).await.unwrap();
    }
    runtime.quiet().await.unwrap();
    assert_eq!(medium.scavenged().await, [MANY, MANY, 0, 0]);
    pass(runtime, medium.clock.as_ref(), 2 * Scavenger::HOLD_MS).await;
    assert_eq!(medium.scavenged().await, [MANY, 0, 0, MANY]);
    runtime.shutdown().await;
}

/// A part that does not fit a message stays where it is.
#[tokio::test]
async fn what_cannot_travel_is_not_stripped() {
    let medium = medium().await;
    let runtime = &medium.runtime;
    let mut birth = Birth::native("counter", "");
    birth.parts.push(data(vec![1; 100 * 1024], None));
    let host = medium.spawn(birth).await;
    let before = medium.body(host).await;
    let refused = runtime.strip(host, 2).await.unwrap_err();
    assert_eq!(refused.code, Code::TooLarge, "{refused}");
    assert_eq!(medium.body(host).await, before);
    assert_eq!(medium.scavenged().await, [0; 4]);
    runtime.shutdown().await;
}

/// Law 5: a stripped part ends internalized elsewhere or removed, never both, never neither; through
/// random scripts, crashes of the store at random calls among them.
#[tokio::test]
async fn parts_are_conserved() {
    for seed in 0..30 {
        let mut medium = medium().await;
        let mut people = Vec::new();
        for n in 0..4 {
            let mut birth = Birth::native("counter", "");
            birth.durable = true;
            birth.name = Some(format!("person-{n}"));
            people.push(medium.spawn(birth).await);
        }
        let mut wild: Vec<MessageId> = Vec::new();
        for n in 0..40 {
            let roll = draw(seed, n);
            let who = people[usize::try_from(roll >> 8 & 3).unwrap()];
            let runtime = &medium.runtime;
            match roll % 8 {
                0..3 => {
                    let _ = runtime
                        .internalize(who, native("echo", ""), Consent::Judge)
                        .await;
                }
                3..5 => {
                    let last = show(runtime, who).await.body.last().unwrap().occurrence;
                    if last > 1
                        && let Ok(message) = runtime.strip(who, last).await
                    {
                        wild.push(message.message);
                    }
                }
                5 => {
                    if let Some(&part) = wild.get(usize::try_from(roll >> 16).unwrap() % 8) {
                        let _ = runtime.adopt(who, part, Consent::Judge).await;
                    }
                }
                6 => pass(runtime, medium.clock.as_ref(), roll >> 20 & 0x3f_ffff).await,
                _ => {
                    // In the middle of a strip or an adoption, at whichever call comes.
                    let fate = if roll >> 30 & 1 == 0 {
                        CommitFate::Lost
                    } else {
                        CommitFate::Kept
                    };
                    medium
                        .faults
                        .crash_at(medium.faults.calls() + 1 + (roll >> 32 & 3), fate);
                    let shown = runtime.show(who).await;
                    let last = shown.map_or(0, |vc| vc.body.last().unwrap().occurrence);
                    if roll >> 40 & 1 == 0 && last > 1 {
                        let _ = runtime.strip(who, last).await;
                    } else if let Some(&part) = wild.last() {
                        let _ = runtime.adopt(who, part, Consent::Judge).await;
                    }
                    runtime.shutdown().await;
                    medium.faults.crash();
                    medium.faults.restart();
                    let now = medium.clock.now();
                    medium = medium_on(medium.faults.clone(), now).await;
                    medium.runtime.quiet().await.unwrap();
                }
            }
            let runtime = &medium.runtime;
            runtime.quiet().await.unwrap();
            let [taken, held, adopted, removed] = medium.scavenged().await;
            assert_eq!(taken, held + adopted + removed, "seed {seed}, step {n}");
        }
        // Each part that was ever in a body is in one, or held, or removed: counted by occurrences.
        let mut born = 0;
        let mut inside = 0;
        for &who in &people {
            let image = medium.runtime.freeze(who).await.unwrap();
            born += image.next_occurrence - 2;
            inside += image.parts.len() as u64 - 2;
        }
        let [taken, held, adopted, removed] = medium.scavenged().await;
        assert_eq!(taken, held + adopted + removed, "seed {seed}");
        assert_eq!(
            born,
            inside + taken,
            "seed {seed}: {held} {adopted} {removed}"
        );
        check_conserved(&medium.runtime, &format!("seed {seed}")).await;
        medium.runtime.shutdown().await;
    }
}

/// Five nested levels pass a token; the inner ones reach nothing but host and siblings.
#[tokio::test]
async fn what_is_nested_reaches_its_host_and_siblings_only() {
    let medium = medium().await;
    let runtime = &medium.runtime;
    let within = |inner: Birth, name: &str| {
        let mut host = Birth::native(name, "").granted(Grants::ALL);
        host.parts.push(PartBirth {
            role: Some("inner".into()),
            code: CodeBirth::Computer(Box::new(inner)),
        });
        host
    };
    let mut ring = Birth::native("ring", "");
    for _ in 0..5 {
        ring = within(ring, "ring");
    }
    let ring = medium.spawn(ring.durable()).await;
    assert_eq!(say(runtime, ring, "token").await, "token 6");

    let mut host = puppet().named("host");
    for role in ["a", "b"] {
        host.parts.push(PartBirth {
            role: Some(role.into()),
            code: CodeBirth::Computer(Box::new(puppet())),
        });
    }
    let host = medium.spawn(host).await;
    let a = runtime.resolve("host/a").await.unwrap();
    let portrait = show(runtime, a).await;
    assert!(portrait.summary.nested);
    assert_eq!(portrait.summary.host, host);
    let names: Vec<_> = portrait
        .contacts
        .iter()
        .filter_map(|c| c.name.as_deref())
        .collect();
    assert_eq!(names, ["b"], "its siblings, and nobody else");
    assert_eq!(
        a.as_bytes()[0],
        host.as_bytes()[0],
        "it lives beside its host"
    );
    tell(runtime, a, "!send h up;send =b across").await;
    assert_eq!(notes(runtime, host).await, ["tell up"]);
    for (n, step) in ["send k1 x", "send =a x", "send =host x"]
        .iter()
        .enumerate()
    {
        let why = ask(runtime, a, &format!("!{step}")).await.unwrap_err();
        assert_eq!(why.code, Code::NotAContact, "{n}: {why}");
    }
    // A top-level list does not show it, a full one does.
    let top = runtime
        .list(actors::view::ListQuery::default())
        .await
        .unwrap()
        .rows;
    assert!(top.iter().all(|row| !row.nested));
    // It ends with its host.
    runtime.stop_vc(host).await.unwrap();
    runtime.quiet().await.unwrap();
    assert_eq!(
        show(runtime, a).await.summary.life,
        actors::life::Life::Stopped
    );
    runtime.shutdown().await;
}
