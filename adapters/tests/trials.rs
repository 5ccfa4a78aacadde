//! Parts are tried before they are adopted: by what they say, by the adopter's judge, by its own messages.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod sandbox;

use actors::birth::{Birth, PartBirth};
use actors::view::{Consent, Outgoing, Verdict};
use genesis::refusal::Code;
use sandbox::common::{self, say, show};
use sandbox::{body, bring, log, on_store, part, robot, source};

#[tokio::test]
async fn a_fleet_adopts_only_the_limb_that_passes() {
    const FLEET: usize = 50;
    let runtime = on_store().await;
    // Version 0 of the limb: another module, so that version 1 is news.
    let old = String::from_utf8(source("limb/limb-v1.wat")).unwrap();
    let old = old.replacen("(module", "(module $before", 1) + "\n;; an older build";
    let old = old.replace(
        "(memory (export \"memory\") 1 1)",
        "(memory (export \"memory\") 1 1)\n  (global (export \"older\") (mut i32) (i32.const 7))",
    );
    let mut fleet = Vec::new();
    for _ in 0..FLEET {
        let mut birth = robot(&runtime).await;
        birth.parts[2] = PartBirth {
            role: Some("limb".to_owned()),
            ..bring(&runtime, old.as_bytes()).await
        };
        fleet.push(runtime.spawn(birth).await.unwrap());
    }
    for &robot in &fleet {
        assert_eq!(say(&runtime, robot, "move 5").await, "5");
    }
    let reasons = [
        ("limb/limb-v2.wat", Code::Fault, "fails its own test"),
        ("limb/limb-v3.wat", Code::Untestable, "without a decoder"),
        ("limb/limb-v4.wat", Code::Denied, "was not granted `spawn`"),
        ("limb/limb-boaster.wat", Code::Fault, "the judge refuses it"),
    ];
    for (path, code, why) in reasons {
        let limb = part(&runtime, path, "limb").await;
        for &robot in &fleet {
            let refused = runtime
                .upgrade(robot, None, limb.clone(), Consent::Judge)
                .await
                .unwrap_err();
            assert_eq!(refused.code, code, "{path}: {refused}");
            assert!(refused.what.contains(why), "{path}: {refused}");
        }
    }
    let limb = part(&runtime, "limb/limb-v1.wat", "limb").await;
    for &robot in &fleet {
        let done = runtime
            .upgrade(robot, None, limb.clone(), Consent::Judge)
            .await
            .unwrap();
        assert!(done.fuel > 0 && done.occurrence == 3, "{done:?}");
        assert_eq!(
            say(&runtime, robot, "move 2").await,
            "7",
            "it goes on from where it stood"
        );
    }
    // What was replaced was broadcast, and is held for whoever wants it.
    let scavenger = runtime.resolve("scavenger").await.unwrap();
    let held = say(&runtime, scavenger, "stats").await;
    assert!(held.contains(&format!("taken={FLEET}")), "{held}");
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_part_that_praises_itself_is_not_believed() {
    let runtime = on_store().await;
    let robot = runtime.spawn(robot(&runtime).await).await.unwrap();
    assert_eq!(say(&runtime, robot, "move 5").await, "5");
    let before = show(&runtime, robot).await;
    let boaster = part(&runtime, "limb/limb-boaster.wat", "limb").await;
    let trial = runtime.try_part(robot, None, boaster, None).await.unwrap();
    let own = trial.own.unwrap();
    assert!(own.ok);
    assert_eq!(
        own.measured
            .iter()
            .find(|s| s.name == "skill")
            .unwrap()
            .value,
        1_000_000
    );
    let judged = trial.judged.unwrap();
    assert!(!judged.ok, "{judged:?}");
    assert!(matches!(trial.verdict, Verdict::Refuse(_)));
    let after = show(&runtime, robot).await;
    assert_eq!(
        after.image_digest, before.image_digest,
        "the adopter was not touched"
    );
    assert_eq!(after.body_digest, before.body_digest);
    // On the owner's account it comes in, and that is written down.
    let boaster = part(&runtime, "limb/limb-boaster.wat", "limb").await;
    runtime
        .upgrade(robot, None, boaster, Consent::Override)
        .await
        .unwrap();
    assert!(log(&runtime, robot).await.contains("was taken although"));
    assert_eq!(
        say(&runtime, robot, "move 1").await,
        "4",
        "it moves the wrong way"
    );
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_cats_memory_gets_better_when_its_hippocampus_does() {
    let runtime = on_store().await;
    let cat = body(vec![
        part(&runtime, "hippocampus/cat-brain.wat", "brain").await,
        part(&runtime, "hippocampus/cat-judge.wat", "judge").await,
        part(&runtime, "hippocampus/hippocampus-v1.wat", "memory").await,
    ]);
    let cat = runtime.spawn(cat).await.unwrap();
    for n in 0..6 {
        say(&runtime, cat, &format!("learn k{n} v{n}")).await;
    }
    assert_eq!(say(&runtime, cat, "recall k0").await, "forgotten");
    assert_eq!(say(&runtime, cat, "recall k5").await, "v5");
    let newer = part(&runtime, "hippocampus/hippocampus-v2.wat", "memory").await;
    let older = part(&runtime, "hippocampus/hippocampus-v1.wat", "memory").await;
    let retention = async |part: PartBirth| {
        let trial = runtime.try_part(cat, None, part, None).await.unwrap();
        trial
            .judged
            .unwrap()
            .measured
            .iter()
            .find(|s| s.name == "retention")
            .unwrap()
            .value
    };
    assert_eq!(
        (retention(older).await, retention(newer.clone()).await),
        (4, 8)
    );
    runtime
        .upgrade(cat, None, newer, Consent::Judge)
        .await
        .unwrap();
    assert_eq!(
        say(&runtime, cat, "recall k5").await,
        "v5",
        "what it knew it knows"
    );
    for n in 6..14 {
        say(&runtime, cat, &format!("learn k{n} v{n}")).await;
    }
    assert_eq!(say(&runtime, cat, "recall k6").await, "v6");
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_refused_state_keeps_the_old_part_and_its_mail() {
    let runtime = on_store().await;
    let v1 = part(&runtime, "counter/counter-v1.wat", "counter").await;
    let counter = Birth {
        record: 16,
        ..body(vec![v1])
    };
    let counter = runtime.spawn(counter).await.unwrap();
    assert_eq!(say(&runtime, counter, "40").await, "40");
    let v3 = part(&runtime, "counter/counter-v3.wat", "counter").await;
    // An override is about the verdict: a state that is refused is not thrown away.
    for consent in [Consent::Override, Consent::Replay(8)] {
        let (mail, refused) = tokio::join!(
            runtime.ask(Outgoing::new(counter, "0"), common::WAIT_MS),
            runtime.upgrade(counter, None, v3.clone(), consent),
        );
        assert_eq!(mail.unwrap().reply.unwrap().contents.as_text(), Some("40"));
        let refused = refused.unwrap_err();
        assert!(refused.what.contains("state"), "{refused}");
    }
    assert_eq!(say(&runtime, counter, "1").await, "41");
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_replay_shows_what_would_be_different() {
    let runtime = on_store().await;
    let v1 = part(&runtime, "counter/counter-v1.wat", "counter").await;
    let counter = Birth {
        record: 16,
        ..body(vec![v1.clone()])
    };
    let counter = runtime.spawn(counter).await.unwrap();
    assert_eq!(say(&runtime, counter, "40").await, "40");
    assert_eq!(say(&runtime, counter, "1").await, "41");
    // The same part does the same, and leaves the same.
    let same = runtime.try_part(counter, None, v1, Some(8)).await.unwrap();
    let replay = same.replay.unwrap();
    assert_eq!((replay.messages, replay.different), (2, 0));
    assert!(replay.states.is_empty(), "{:?}", replay.states);
    assert!(matches!(same.verdict, Verdict::Adopt), "{:?}", same.verdict);
    // A newer one, found by what it gives: its answers differ, and nobody has said that they may.
    let v2 = bring(&runtime, &source("counter/counter-v2.wat")).await;
    let trial = runtime
        .try_part(counter, None, v2.clone(), Some(8))
        .await
        .unwrap();
    assert_eq!(trial.replaces, Some(1));
    let replay = trial.replay.unwrap();
    assert_eq!(
        (replay.messages, replay.different, replay.failing),
        (2, 2, 0)
    );
    assert_eq!(replay.differences[1].before, ["reply \"41\""]);
    for consent in [Consent::Judge, Consent::Replay(8)] {
        let refused = runtime
            .upgrade(counter, None, v2.clone(), consent)
            .await
            .unwrap_err();
        assert!(refused.hint.unwrap().contains("override"));
    }
    runtime
        .upgrade(counter, None, v2, Consent::Override)
        .await
        .unwrap();
    assert_eq!(say(&runtime, counter, "1").await, "42 (1 message)");
    runtime.shutdown().await;
}
