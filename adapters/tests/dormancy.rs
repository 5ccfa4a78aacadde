//! Sleep, wake, freeze, thaw, removal: what of them can be noticed, and what is left.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::clock::{Clock, VirtualClock};
use actors::events::EventKind;
use actors::life::Life;
use actors::runtime::Runtime;
use actors::store::{Store, Table};
use actors::view::{ListQuery, Outgoing};
use adapters::store::memory::MemoryStore;
use common::{check_conserved, config_on, knowing, notes, pass, puppet, say, show, start, tell};
use genesis::id::VcId;
use genesis::image::Image;
use genesis::power::Power;
use genesis::refusal::Code;

struct Medium {
    runtime: Runtime,
    clock: Arc<VirtualClock>,
    store: Arc<dyn Store>,
}

async fn medium() -> Medium {
    medium_on(Arc::new(MemoryStore::new()), usize::MAX).await
}

async fn medium_on(store: Arc<dyn Store>, memory_bytes_max: usize) -> Medium {
    let clock = Arc::new(VirtualClock::default());
    let mut config = config_on(1, Arc::clone(&store));
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    config.memory_bytes_max = memory_bytes_max;
    Medium {
        runtime: start(config).await,
        clock,
        store,
    }
}

impl Medium {
    async fn pass(&self, ms: u64) {
        pass(&self.runtime, self.clock.as_ref(), ms).await;
    }

    async fn spawn(&self, birth: Birth) -> VcId {
        self.runtime.spawn(birth).await.unwrap()
    }

    /// The life of a VC as a list says it, which wakes nobody.
    async fn life(&self, id: VcId) -> Option<Life> {
        let query = ListQuery {
            all: true,
            ..ListQuery::default()
        };
        let rows = self.runtime.list(query).await.unwrap().rows;
        rows.iter().find(|row| row.id == id).map(|row| row.life)
    }

    /// Puts to sleep, and waits until it is nowhere but in the store.
    async fn sleep(&self, id: VcId) {
        assert_eq!(self.runtime.sleep(id).await.unwrap(), Life::Dormant);
        self.runtime.quiet().await.unwrap();
        assert_eq!(self.life(id).await, Some(Life::Dormant));
    }

    fn count(&self, kind: EventKind, id: VcId) -> usize {
        let events = self.runtime.events().after(0, usize::MAX).events;
        let of = events.iter().filter(|e| e.kind == kind && e.vc == id);
        of.count()
    }
}

#[tokio::test]
async fn an_idle_vc_sleeps_in_its_time_and_a_message_wakes_it() {
    for durable in [true, false] {
        let medium = medium().await;
        let mut birth = puppet();
        birth.durable = durable;
        birth.idle_ms = 100;
        let puppet = medium.spawn(birth).await;
        tell(&medium.runtime, puppet, "!note kept").await;
        medium.pass(90).await;
        assert_eq!(medium.life(puppet).await, Some(Life::Awake));
        tell(&medium.runtime, puppet, "!note too").await;
        medium.pass(90).await;
        assert_eq!(
            medium.life(puppet).await,
            Some(Life::Awake),
            "it was active since"
        );
        for round in 1..4 {
            medium.pass(1_200).await;
            assert_eq!(
                medium.life(puppet).await,
                Some(Life::Dormant),
                "round {round}"
            );
            assert_eq!(medium.count(EventKind::Dormant, puppet), round);
            assert_eq!(notes(&medium.runtime, puppet).await, ["kept", "too"]);
            assert_eq!(medium.life(puppet).await, Some(Life::Awake));
            assert_eq!(medium.count(EventKind::Awake, puppet), round);
        }
        check_conserved(&medium.runtime, "sleep").await;
        medium.runtime.shutdown().await;
    }
}

/// A message that comes while it falls asleep keeps it awake, and it falls asleep later all the same.
#[tokio::test]
async fn many_messages_wake_once() {
    let medium = medium().await;
    let mut birth = puppet().durable();
    birth.idle_ms = 100;
    let sleeper = medium.spawn(birth).await;
    let mut many = Vec::new();
    for _ in 0..20 {
        many.push(medium.spawn(knowing(puppet(), &[sleeper])).await);
    }
    let all = medium.spawn(knowing(puppet(), &many)).await;
    medium.sleep(sleeper).await;
    let orders: Vec<String> = (0..20).map(|n| format!("order k{n} send+k0+{n}")).collect();
    tell(&medium.runtime, all, &format!("!{}", orders.join(";"))).await;
    assert_eq!(
        medium.count(EventKind::Awake, sleeper),
        1,
        "wakes are coalesced"
    );
    assert_eq!(notes(&medium.runtime, sleeper).await.len(), 20);
    medium.runtime.sleep(sleeper).await.unwrap();
    tell(&medium.runtime, sleeper, "!note x").await;
    medium.pass(1_500).await;
    assert_eq!(
        medium.life(sleeper).await,
        Some(Life::Dormant),
        "it still knows its time"
    );
    medium.runtime.shutdown().await;
}

#[tokio::test]
async fn over_the_memory_budget_idle_vcs_sleep() {
    let medium = medium_on(Arc::new(MemoryStore::new()), 64 * 1024).await;
    let mut people = Vec::new();
    for n in 0..1_000 {
        let mut birth = Birth::native("notary", "");
        birth.durable = n % 2 == 0;
        people.push(medium.spawn(birth).await);
    }
    medium.pass(5_000).await;
    for _ in 0..300 {
        medium.runtime.quiet().await.unwrap();
    }
    let stats = medium.runtime.stats().await.unwrap();
    assert!(stats.awake < 500, "{stats:?}");
    assert!(stats.slept > 500, "{stats:?}");
    for &id in &people {
        assert_eq!(say(&medium.runtime, id, "x").await, "1");
    }
    check_conserved(&medium.runtime, "the budget").await;
    medium.runtime.shutdown().await;
}

#[tokio::test]
async fn a_sleeper_with_timers_wakes_on_time_and_once() {
    let medium = medium().await;
    let sleeper = medium.spawn(puppet().durable()).await;
    tell(
        &medium.runtime,
        sleeper,
        "!after 500 1;after 500 2;after 900 3",
    )
    .await;
    medium.sleep(sleeper).await;
    medium.pass(499).await;
    assert_eq!(medium.life(sleeper).await, Some(Life::Dormant));
    medium.pass(1).await;
    assert_eq!(medium.life(sleeper).await, Some(Life::Awake));
    // Asleep and awake again before the next: it comes once all the same.
    medium.sleep(sleeper).await;
    medium.runtime.wake(sleeper).await.unwrap();
    medium.runtime.show(sleeper).await.unwrap();
    medium.pass(1_000).await;
    let heard = ["timer 1 at 500", "timer 2 at 500", "timer 3 at 900"];
    assert_eq!(notes(&medium.runtime, sleeper).await, heard);
    assert_eq!(show(&medium.runtime, sleeper).await.timers, 0);

    // On another run of the node too.
    tell(&medium.runtime, sleeper, "!after 500 4").await;
    medium.runtime.shutdown().await;
    let medium = medium_on(medium.store, usize::MAX).await;
    medium.pass(5_000).await;
    assert_eq!(notes(&medium.runtime, sleeper).await.len(), 4);
    check_conserved(&medium.runtime, "timers").await;
    medium.runtime.shutdown().await;
}

/// Whether a VC slept in between cannot be noticed: not by it, not by those who watch it or asked it.
#[tokio::test]
async fn sleep_is_not_noticed() {
    for sleeps in [false, true] {
        let medium = medium().await;
        let slow = medium.spawn(puppet().durable()).await;
        let asker = medium.spawn(knowing(puppet().durable(), &[slow])).await;
        let watcher = medium.spawn(knowing(puppet().durable(), &[asker])).await;
        tell(&medium.runtime, watcher, "!watch k0").await;
        tell(&medium.runtime, asker, "!emit a-line;ask k0 300 !later").await;
        let _ = common::ask(&medium.runtime, asker, "!fail").await;
        let nap = async || {
            for id in [slow, asker, watcher] {
                if sleeps {
                    medium.sleep(id).await;
                }
            }
        };
        nap().await;
        let portrait = show(&medium.runtime, asker).await;
        assert_eq!(
            (
                portrait.watchers,
                portrait.summary.faults,
                portrait.set_aside.len()
            ),
            (1, 1, 1)
        );
        let log = medium.runtime.logs(asker, 0, 10).await.unwrap();
        assert_eq!(log.lines[0].text, "a-line");
        medium.pass(400).await;
        nap().await;
        assert_eq!(
            notes(&medium.runtime, asker).await,
            ["bounce timeout"],
            "sleeps: {sleeps}"
        );
        tell(&medium.runtime, slow, "!answer late").await;
        assert_eq!(
            notes(&medium.runtime, asker).await,
            ["bounce timeout"],
            "sleeps: {sleeps}"
        );
        nap().await;
        medium.runtime.stop_vc(asker).await.unwrap();
        medium.runtime.quiet().await.unwrap();
        assert_eq!(
            notes(&medium.runtime, watcher).await.len(),
            1,
            "sleeps: {sleeps}"
        );
        medium.runtime.shutdown().await;
    }
}

#[tokio::test]
async fn looking_wakes_nobody() {
    let medium = medium().await;
    let sleeper = medium.spawn(puppet().durable().named("sleeper")).await;
    tell(&medium.runtime, sleeper, "!note x").await;
    let awake = show(&medium.runtime, sleeper).await;
    medium.sleep(sleeper).await;
    let stats = medium.runtime.stats().await.unwrap();
    let seen = medium.runtime.events().last();
    let asleep = show(&medium.runtime, sleeper).await;
    assert_eq!(asleep.summary.life, Life::Dormant);
    medium.runtime.logs(sleeper, 0, 10).await.unwrap();
    medium.runtime.lineage(sleeper).await.unwrap();
    assert_eq!(medium.runtime.resolve("sleeper").await.unwrap(), sleeper);
    assert_eq!(medium.life(sleeper).await, Some(Life::Dormant));
    assert_eq!(medium.runtime.events().last(), seen, "nothing happened");
    let after = medium.runtime.stats().await.unwrap();
    assert_eq!((after.awake, after.woken), (stats.awake, stats.woken));
    assert_eq!(asleep.image_digest, awake.image_digest);
    medium.runtime.shutdown().await;
}

#[tokio::test]
async fn volatile_sleepers_end_with_the_run_and_names_survive() {
    let first = medium().await;
    let durable = first.spawn(puppet().durable().named("stays")).await;
    let volatile = first.spawn(puppet().named("goes")).await;
    first.sleep(volatile).await;
    first.sleep(durable).await;
    let refused = first
        .runtime
        .spawn(puppet().named("stays"))
        .await
        .unwrap_err();
    assert_eq!(
        refused.code,
        Code::Conflict,
        "a name is taken while its VC sleeps"
    );
    first.runtime.shutdown().await;
    let second = medium_on(first.store, usize::MAX).await;
    assert_eq!(second.runtime.resolve("stays").await.unwrap(), durable);
    assert_eq!(
        second.runtime.resolve("goes").await.unwrap_err().code,
        Code::Unknown
    );
    assert_eq!(
        second.runtime.show(volatile).await.unwrap_err().code,
        Code::Unknown
    );
    assert_eq!(second.life(durable).await, Some(Life::Dormant));
    assert_traceless(&second.store, volatile, "goes");
    second.spawn(puppet().named("goes")).await;
    let refused = second
        .runtime
        .spawn(puppet().named("stays"))
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    second.runtime.shutdown().await;
}

/// A child cannot take the name of another by being called so.
#[tokio::test]
async fn names_are_the_owners() {
    let first = medium().await;
    let real = first.spawn(puppet().durable().named("treasurer")).await;
    let parent = first.spawn(puppet().durable()).await;
    tell(
        &first.runtime,
        parent,
        "!spawn puppet durable all called=treasurer",
    )
    .await;
    assert_eq!(show(&first.runtime, parent).await.contacts.len(), 1);
    assert_eq!(first.runtime.resolve("treasurer").await.unwrap(), real);
    first.runtime.shutdown().await;
    let second = medium_on(first.store, usize::MAX).await;
    assert_eq!(second.runtime.resolve("treasurer").await.unwrap(), real);
    second.runtime.shutdown().await;
}

/// No table holds the id or the name of a VC.
fn assert_traceless(store: &Arc<dyn Store>, id: VcId, name: &str) {
    let within = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
    for table in Table::ALL {
        for (key, value) in store.range(table, &[], usize::MAX).unwrap() {
            for bytes in [&key, &value] {
                assert!(
                    !within(bytes, id.as_bytes()),
                    "table {table}: the id is left"
                );
                assert!(
                    !within(bytes, name.as_bytes()),
                    "table {table}: the name is left"
                );
            }
        }
    }
}

#[tokio::test]
async fn after_removal_nothing_is_left() {
    let medium = medium().await;
    let mut birth = puppet().durable().named("ephemera");
    birth.record = 3;
    birth.parts.push(PartBirth {
        role: Some("within".into()),
        code: CodeBirth::Computer(Box::new(puppet())),
    });
    let id = medium.spawn(birth).await;
    let inner = medium.runtime.resolve("ephemera/within").await.unwrap();
    for n in 0..10 {
        let outgoing = Outgoing {
            key: Some(n.to_string()),
            ..Outgoing::new(id, "!note x;after 100000 5;send =within hello")
        };
        medium.runtime.send(outgoing).await.unwrap();
    }
    medium.runtime.quiet().await.unwrap();
    medium.sleep(inner).await;
    assert!(
        store_holds(&medium.store, id),
        "the test looks in the right place"
    );
    let refused = medium.runtime.remove(id).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "a living VC is not removed");
    medium.runtime.stop_vc(id).await.unwrap();
    medium.runtime.quiet().await.unwrap();
    assert_eq!(medium.runtime.remove(id).await.unwrap(), Life::Removed);
    medium.runtime.quiet().await.unwrap();
    for (id, name) in [(id, "ephemera"), (inner, "within")] {
        assert_traceless(&medium.store, id, name);
        assert_eq!(medium.life(id).await, None);
        assert_eq!(
            medium.runtime.show(id).await.unwrap_err().code,
            Code::Unknown
        );
        let refused = medium
            .runtime
            .send(Outgoing::new(id, "x"))
            .await
            .unwrap_err();
        assert_eq!(refused.code, Code::Unknown);
    }
    assert_eq!(
        medium
            .runtime
            .find("name in {ephemera}", 9)
            .await
            .unwrap()
            .len(),
        0
    );
    medium.spawn(puppet().durable().named("ephemera")).await;
    check_conserved(&medium.runtime, "removal").await;
    medium.runtime.shutdown().await;
}

fn store_holds(store: &Arc<dyn Store>, id: VcId) -> bool {
    store.get(Table::Vcs, id.as_bytes()).unwrap().is_some()
}

/// Frozen here, thawed there: the same VC, but for what another place makes of it.
#[tokio::test]
async fn a_vc_moves_with_all_it_is() {
    let here = medium().await;
    let friend = here.spawn(puppet().durable()).await;
    let mut birth = knowing(puppet().durable().named("mover"), &[friend]);
    birth.parts.push(PartBirth {
        role: Some("within".into()),
        code: CodeBirth::Computer(Box::new(puppet())),
    });
    let id = here.spawn(birth).await;
    tell(
        &here.runtime,
        id,
        "!note first;send =within deep;after 700 7",
    )
    .await;
    let image = here.runtime.freeze(id).await.unwrap();
    let bytes = image.to_bytes().unwrap();
    assert_eq!(Image::from_bytes(&bytes).unwrap(), image);
    assert_eq!(
        here.runtime.freeze(id).await.unwrap(),
        image,
        "looking changes nothing"
    );
    for awake in [true, false] {
        if !awake {
            here.sleep(id).await;
        }
        assert_eq!(here.runtime.freeze(id).await.unwrap(), image);
    }
    here.runtime.stop_vc(id).await.unwrap();

    let there = medium().await;
    let thawed = there
        .runtime
        .thaw(image.clone(), None, true, false)
        .await
        .unwrap();
    assert_eq!(thawed, id);
    let refused = there
        .runtime
        .thaw(image.clone(), None, true, false)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "it lives there once");
    let mut again = there.runtime.freeze(id).await.unwrap();
    again.host = image.host;
    assert_eq!(again.digest().unwrap(), image.digest().unwrap());
    assert_eq!(there.runtime.resolve("mover").await.unwrap(), id);
    tell(&there.runtime, id, "!note second;send =within deeper").await;
    there.pass(1_000).await;
    assert_eq!(
        notes(&there.runtime, id).await,
        ["first", "second", "timer 7 at 700"]
    );
    let inner = there.runtime.resolve("mover/within").await.unwrap();
    assert_eq!(
        notes(&there.runtime, inner).await,
        ["tell deep", "tell deeper"]
    );
    here.runtime.shutdown().await;
    there.runtime.shutdown().await;
}

/// Fork: another id, the same body and shape, the parent recorded, and nothing shared.
#[tokio::test]
async fn a_fork_goes_its_own_way() {
    let medium = medium().await;
    let mut birth = puppet().durable().named("parent");
    birth.grants = birth.grants.with(Power::Fork);
    for role in ["left", "right"] {
        birth.parts.push(PartBirth {
            role: Some(role.into()),
            code: CodeBirth::Computer(Box::new(puppet())),
        });
    }
    let parent = medium.spawn(birth).await;
    tell(&medium.runtime, parent, "!note shared;after 500 1").await;
    let by_owner = medium
        .runtime
        .fork(parent, Some("owners".into()))
        .await
        .unwrap();
    tell(&medium.runtime, parent, "!fork 1000000").await;
    let contacts = show(&medium.runtime, parent).await.contacts;
    let by_itself = contacts.last().unwrap().id;
    let original = show(&medium.runtime, parent).await;
    for child in [by_owner, by_itself] {
        let portrait = show(&medium.runtime, child).await;
        assert_eq!(portrait.lineage, [parent]);
        assert_eq!(portrait.shape, original.shape);
        assert_eq!(notes(&medium.runtime, child).await, ["shared"]);
        tell(&medium.runtime, child, "!note mine;send =left hello").await;
        // Those in its body are its own, and know one another.
        let left = medium
            .runtime
            .resolve(&format!("{child}/left"))
            .await
            .unwrap();
        let right = medium
            .runtime
            .resolve(&format!("{child}/right"))
            .await
            .unwrap();
        assert_eq!(notes(&medium.runtime, left).await, ["tell hello"]);
        tell(&medium.runtime, left, "!send =right sibling;send h up").await;
        assert_eq!(notes(&medium.runtime, right).await, ["tell sibling"]);
        assert_eq!(
            notes(&medium.runtime, child).await,
            ["shared", "mine", "tell up"]
        );
    }
    for role in ["left", "right"] {
        let inner = medium
            .runtime
            .resolve(&format!("parent/{role}"))
            .await
            .unwrap();
        assert_eq!(
            notes(&medium.runtime, inner).await.len(),
            0,
            "{role} of the parent"
        );
    }
    assert_eq!(notes(&medium.runtime, parent).await, ["shared"]);
    medium.runtime.stop_vc(by_itself).await.unwrap();
    medium.runtime.quiet().await.unwrap();
    tell(&medium.runtime, parent, "!send =left still").await;
    let left = medium.runtime.resolve("parent/left").await.unwrap();
    assert_eq!(
        notes(&medium.runtime, left).await,
        ["tell still"],
        "a fork's end is its own"
    );
    medium.pass(600).await;
    assert_eq!(
        notes(&medium.runtime, by_owner).await.last().unwrap(),
        "timer 1 at 500"
    );
    check_conserved(&medium.runtime, "forks").await;
    medium.runtime.shutdown().await;

    // All of it survives.
    let again = medium_on(medium.store, usize::MAX).await;
    assert_eq!(again.runtime.resolve("owners").await.unwrap(), by_owner);
    let left = again.runtime.resolve("owners/left").await.unwrap();
    assert_eq!(notes(&again.runtime, left).await, ["tell hello"]);
    again.runtime.shutdown().await;
}

/// A copy goes on; it is not told once more that it begins.
#[tokio::test]
async fn a_fork_of_a_say_speaks_no_faster() {
    let medium = medium().await;
    let say = medium.spawn(Birth::native("say", "hello")).await;
    medium.pass(250).await;
    let fork = medium.runtime.fork(say, None).await.unwrap();
    medium.pass(1_000).await;
    let lines = medium
        .runtime
        .logs(fork, 0, 1_000)
        .await
        .unwrap()
        .lines
        .len();
    assert_eq!(lines, 10);
    medium.runtime.shutdown().await;
}
