//! `/feeds`: the latest update of a feed, and manifests that lead to it.
//!
//! Rule: Bee `pkg/api/feed.go`. Only sequences: the API writes no others.

use adapters::swarm::chunk::Chunk;
use adapters::swarm::feed::{Dated, Feed, Index, MANIFEST_PATH};
use adapters::swarm::mantaray::Manifest;
use adapters::swarm::soc::Soc;
use adapters::swarm::store::ChunkStore;
use adapters::swarm::{Reference, SwarmError};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Answer, Refused};
use super::ask::{
    FEED_INDEX, FEED_INDEX_NEXT, FEED_VERSION, ONLY_ROOT_CHUNK, Params, SOC_SIGNATURE, Segments,
    Upload, flag, owner, topic,
};
use super::chunks::root_chunk;
use super::deposit::{Uploaded, Uploading};
use super::outgoing::{Root, give};
use super::{BeeApi, blocking};

/// The parameters of `GET /feeds/{owner}/{topic}`.
#[derive(Debug, Deserialize)]
pub(super) struct When {
    /// Updates that say they were made later are not looked at, in seconds since 1970.
    at: Option<u64>,
    /// The number from which to look.
    #[serde(default)]
    after: u64,
}

/// An update of a feed.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) index: Index,
    soc: Soc,
    /// What it refers to, if it is of the older form.
    dated: Option<Reference>,
}

impl Update {
    /// The form: `v1` refers to contents, `v2` is their root.
    pub(super) const fn version(&self) -> &'static str {
        match self.dated {
            Some(_) => "v1",
            None => "v2",
        }
    }

    /// Where the contents begin.
    pub(super) fn root(&self) -> Root {
        match self.dated {
            Some(reference) => Root::Named(reference),
            None => Root::Wrapped(self.soc.chunk().clone()),
        }
    }
}

/// The latest update from `after` on, not later than `at`.
pub(super) fn latest(
    store: &dyn ChunkStore,
    feed: &Feed,
    after: u64,
    at: Option<u64>,
) -> Answer<Update> {
    let none = || Refused::not_found("no update found");
    let (mut index, mut soc) = feed.latest(store, Index(after))?.ok_or_else(none)?;
    let is_late = |soc: &Soc| {
        let dated = Dated::from_chunk(soc.chunk());
        dated.zip(at).is_some_and(|(dated, at)| dated.at > at)
    };
    if is_late(&soc) {
        // The first that is late, by halves: times grow with the numbers.
        let (mut low, mut high) = (after, index.0);
        while low < high {
            let middle = low.midpoint(high);
            if is_late(&feed.get(store, Index(middle))?.ok_or_else(none)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let before = high.checked_sub(1).filter(|before| *before >= after);
        index = Index(before.ok_or_else(none)?);
        soc = feed.get(store, index)?.ok_or_else(none)?;
    }
    // An update of 40 or 72 bytes may be of either form. It is of the older one if what it would then refer
    // to is here.
    let dated = match Dated::from_chunk(soc.chunk()) {
        Some(Dated { reference, .. }) => store
            .get(&reference.address())
            .map_err(SwarmError::from)?
            .map(|_| reference),
        None => None,
    };
    Ok(Update { index, soc, dated })
}

/// `GET /feeds/{owner}/{topic}`
pub(super) async fn download(
    State(api): State<BeeApi>,
    Segments((owner_text, topic_text)): Segments<(String, String)>,
    Params(when): Params<When>,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    let feed = Feed {
        owner: owner(&owner_text)?,
        topic: topic(&topic_text)?,
    };
    let only_root = flag(&headers, ONLY_ROOT_CHUNK)?;
    let (update, root, chunk) = blocking(&api, move |store| {
        let update = latest(store, &feed, when.after, when.at.filter(|at| *at != 0))?;
        let root = update.root();
        let chunk = only_root.then(|| chunk_of(store, &root)).transpose()?;
        Ok((update, root, chunk))
    })
    .await?;
    let mut about = HeaderMap::new();
    let mut say = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            about.insert(HeaderName::from_static(name), value);
        }
    };
    say(FEED_INDEX, &update.index.to_string());
    say(
        FEED_INDEX_NEXT,
        &Index(update.index.0.saturating_add(1)).to_string(),
    );
    say(FEED_VERSION, update.version());
    say(SOC_SIGNATURE, &update.soc.signature().to_string());
    match chunk {
        Some(chunk) => Ok(root_chunk(about, &chunk)),
        None => give(&api, &method, &headers, root, about).await,
    }
}

/// The chunk in which contents begin.
fn chunk_of(store: &dyn ChunkStore, root: &Root) -> Answer<Chunk> {
    match root {
        Root::Wrapped(chunk) => Ok(chunk.clone()),
        Root::Named(reference) => {
            let address = reference.address();
            let bytes = store.get(&address).map_err(SwarmError::from)?;
            let bytes = bytes.ok_or(SwarmError::Missing { address })?;
            Ok(Chunk::verify(address, bytes)?)
        }
    }
}

/// `POST /feeds/{owner}/{topic}`: a manifest that leads to the feed.
pub(super) async fn upload(
    State(api): State<BeeApi>,
    Segments((owner_text, topic_text)): Segments<(String, String)>,
    upload: Upload,
) -> Answer<Uploaded> {
    let feed = Feed {
        owner: owner(&owner_text)?,
        topic: topic(&topic_text)?,
    };
    // As Bee: never encrypted, since whoever has it is to follow the feed.
    let upload = Upload {
        encrypt: false,
        ..upload
    };
    let uploading = Uploading::begin(&api, &upload)?;
    blocking(&api, move |_| {
        uploading.store(|chunks| {
            let mut manifest = Manifest::default();
            manifest
                .insert(chunks, MANIFEST_PATH, feed.manifest_entry())
                .and_then(|()| manifest.save(chunks, &chunks.options(1)))
                .map_err(|error| chunks.refused(error))
        })
    })
    .await
}
