//! Tags: how much of an upload there is. Kept in memory, the latest [`TAGS_MAX`] of them.
//!
//! What of an upload is on the disk has been *synced*: there is no network that would have to take it. Contents
//! are, when their upload is answered for. Single chunks under a tag are when somebody asks for the tag: one sync of the disk
//! for many of them.

use std::collections::BTreeMap;

use adapters::swarm::keccak::Hash;
use adapters::swarm::{Address, HASH_BYTES};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use genesis::time::Time;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Refused, Said, done};
use super::ask::{Params, Segments, segment};
use super::{BeeApi, blocking};

/// Most tags that are remembered; the oldest are forgotten.
const TAGS_MAX: usize = 10_000;
/// Tags of a list, unless told otherwise, and at most.
const LISTED: usize = 100;
const LISTED_MAX: usize = 1_000;
/// Longest body that names an address, in bytes.
const BODY_BYTES_MAX: usize = 1_024;

/// What is counted of an upload.
#[derive(Clone, Debug)]
struct Tag {
    started_at: Time,
    /// Chunks that came in.
    split: u64,
    /// Those of them that are on the disk.
    synced: u64,
    /// The batch that paid for the last of them.
    batch: Hash,
    /// What names the upload, once it is whole.
    address: Option<Address>,
}

/// All that is remembered.
#[derive(Debug, Default)]
pub(super) struct Tags(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    tags: BTreeMap<u64, Tag>,
}

impl Tags {
    /// A new tag.
    pub(super) fn create(&self, now: Time) -> u64 {
        let mut kept = self.0.lock();
        kept.last += 1;
        let uid = kept.last;
        let tag = Tag {
            started_at: now,
            split: 0,
            synced: 0,
            batch: [0; HASH_BYTES],
            address: None,
        };
        kept.tags.insert(uid, tag);
        if kept.tags.len() > TAGS_MAX {
            kept.tags.pop_first();
        }
        uid
    }

    /// The tag an upload asks for, or a new one.
    pub(super) fn get_or_create(&self, asked: Option<u64>, now: Time) -> Answer<u64> {
        match asked {
            None => Ok(self.create(now)),
            Some(uid) if self.0.lock().tags.contains_key(&uid) => Ok(uid),
            Some(_) => Err(Refused::not_found("tag not found")),
        }
    }

    /// Counts chunks that came in. A tag that was deleted meanwhile counts no more.
    pub(super) fn count(&self, uid: u64, split: u64, batch: Hash) {
        if let Some(tag) = self.0.lock().tags.get_mut(&uid) {
            tag.split += split;
            tag.batch = batch;
        }
    }

    /// How many chunks have come in, if not all are known to be on the disk, and the batch that paid.
    fn unsynced(&self, uid: u64) -> Option<(u64, Hash)> {
        let kept = self.0.lock();
        let tag = kept.tags.get(&uid)?;
        (tag.synced < tag.split).then_some((tag.split, tag.batch))
    }

    /// Says that so many of the chunks that came in are on the disk.
    pub(super) fn sync(&self, uid: u64, synced: u64) {
        if let Some(tag) = self.0.lock().tags.get_mut(&uid) {
            tag.synced = tag.synced.max(synced);
        }
    }

    /// The tag of which most is not on the disk, if there is one.
    pub(super) fn any_unsynced(&self) -> Option<u64> {
        let kept = self.0.lock();
        let missing = |tag: &Tag| tag.split - tag.synced;
        let most = kept.tags.iter().max_by_key(|(_, tag)| missing(tag));
        most.filter(|(_, tag)| missing(tag) > 0)
            .map(|(uid, _)| *uid)
    }

    /// Says that so many of the chunks are on the disk, and what they are named: an upload is whole.
    pub(super) fn finish(&self, uid: u64, synced: u64, address: Address) {
        if let Some(tag) = self.0.lock().tags.get_mut(&uid) {
            tag.synced = tag.split.min(tag.synced + synced);
            tag.address = Some(address);
        }
    }

    fn view(&self, uid: u64) -> Answer<View> {
        let kept = self.0.lock();
        let tag = kept.tags.get(&uid);
        tag.map(|tag| View::of(uid, tag))
            .ok_or_else(|| Refused::not_found("tag not present"))
    }
}

/// A tag as Bee shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    uid: u64,
    started_at: String,
    split: u64,
    seen: u64,
    stored: u64,
    sent: u64,
    synced: u64,
    address: String,
}

impl View {
    fn of(uid: u64, tag: &Tag) -> Self {
        Self {
            uid,
            started_at: tag.started_at.to_string(),
            split: tag.split,
            seen: 0,
            stored: tag.split,
            sent: tag.synced,
            synced: tag.synced,
            address: tag.address.unwrap_or(Address::ZERO).to_string(),
        }
    }
}

/// `POST /tags`
pub(super) async fn create(State(api): State<BeeApi>) -> Answer<Response> {
    let uid = api.tags().create(api.now());
    Ok(Said(StatusCode::CREATED, api.tags().view(uid)?).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct List {
    tags: Vec<View>,
}

/// `GET /tags`
pub(super) async fn list(State(api): State<BeeApi>, Params(page): Params<Page>) -> Response {
    let limit = page.limit.unwrap_or(LISTED).min(LISTED_MAX);
    let kept = api.tags().0.lock();
    let tags = kept.tags.iter().skip(page.offset).take(limit);
    let tags = tags.map(|(uid, tag)| View::of(*uid, tag)).collect();
    Said(StatusCode::OK, List { tags }).into_response()
}

/// `GET /tags/{id}`
pub(super) async fn show(
    State(api): State<BeeApi>,
    Segments(id): Segments<String>,
) -> Answer<Response> {
    let uid = segment("id", &id)?;
    let asked = api.clone();
    blocking(&api, move |_| sync(&asked, uid)).await?;
    Ok(Said(StatusCode::OK, api.tags().view(uid)?).into_response())
}

/// Brings the chunks of a tag to the disk. Blocks.
pub(super) fn sync(api: &BeeApi, uid: u64) -> Answer<()> {
    if let Some((split, batch)) = api.tags().unsynced(uid) {
        let batch = HEXLOWER.encode(&batch);
        api.keeper().deposit_with(api.wallet(), &batch)?.finish()?;
        api.tags().sync(uid, split);
    }
    Ok(())
}

/// `DELETE /tags/{id}`
pub(super) async fn delete(
    State(api): State<BeeApi>,
    Segments(id): Segments<String>,
) -> Answer<StatusCode> {
    let uid: u64 = segment("id", &id)?;
    match api.tags().0.lock().tags.remove(&uid) {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(Refused::not_found("tag not present")),
    }
}

/// What `PATCH /tags/{id}` says. What else is in it is left alone: clients of Bee send a `reference` that it does not
/// read either.
#[derive(Debug, Default, Deserialize)]
struct Named {
    address: Option<String>,
}

/// `PATCH /tags/{id}`: says what the upload is named.
pub(super) async fn patch(
    State(api): State<BeeApi>,
    Segments(id): Segments<String>,
    body: Body,
) -> Answer<Response> {
    let uid: u64 = segment("id", &id)?;
    let _ = api.tags().view(uid)?;
    let body = super::short_body(body, BODY_BYTES_MAX, "a tag").await?;
    let named: Named = if body.is_empty() {
        Named::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Refused::bad("invalid body").because("body", error.to_string()))?
    };
    if let Some(text) = named.address {
        api.tags()
            .finish(uid, 0, super::ask::reference(&text)?.address());
    }
    Ok(done(StatusCode::OK))
}
