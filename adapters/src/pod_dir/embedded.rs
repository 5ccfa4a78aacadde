//! The pods that are in the binary, so that the tour runs anywhere.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{PodDir, PodError};

/// A pod that is in the binary.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedPod {
    /// The name of its directory, which is the pod's own.
    pub name: &'static str,
    /// What is in its files, by their paths.
    pub files: &'static [(&'static str, &'static [u8])],
}

impl EmbeddedPod {
    /// Reads it, as if it were a directory.
    ///
    /// # Errors
    /// [`PodError`] if it is not valid, which no published version has.
    pub fn open(&self) -> Result<PodDir, PodError> {
        let file =
            |&(path, bytes): &(&str, &'static [u8])| (path.to_owned(), Bytes::from_static(bytes));
        let files: BTreeMap<_, _> = self.files.iter().map(file).collect();
        PodDir::from_files(self.name, &files)
    }
}

/// The pods that are in the binary, by their names in order.
pub const fn embedded() -> &'static [EmbeddedPod] {
    EMBEDDED
}

/// The pod with this name that is in the binary.
pub fn embedded_pod(name: &str) -> Option<&'static EmbeddedPod> {
    EMBEDDED.iter().find(|pod| pod.name == name)
}

/// Takes the files of the pod `$name` from `genesis/pods`; a test compares with what is there.
macro_rules! pod {
    ($name:literal: $($path:literal)+) => {
        EmbeddedPod {
            name: $name,
            files: &[$((
                $path,
                include_bytes!(concat!("../../../genesis/pods/", $name, "/", $path)),
            )),+],
        }
    };
}

static EMBEDDED: &[EmbeddedPod] = &[
    pod!("cat": "vc.json"),
    pod!("chip8": "vc.json"),
    pod!("counter": "vc.json"),
    pod!("echo": "vc.json"),
    pod!("hello": "vc.json"),
    pod!("lisp": "vc.json"),
    pod!("notary": "vc.json"),
    pod!("ring":
        "vc.json"
        "inner/vc.json"
        "inner/inner/vc.json"
        "inner/inner/inner/vc.json"
        "inner/inner/inner/inner/vc.json"
        "inner/inner/inner/inner/inner/vc.json"),
    pod!("robot": "vc.json"),
];
