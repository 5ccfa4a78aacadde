//! VCs that fall asleep in the store and are woken: one after the other is too slow, so many at a time.

use std::sync::Arc;
use std::time::Duration;

use actors::birth::Birth;
use actors::letter::Contents;
use actors::runtime::Runtime;
use actors::view::{Outgoing, Stats};
use genesis::id::VcId;
use genesis::refusal::Code;
use tokio::task::JoinSet;

/// How many are born, put to sleep or woken at a time, where each is acknowledged.
const AT_ONCE: u64 = 2_048;
/// How many are woken at a time.
const WOKEN_AT_ONCE: usize = 64;
/// How long it takes to look again.
const LOOK: Duration = Duration::from_millis(5);

/// What the runtime says of itself.
///
/// # Panics
/// If it has ended.
pub async fn stats(runtime: &Runtime) -> Stats {
    runtime.stats().await.expect("it runs")
}

/// Lets so many at a time do something until it says that nothing is left.
///
/// # Panics
/// If one of them does.
pub async fn crowd<F>(senders: u64, work: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut crowd: JoinSet<()> = (0..senders).map(work).collect();
    while let Some(one) = crowd.join_next().await {
        one.expect("what is measured does not fail");
    }
}

/// Gives birth to so many durable VCs.
///
/// # Panics
/// If one is not born.
pub async fn born(runtime: &Runtime, birth: &Birth, count: u64) -> Arc<[VcId]> {
    let mut ids = Vec::new();
    let mut births = JoinSet::new();
    for n in 0..count {
        let (runtime, birth) = (runtime.clone(), birth.clone().durable());
        births.spawn(async move { runtime.spawn(birth).await.expect("a VC is born") });
        if n >= AT_ONCE
            && let Some(id) = births.join_next().await
        {
            ids.push(id.expect("no panic"));
        }
    }
    while let Some(id) = births.join_next().await {
        ids.push(id.expect("no panic"));
    }
    ids.into()
}

/// Puts all, who are awake, to sleep and waits until their cells are gone.
///
/// # Panics
/// If one is busy.
pub async fn asleep(runtime: &Runtime, ids: &Arc<[VcId]>) {
    let before = stats(runtime).await.awake;
    crowd(AT_ONCE, |first| {
        let (runtime, ids) = (runtime.clone(), Arc::clone(ids));
        async move {
            let step = usize::try_from(AT_ONCE).expect("a small number");
            let first = usize::try_from(first).expect("a small number");
            for &id in ids.iter().skip(first).step_by(step) {
                runtime.sleep(id).await.expect("it has nothing to do");
            }
        }
    })
    .await;
    let others = before.saturating_sub(ids.len() as u64);
    while stats(runtime).await.awake > others {
        tokio::time::sleep(LOOK).await;
    }
    runtime.quiet().await.expect("it runs");
}

/// Sends one message to each; until all are handled and on disk.
///
/// # Panics
/// If the runtime ends, or refuses for another reason than that it is busy.
pub async fn told(runtime: &Runtime, ids: &[VcId], contents: &Contents) {
    let turns = stats(runtime).await.turns;
    let mut courier = runtime.courier();
    for &id in ids {
        courier.tell(id, contents.clone()).await;
    }
    courier.flush().await;
    while stats(runtime).await.turns - turns < ids.len() as u64 {
        tokio::time::sleep(LOOK).await;
    }
    // An acknowledgement of something later: all before it is on disk. Until the writer has caught up
    // it is refused.
    let last = ids.last().copied().expect("there are some");
    while let Err(why) = runtime.send(Outgoing::new(last, contents.clone())).await {
        assert_eq!(why.code, Code::Busy, "{why:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Wakes each, without a message.
///
/// # Panics
/// If one does not wake.
pub async fn woken(runtime: &Runtime, ids: &Arc<[VcId]>) {
    crowd(1, |_| {
        let (runtime, ids) = (runtime.clone(), Arc::clone(ids));
        async move {
            for batch in ids.chunks(WOKEN_AT_ONCE) {
                let mut waking: JoinSet<_> = batch
                    .iter()
                    .map(|&id| {
                        let runtime = runtime.clone();
                        async move { runtime.wake(id).await.map(drop) }
                    })
                    .collect();
                while let Some(woken) = waking.join_next().await {
                    woken.expect("no panic").expect("a sleeper wakes");
                }
            }
        }
    })
    .await;
}
