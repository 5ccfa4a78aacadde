//! `/bzz`: files with names, and collections of them.
//!
//! Rule: Bee `pkg/api/bzz.go`, `pkg/api/dirs.go`; a manifest's paths are inserted in Bee's order, because its
//! reference depends on it.

use std::io::Read;

use adapters::swarm::chunk::Chunk;
use adapters::swarm::mantaray::{
    CONTENT_TYPE_KEY, ERROR_DOCUMENT_KEY, Entry, FILENAME_KEY, INDEX_DOCUMENT_KEY, Manifest,
    ROOT_PATH,
};
use adapters::swarm::splitter::split;
use adapters::swarm::store::{ChunkStore, StoreFault};
use adapters::swarm::{Address, Reference, SwarmError, feed::Feed, media};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;

use super::answer::{Answer, Refused, set, shown};
use super::ask::{
    COLLECTION, ERROR_DOCUMENT, FEED_INDEX, FEED_VERSION, INDEX_DOCUMENT, Params, Segments, Upload,
    flag, no_access_control, reference, text,
};
use super::collection::{Each, Head, of_tar};
use super::deposit::{Chunks, Uploaded, Uploading};
use super::feeds::latest;
use super::form::read_form_with;
use super::incoming::read_with;
use super::outgoing::{Root, give};
use super::{BeeApi, THREADS, blocking};

/// Most files of a collection: its manifest is in memory until it is stored, about 1 KiB a file.
const FILES_MAX: usize = 100_000;
/// Most nodes of a manifest that are read to learn whether a path is a folder's.
const NODES_MAX: usize = 4_096;

/// The parameters of `POST /bzz`.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    name: Option<String>,
}

/// `POST /bzz`: a file, or with `Swarm-Collection` or a form a collection.
pub(super) async fn upload(
    State(api): State<BeeApi>,
    upload: Upload,
    Params(named): Params<Named>,
    request: Request,
) -> Answer<Uploaded> {
    let headers = request.headers();
    let content_type = text(headers, "content-type")?
        .unwrap_or_default()
        .to_owned();
    let is_form = essence(&content_type) == "multipart/form-data";
    let is_collection = is_form || flag(headers, COLLECTION)?;
    if is_collection && !is_form && essence(&content_type) != "application/x-tar" {
        return Err(Refused::bad("invalid content-type").because(
            "content-type",
            "a collection is `application/x-tar` or `multipart/form-data`",
        ));
    }
    let site = Site::of(headers)?;
    let name = named.name.unwrap_or_default();
    if name.starts_with('/') {
        return Err(Refused::query(
            "name",
            format!("begins with `/`: {}", shown(&name)),
        ));
    }
    let _place = api.upload()?;
    let uploading = Uploading::begin(&api, &upload)?;
    let uploaded = if is_form {
        read_form_with(request, move |form| {
            uploading.store(|chunks| store_files(chunks, &site, &mut |each| form.for_each(each)))
        })
        .await?
    } else if is_collection {
        read_with(request.into_body(), move |input| {
            uploading.store(|chunks| store_files(chunks, &site, &mut |each| of_tar(input, each)))
        })
        .await?
    } else {
        read_with(request.into_body(), move |input| {
            uploading.store(|chunks| store_file(chunks, &name, &content_type, input))
        })
        .await?
    };
    Ok(uploaded.named())
}

/// A content type without its parameters, in small letters.
fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// What a collection's headers say of it as a site.
#[derive(Clone, Debug)]
struct Site {
    index: Option<String>,
    error: Option<String>,
}

impl Site {
    fn of(headers: &HeaderMap) -> Answer<Self> {
        let document = |name| -> Answer<Option<String>> {
            let text = text(headers, name)?.filter(|text| !text.is_empty());
            Ok(text.map(str::to_owned))
        };
        let index = document(INDEX_DOCUMENT)?;
        if index.as_ref().is_some_and(|index| index.contains('/')) {
            return Err(Refused::bad(
                "index document suffix must not include slash character",
            ));
        }
        Ok(Self {
            index,
            error: document(ERROR_DOCUMENT)?,
        })
    }
}

/// Stores a file and a manifest that shows it.
fn store_file(
    chunks: &Chunks<'_>,
    name: &str,
    content_type: &str,
    mut input: &mut dyn Read,
) -> Answer<Reference> {
    let refused = |error: SwarmError| chunks.refused(error);
    let mut first = Vec::new();
    if content_type.is_empty() {
        let begin = (&mut input).take(media::SNIFF_BYTES as u64);
        { begin }
            .read_to_end(&mut first)
            .map_err(|error| refused(error.into()))?;
    }
    let content_type = if content_type.is_empty() {
        media::by_contents(&first)
    } else {
        content_type
    };
    let options = chunks.options(THREADS);
    let file = split((&first[..]).chain(input), chunks, &options)
        .map_err(refused)?
        .reference();
    let name = if name.is_empty() {
        file.to_string()
    } else {
        name.to_owned()
    };
    let mut manifest = Manifest::default();
    manifest
        .insert(chunks, ROOT_PATH, Entry::site(Some(&name), None))
        .map_err(refused)?;
    manifest
        .insert(
            chunks,
            name.as_bytes(),
            Entry::file(file, content_type, &name),
        )
        .map_err(|error| unfit(chunks, error))?;
    manifest.save(chunks, &options).map_err(refused)
}

/// Stores every file that `files` gives and a manifest of them.
fn store_files(
    chunks: &Chunks<'_>,
    site: &Site,
    files: &mut dyn FnMut(Each<'_>) -> Answer<()>,
) -> Answer<Reference> {
    let options = chunks.options(THREADS);
    let mut manifest = Manifest::default();
    let mut count = 0;
    files(&mut |Head { path, content_type }, input| {
        count += 1;
        if count > FILES_MAX {
            let what = format!("a collection has at most {FILES_MAX} files");
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, what));
        }
        let file = split(input, chunks, &options).map_err(|error| chunks.refused(error))?;
        let content_type = content_type.unwrap_or_else(|| media::by_name(&path).to_owned());
        let name = path.rsplit('/').next().unwrap_or(&path);
        let entry = Entry::file(file.reference(), &content_type, name);
        manifest
            .insert(chunks, path.as_bytes(), entry)
            .map_err(|error| unfit(chunks, error))
    })?;
    if count == 0 {
        return Err(Refused::bad("no files in root directory"));
    }
    if site.index.is_some() || site.error.is_some() {
        let entry = Entry::site(site.index.as_deref(), site.error.as_deref());
        manifest
            .insert(chunks, ROOT_PATH, entry)
            .map_err(|error| unfit(chunks, error))?;
    }
    manifest
        .save(chunks, &options)
        .map_err(|error| unfit(chunks, error))
}

/// What a manifest cannot hold is the request's fault.
fn unfit(chunks: &Chunks<'_>, error: SwarmError) -> Refused {
    match error {
        SwarmError::TooLong { .. } | SwarmError::Malformed { .. } => {
            Refused::bad("the manifest cannot hold this").because("path", error.to_string())
        }
        error => chunks.refused(error),
    }
}

/// `GET /bzz/{reference}`: a site begins with a slash, so that its links lead into it.
pub(super) async fn redirect(uri: Uri) -> Response {
    moved(&uri)
}

/// The same address with a slash behind its path.
fn moved(uri: &Uri) -> Response {
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let mut answer = StatusCode::PERMANENT_REDIRECT.into_response();
    set(
        &mut answer,
        header::LOCATION,
        &format!("{}/{query}", uri.path()),
    );
    answer
}

/// `GET` and `HEAD /bzz/{reference}/`
pub(super) async fn download_root(
    state: State<BeeApi>,
    Segments(address): Segments<String>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    download(
        state,
        Segments((address, String::new())),
        uri,
        method,
        headers,
    )
    .await
}

/// `GET` and `HEAD /bzz/{reference}/{path}`
pub(super) async fn download(
    State(api): State<BeeApi>,
    Segments((address, path)): Segments<(String, String)>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    no_access_control(&headers)?;
    let root = reference(&address)?;
    let path = match path.strip_suffix('/') {
        Some(path) => format!("{}/", path.trim_end_matches('/')),
        None => path,
    };
    let found = blocking(&api, move |store| find(store, root, &path)).await?;
    match found {
        Found::File { root, about } => give(&api, &method, &headers, root, about).await,
        Found::Folder => Ok(moved(&uri)),
    }
}

/// What a path of a manifest leads to.
enum Found {
    /// Contents, and what the manifest says of them.
    File { root: Root, about: HeaderMap },
    /// A folder that was named without its slash.
    Folder,
}

fn find(store: &dyn ChunkStore, root: Reference, path: &str) -> Answer<Found> {
    let mut about = HeaderMap::new();
    let manifest = open(store, root)?;
    let root_entry = manifest.get(store, ROOT_PATH)?;
    let feed = root_entry
        .as_ref()
        .map(Feed::from_manifest_entry)
        .transpose()?
        .flatten();
    let Some(feed) = feed else {
        return find_in(store, &manifest, path, about);
    };
    // Of a feed: what its latest update is, or refers to, is the manifest.
    let update = latest(store, &feed, 0, None)?;
    let mut say = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            about.insert(HeaderName::from_static(name), value);
        }
    };
    say(FEED_INDEX, &update.index.to_string());
    say(FEED_VERSION, update.version());
    match update.root() {
        Root::Named(reference) => find_in(store, &open(store, reference)?, path, about),
        Root::Wrapped(chunk) => {
            let store = WithChunk {
                store,
                chunk: &chunk,
            };
            let manifest = open(&store, chunk.address().into())?;
            find_in(&store, &manifest, path, about)
        }
    }
}

/// Opens what must be a manifest.
fn open(store: &dyn ChunkStore, reference: Reference) -> Answer<Manifest> {
    Manifest::open(store, reference).map_err(|error| match error {
        SwarmError::Store(_) => error.into(),
        // Missing, damaged, encrypted by a key that was not given, or something else.
        error => {
            Refused::not_found("Not Found").because("address", format!("no manifest: {error}"))
        }
    })
}

fn find_in(
    store: &dyn ChunkStore,
    manifest: &Manifest,
    path: &str,
    about: HeaderMap,
) -> Answer<Found> {
    let site = manifest.get(store, ROOT_PATH)?.unwrap_or_default().metadata;
    let get = |path: &str| -> Answer<Option<Entry>> {
        let entry = manifest.get(store, path.as_bytes())?;
        Ok(entry.filter(|entry| entry.reference.is_some()))
    };
    let index = site.get(INDEX_DOCUMENT_KEY);
    if path.is_empty() {
        let entry = index.map(|index| get(index)).transpose()?.flatten();
        return match entry {
            Some(entry) => Ok(file(&entry, about)),
            None => Err(Refused::not_found("address not found or incorrect")),
        };
    }
    if let Some(entry) = get(path)? {
        return Ok(file(&entry, about));
    }
    if !path.starts_with('/')
        && manifest
            .first(store, format!("{path}/").as_bytes(), NODES_MAX)?
            .is_some()
    {
        return Ok(Found::Folder);
    }
    if let Some(index) = index.filter(|index| !path.ends_with(*index))
        && let Some(entry) = get(&format!("{}/{index}", path.trim_end_matches('/')))?
    {
        return Ok(file(&entry, about));
    }
    if let Some(error) = site.get(ERROR_DOCUMENT_KEY).filter(|error| *error != path)
        && let Some(entry) = get(error)?
    {
        return Ok(file(&entry, about));
    }
    Err(Refused::not_found("path address not found"))
}

/// A manifest's entry as contents and headers.
fn file(entry: &Entry, mut about: HeaderMap) -> Found {
    if let Some(name) = entry.metadata.get(FILENAME_KEY) {
        let name = name.rsplit('/').next().unwrap_or(name);
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("inline; filename=\"{name}\"")) {
            about.insert(header::CONTENT_DISPOSITION, value);
        }
    }
    let content_type = entry
        .metadata
        .get(CONTENT_TYPE_KEY)
        .filter(|kind| !kind.is_empty());
    if let Some(Ok(value)) = content_type.map(|kind| HeaderValue::from_str(kind)) {
        about.insert(header::CONTENT_TYPE, value);
    }
    let reference = entry.reference.unwrap_or(Address::ZERO.into());
    Found::File {
        root: Root::Named(reference),
        about,
    }
}

/// A store and a chunk beside it: the one in a feed's update, which is not stored at its own address.
struct WithChunk<'s> {
    store: &'s dyn ChunkStore,
    chunk: &'s Chunk,
}

impl ChunkStore for WithChunk<'_> {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        if *address == self.chunk.address() {
            return Ok(Some(self.chunk.bytes().clone()));
        }
        self.store.get(address)
    }

    fn put(&self, chunks: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        self.store.put(chunks)
    }
}
