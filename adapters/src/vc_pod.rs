//! A virtual computer as a pod: its image, and what is large in it as files of their own.
//!
//! | file | what it holds |
//! |---|---|
//! | `/image.json` | who it is, for people and scripts: id, name, digests, parts |
//! | `/image` | the image without what is large |
//! | `/parts/<blake3>` | a module, long contents, a long state, or the image of a VC in its body without what is large |
//!
//! What is large has a file named by its digest, so that parts that VCs share, and states of which little
//! changed, are stored once: equal chunks of one wallet are one chunk. Every file is checked against its
//! digest when it is read, and the whole against the digest of the image.

use std::collections::BTreeMap;

use bytes::Bytes;
use genesis::id::Digest;
use genesis::image::{Code as PartCode, Image};
use genesis::limits::DEPTH_MAX;
use genesis::refusal::{Code, Refusal};
use genesis::wire;
use serde::{Deserialize, Serialize};

use crate::pods::{
    EntryKind, FileMeta, PodName, PodPath, Pods, PodsError, Quiet, Snapshot, Source,
};

/// The file that says what the pod is.
pub const ABOUT: &str = "/image.json";
/// The image without what is large.
const IMAGE: &str = "/image";
/// The folder of what is large.
const PARTS: &str = "/parts";
/// What `/image.json` says it is.
const FORMAT: &str = "medium/vc-pod/1";
/// The version byte of `/image`, and of images in `/parts`.
const VERSION: u8 = 1;
/// From this length on something is large: a chunk's.
const LARGE_BYTES_MIN: usize = 4_096;
/// Longest file that is read, and most bytes of one VC: refuse.
const BYTES_MAX: u64 = 1 << 30;

/// An image without what is large, and what that is.
#[derive(Serialize, Deserialize)]
struct Scattered {
    image: Image,
    taken: Vec<Taken>,
}

/// Something large that was taken out of an image.
#[derive(Serialize, Deserialize)]
struct Taken {
    /// Of which part: an index.
    part: u32,
    field: Field,
    digest: Digest,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Field {
    Contents,
    State,
    Module,
    Computer,
}

/// What a pod of a VC says of it: the contents of `/image.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `medium/vc-pod/1`.
    pub format: String,
    /// Who it is.
    pub id: String,
    /// What it is called, if anything.
    pub name: Option<String>,
    /// The digest of its image.
    pub image: String,
    /// The digest of its body.
    pub body: String,
    /// The digests of its parts, as they are in the body.
    pub parts: Vec<String>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Makes a VC a pod, or a new snapshot of the pod that it is already.
///
/// # Errors
/// [`PodsError::Exists`] if the pod holds something else; what the keeper says.
pub fn write(
    pods: &dyn Pods,
    name: &PodName,
    public: bool,
    image: &Image,
) -> Result<Snapshot, PodsError> {
    let files = scatter(image)?;
    let about = About {
        format: FORMAT.to_owned(),
        id: image.id.to_string(),
        name: image.name.clone(),
        image: image.digest().map_err(too_large)?.to_string(),
        body: image.body_digest().to_string(),
        parts: image
            .parts
            .iter()
            .map(|part| part.digest().to_string())
            .collect(),
        bytes: files.values().map(|file| file.len() as u64).sum(),
    };
    let mut old = Vec::new();
    if pods.pods()?.iter().any(|pod| pod.name == name.as_str()) {
        let source = Source::pod(name);
        if self::about(pods, &source)?.is_none_or(|known| known.id != about.id) {
            return Err(PodsError::Exists(name.to_string()));
        }
        if pods
            .list(&source, &PodPath::root())?
            .iter()
            .any(|entry| entry.path == PARTS)
        {
            old = pods.walk(&source, &PARTS.parse()?)?;
        }
    } else {
        pods.create(name, public)?;
    }
    let mut edit = pods.edit(name)?;
    for entry in old {
        // A part that stays has a name that says so; its bytes need not be written again.
        if entry.kind == EntryKind::File && !files.contains_key(&entry.path) {
            edit.remove(&entry.path.parse()?, false)?;
        }
    }
    for (path, bytes) in &files {
        put(edit.as_mut(), path, "application/octet-stream", bytes)?;
    }
    let json = serde_json::to_vec_pretty(&about).map_err(|error| malformed(error.to_string()))?;
    put(edit.as_mut(), ABOUT, "application/json", &json)?;
    edit.commit(&format!(
        "persist {}",
        image.name.as_deref().unwrap_or(&about.id)
    ))
}

fn put(
    edit: &mut dyn crate::pods::Edit,
    path: &str,
    content_type: &str,
    bytes: &[u8],
) -> Result<(), PodsError> {
    let meta = FileMeta {
        content_type: content_type.to_owned(),
        bytes: Some(bytes.len() as u64),
        ..FileMeta::default()
    };
    edit.write(&path.parse()?, &meta, &mut &*bytes, &Quiet)
        .map(drop)
}

/// What a source says of the VC it holds; none, if it is no VC's.
///
/// # Errors
/// What the keeper says: that nobody could be asked is not that there is no VC.
pub fn about(pods: &dyn Pods, source: &Source) -> Result<Option<About>, PodsError> {
    let about = match read_file(pods, source, ABOUT) {
        Ok(about) => about,
        Err(PodsError::NoSuchPath { .. } | PodsError::NotAFile(_)) => return Ok(None),
        // The same, as a node says it.
        Err(PodsError::Refused(refusal)) if refusal.code == Code::Unknown => return Ok(None),
        Err(error) => return Err(error),
    };
    let about = serde_json::from_slice(&about).ok();
    Ok(about.filter(|about: &About| about.format == FORMAT))
}

/// The VC that a source holds, whole; what `/image.json` says of it is not believed.
///
/// # Errors
/// [`PodsError::Damaged`], [`PodsError::NoSuchPath`] and what the keeper says.
pub fn read(pods: &dyn Pods, source: &Source) -> Result<Image, PodsError> {
    let root = read_file(pods, source, IMAGE)?;
    let mut left = BYTES_MAX;
    let image = gather(pods, source, &root, 0, &mut left)?;
    let bytes = image.to_bytes().map_err(too_large)?;
    // Bounds and canonical form, of images in images as well.
    Image::from_bytes(&bytes).map_err(|error| PodsError::Damaged(format!("{source}: {error}")))
}

/// The files of an image, by path.
fn scatter(image: &Image) -> Result<BTreeMap<String, Bytes>, PodsError> {
    let mut files = BTreeMap::new();
    let root = scatter_into(image, &mut files, 0)?;
    files.insert(IMAGE.to_owned(), root);
    Ok(files)
}

fn scatter_into(
    image: &Image,
    files: &mut BTreeMap<String, Bytes>,
    depth: usize,
) -> Result<Bytes, PodsError> {
    if depth > DEPTH_MAX {
        return Err(malformed(format!("bodies nest deeper than {DEPTH_MAX}")));
    }
    let mut image = image.clone();
    let mut taken = Vec::new();
    for (index, part) in (0..).zip(&mut image.parts) {
        let mut take = |field, bytes: Bytes| {
            let digest = Digest::of(&bytes);
            files.insert(path_of(digest), bytes);
            taken.push(Taken {
                part: index,
                field,
                digest,
            });
        };
        if part.contents.len() >= LARGE_BYTES_MIN {
            take(Field::Contents, std::mem::take(&mut part.contents));
        }
        if part
            .state
            .as_ref()
            .is_some_and(|state| state.len() >= LARGE_BYTES_MIN)
            && let Some(state) = part.state.take()
        {
            take(Field::State, state);
        }
        match (&part.code, part.enclosed.take()) {
            (_, None) => {}
            (PartCode::Computer, Some(inner)) => {
                let inner = Image::from_trusted_bytes(&inner)
                    .map_err(|error| PodsError::Damaged(error.to_string()))?;
                let bytes = scatter_into(&inner, files, depth + 1)?;
                let digest = Digest::of(&bytes);
                files.insert(path_of(digest), bytes);
                taken.push(Taken {
                    part: index,
                    field: Field::Computer,
                    digest,
                });
            }
            (_, Some(module)) => take(Field::Module, module),
        }
    }
    let bytes = wire::encode(VERSION, &Scattered { image, taken }).map_err(too_large)?;
    Ok(bytes.into())
}

/// Puts what is large back into an image, at most `left` bytes of it.
fn gather(
    pods: &dyn Pods,
    source: &Source,
    bytes: &[u8],
    depth: usize,
    left: &mut u64,
) -> Result<Image, PodsError> {
    let damaged = |what: String| PodsError::Damaged(format!("{source}: {what}"));
    if depth > DEPTH_MAX {
        return Err(damaged(format!("bodies nest deeper than {DEPTH_MAX}")));
    }
    let Scattered { mut image, taken } =
        wire::decode(VERSION, bytes).map_err(|error| damaged(error.to_string()))?;
    for Taken {
        part,
        field,
        digest,
    } in taken
    {
        let at = usize::try_from(part)
            .ok()
            .and_then(|part| image.parts.get_mut(part));
        let part = at.ok_or_else(|| damaged(format!("there is no part {part}")))?;
        let path = path_of(digest);
        let large = read_file(pods, source, &path)?;
        *left = left
            .checked_sub(large.len() as u64)
            .ok_or_else(|| damaged(format!("it has over {BYTES_MAX} bytes")))?;
        if Digest::of(&large) != digest {
            return Err(damaged(format!(
                "`{path}` has another digest than its name"
            )));
        }
        match field {
            Field::Contents => part.contents = large,
            Field::State => part.state = Some(large),
            Field::Module => part.enclosed = Some(large),
            Field::Computer => {
                let inner = gather(pods, source, &large, depth + 1, left)?;
                part.enclosed = Some(inner.to_bytes().map_err(too_large)?.into());
            }
        }
    }
    Ok(image)
}

fn read_file(pods: &dyn Pods, source: &Source, path: &str) -> Result<Bytes, PodsError> {
    let path: PodPath = path.parse()?;
    let len = pods.stat(source, &path)?.bytes;
    if len > BYTES_MAX {
        return Err(PodsError::Damaged(format!(
            "{source}: `{path}` has {len} bytes, at most {BYTES_MAX} are read"
        )));
    }
    let mut bytes = Vec::new();
    pods.read(source, &path, None, &mut bytes, &Quiet)?;
    Ok(bytes.into())
}

fn path_of(digest: Digest) -> String {
    format!("{PARTS}/{digest}")
}

fn too_large(error: impl std::fmt::Display) -> PodsError {
    malformed(error.to_string())
}

fn malformed(what: String) -> PodsError {
    Refusal::new(Code::TooLarge, what).into()
}
