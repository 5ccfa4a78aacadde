//! Users of the real FairOS-DFS, and what tests do with their pods.

use adapters::fairos::Fairos;
use adapters::http::{Login, Secret};
use adapters::pods::{
    Entry, EntryKind, FileMeta, PodName, PodPath, Pods as _, PodsError, Quiet, Source,
};

use crate::start;

/// The password of every user here.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody who is known to the server, in a session of their own; none where there is no server.
pub(crate) fn session(name: &str) -> Option<Fairos> {
    let address = &start::servers()?.fairos;
    let login = Login {
        user: name.to_owned(),
        password: Secret::new(PASSWORD),
    };
    Some(Fairos::new(address, login).unwrap())
}

/// A new user of the server; none where there is no server.
pub(crate) fn user(name: &str) -> Option<Fairos> {
    let fairos = session(name)?;
    let account = fairos.sign_up(None).unwrap();
    assert_eq!(account.address.len(), 42);
    assert_eq!(account.mnemonic.reveal().split(' ').count(), 12);
    Some(fairos)
}

pub(crate) fn pod(name: &str) -> PodName {
    name.parse().unwrap()
}

pub(crate) fn path(text: &str) -> PodPath {
    text.parse().unwrap()
}

/// Writes a file of a pod.
pub(crate) fn put(fairos: &Fairos, name: &str, at: &str, bytes: &[u8]) -> Entry {
    let meta = FileMeta {
        bytes: Some(bytes.len() as u64),
        ..FileMeta::default()
    };
    let mut edit = fairos.edit(&pod(name)).unwrap();
    let entry = edit
        .write(&path(at), &meta, &mut &bytes[..], &Quiet)
        .unwrap();
    edit.commit("put").unwrap();
    entry
}

/// Reads a file of a source.
pub(crate) fn get(fairos: &Fairos, from: &Source, at: &str) -> Result<Vec<u8>, PodsError> {
    let mut out = Vec::new();
    let read = fairos.read(from, &path(at), None, &mut out, &Quiet)?;
    assert_eq!(read, out.len() as u64);
    Ok(out)
}

/// All that is in a source: `path/` of directories, `path=length` of files.
pub(crate) fn tree(fairos: &Fairos, from: &Source) -> Vec<String> {
    let entries = fairos.walk(from, &PodPath::root()).unwrap();
    let line = |entry: Entry| match entry.kind {
        EntryKind::Directory => format!("{}/", entry.path),
        EntryKind::File => format!("{}={}", entry.path, entry.bytes),
    };
    entries.into_iter().map(line).collect()
}

/// An error and its hint, without the server's address.
pub(crate) fn told<T>(result: Result<T, PodsError>) -> String {
    let Err(error) = result else {
        panic!("that should have been refused");
    };
    // What every keeper says alike is tested with the error.
    let is_of_the_keeper = matches!(
        error,
        PodsError::Missing(_)
            | PodsError::Closed(_)
            | PodsError::Unsupported { .. }
            | PodsError::Server { .. }
    );
    let hint = error.hint().filter(|_| is_of_the_keeper);
    let hint = hint.map(|hint| format!(" | {hint}"));
    let text = format!("{error}{}", hint.unwrap_or_default());
    let address = &start::servers().unwrap().fairos;
    text.replace(address, "HOST")
}

/// Bytes that are no repetition of one another.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let words = std::iter::repeat_with(word).take(bytes.div_ceil(8));
    words.flatten().take(bytes).collect()
}
