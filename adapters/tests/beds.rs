//! VCs that sleep in pods: laid down, fetched by a message, and never half of either.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::beds::Dormitory;
use actors::birth::{CodeBirth, PartBirth};
use actors::events::EventKind;
use actors::runtime::Runtime;
use actors::store::Store;
use actors::view::{ListQuery, Outgoing};
use adapters::store::memory::MemoryStore;
use common::{check_conserved, config_on, knowing, notes, puppet, start, tell};
use genesis::id::{Digest, VcId};
use genesis::image::Image;
use genesis::refusal::{Code, Refusal};

/// Images in files: the smallest dormitory there is.
#[derive(Debug)]
struct Folder(PathBuf);

impl Dormitory for Folder {
    fn fetch(&self, place: &str) -> Result<Image, Refusal> {
        let bytes = std::fs::read(self.0.join(place))
            .map_err(|error| Refusal::new(Code::Io, error.to_string()))?;
        Image::from_bytes(&bytes).map_err(|error| Refusal::new(Code::Corrupt, error.to_string()))
    }
}

async fn node(seed: u8, store: &Arc<dyn Store>, beds: &Path) -> Runtime {
    let mut config = config_on(seed.into(), Arc::clone(store));
    config.dormitory = Some(Arc::new(Folder(beds.to_owned())));
    start(config).await
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// Persists and lays down, as a node does it: first the image is safe, then the VC goes.
async fn lay_down(
    runtime: &Runtime,
    id: VcId,
    beds: &Path,
    place: &str,
) -> Result<Digest, Refusal> {
    let image = runtime.freeze(id).await?;
    std::fs::write(beds.join(place), image.to_bytes().unwrap()).unwrap();
    let digest = image.digest().unwrap();
    runtime.lay_down(id, place.to_owned(), digest).await?;
    Ok(digest)
}

async fn is_listed(runtime: &Runtime, id: VcId) -> bool {
    let query = ListQuery {
        all: true,
        ..ListQuery::default()
    };
    let rows = runtime.list(query).await.unwrap().rows;
    rows.iter().any(|row| row.id == id)
}

#[tokio::test]
async fn a_message_of_the_owner_wakes_what_sleeps_in_a_pod() {
    let (store, beds) = (memory(), tempfile::tempdir().unwrap());
    let runtime = node(1, &store, beds.path()).await;
    let mut birth = puppet().durable().named("sleeper");
    birth.parts.push(PartBirth {
        role: Some("within".into()),
        code: CodeBirth::Computer(Box::new(puppet())),
    });
    let id = runtime.spawn(birth).await.unwrap();
    tell(&runtime, id, "!note kept;send =within deep").await;
    let inner = runtime.resolve("sleeper/within").await.unwrap();
    let digest = lay_down(&runtime, id, beds.path(), "one").await.unwrap();
    for gone in [id, inner] {
        assert_eq!(is_listed(&runtime, gone).await, gone == id, "the bed is");
    }
    assert_eq!(runtime.bed(id).unwrap().name.as_deref(), Some("sleeper"));
    let refused = runtime.show(id).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    insta::assert_snapshot!(
        refused.what.replace(&id.to_string(), "ID"),
        @"ID sleeps in the pod one"
    );

    // The name is still its own, and the node may end and begin in between.
    runtime.shutdown().await;
    let runtime = node(1, &store, beds.path()).await;
    assert_eq!(runtime.resolve("sleeper").await.unwrap(), id);
    assert_eq!(runtime.beds().len(), 1);
    assert_eq!(notes(&runtime, id).await, ["kept"], "asked for, it woke");
    assert_eq!(notes(&runtime, inner).await, ["tell deep"]);
    assert_eq!(runtime.bed(id), None);
    let events = runtime.events().after(0, usize::MAX).events;
    let woken = events
        .iter()
        .filter(|event| event.kind == EventKind::Awake && event.data == "from a pod");
    assert_eq!(woken.count(), 1);
    let again = lay_down(&runtime, id, beds.path(), "two").await.unwrap();
    assert_ne!(again, digest, "it handled messages since");
    runtime.wake(id).await.unwrap();
    assert_eq!(runtime.freeze(id).await.unwrap().digest().unwrap(), again);
    runtime.stop_vc(id).await.unwrap();
    runtime.remove(id).await.unwrap();
    runtime.shutdown().await;
    let runtime = node(1, &store, beds.path()).await;
    assert_eq!(runtime.beds(), [], "a bed that was left is not there again");
    runtime.shutdown().await;
}

/// Whoever else sends to it waits without knowing it, in order, and it is fetched once.
#[tokio::test]
async fn messages_of_others_wait_until_it_has_risen() {
    let (store, beds) = (memory(), tempfile::tempdir().unwrap());
    let runtime = node(1, &store, beds.path()).await;
    let sleeper = runtime.spawn(puppet().durable()).await.unwrap();
    let mut senders = Vec::new();
    for durable in [true, false, true, false] {
        let mut birth = knowing(puppet(), &[sleeper]);
        birth.durable = durable;
        senders.push(runtime.spawn(birth).await.unwrap());
    }
    lay_down(&runtime, sleeper, beds.path(), "one")
        .await
        .unwrap();
    for (n, &sender) in senders.iter().enumerate() {
        tell(&runtime, sender, &format!("!send k0 {n}a;send k0 {n}b")).await;
    }
    runtime.quiet().await.unwrap();
    let heard = notes(&runtime, sleeper).await;
    assert_eq!(heard.len(), 8, "{heard:?}");
    for n in 0..4 {
        let mine: Vec<_> = heard
            .iter()
            .filter(|note| note.contains(&format!(" {n}")))
            .collect();
        assert!(mine[0].ends_with('a') && mine[1].ends_with('b'), "{mine:?}");
    }
    check_conserved(&runtime, "beds").await;
    runtime.shutdown().await;
}

/// What cannot be fetched is refused, and sleeps on; what was fetched must be what was laid down.
#[tokio::test]
async fn what_cannot_be_fetched_sleeps_on() {
    let (store, beds) = (memory(), tempfile::tempdir().unwrap());
    let runtime = node(1, &store, beds.path()).await;
    let id = runtime.spawn(puppet().durable()).await.unwrap();
    let other = runtime.spawn(puppet().durable()).await.unwrap();
    let asker = runtime.spawn(knowing(puppet(), &[id])).await.unwrap();
    lay_down(&runtime, id, beds.path(), "one").await.unwrap();
    let image = std::fs::read(beds.path().join("one")).unwrap();
    let elses = runtime.freeze(other).await.unwrap().to_bytes().unwrap();
    for (put, code) in [(None, Code::Io), (Some(elses), Code::Corrupt)] {
        match put {
            None => std::fs::remove_file(beds.path().join("one")).unwrap(),
            Some(bytes) => std::fs::write(beds.path().join("one"), bytes).unwrap(),
        }
        let refused = runtime.send(Outgoing::new(id, "hello")).await.unwrap_err();
        assert_eq!(refused.code, code, "{refused}");
        assert!(runtime.bed(id).is_some());
        tell(&runtime, asker, "!send k0 hello").await;
        runtime.quiet().await.unwrap();
    }
    let heard = notes(&runtime, asker).await;
    assert!(
        heard.iter().all(|note| note.contains("bounce")),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 2, "each came back");
    std::fs::write(beds.path().join("one"), image).unwrap();
    tell(&runtime, id, "!note up").await;
    assert_eq!(notes(&runtime, id).await, ["up"]);
    check_conserved(&runtime, "beds").await;
    runtime.shutdown().await;
}

/// Who cannot leave whole stays whole.
#[tokio::test]
async fn who_is_not_at_rest_is_not_laid_down() {
    let (store, beds) = (memory(), tempfile::tempdir().unwrap());
    let runtime = node(1, &store, beds.path()).await;
    let id = runtime.spawn(puppet().durable()).await.unwrap();
    let digest = runtime.freeze(id).await.unwrap().digest().unwrap();
    tell(&runtime, id, "!note later").await;
    let place = || "one".to_owned();
    let refused = runtime.lay_down(id, place(), digest).await.unwrap_err();
    assert_eq!(refused.code, Code::Busy, "it has changed since");
    tell(&runtime, id, "!after 60000 7").await;
    let refused = lay_down(&runtime, id, beds.path(), "one")
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "it has a timer: {refused}");
    let volatile = runtime.spawn(puppet()).await.unwrap();
    let refused = lay_down(&runtime, volatile, beds.path(), "two").await;
    assert_eq!(refused.unwrap_err().code, Code::Conflict);
    assert_eq!(runtime.beds(), []);
    assert_eq!(notes(&runtime, id).await, ["later"]);
    runtime.shutdown().await;
}
