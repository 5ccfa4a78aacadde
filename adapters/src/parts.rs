//! The parts that are in the binary, so that pods can name them and every node has them.
//!
//! A part is named as its file under `genesis/parts` is, without the ending: `limb-v1`. Those that are
//! written as text are assembled when they are first wanted.
//!
//! ```
//! let limb = adapters::parts::part("limb-v1").expect("it comes with the medium");
//! assert!(limb.module()?.starts_with(b"\0asm"));
//! # Ok::<(), genesis::refusal::Refusal>(())
//! ```

use std::sync::OnceLock;

use bytes::Bytes;
use genesis::id::Digest;
use genesis::limits::{MODULE_BYTES_MAX, MODULE_TRUSTED_BYTES_MAX};
use genesis::refusal::{Code, Refusal};

use crate::wasm::{TEXT_BYTES_MAX, assemble_text};

/// What every module begins with.
const MAGIC: &[u8] = b"\0asm";
/// Longest name in a suggestion, in characters: nothing longer is near to a name.
const NEAR_CHARS_MAX: usize = 64;

/// A part that is in the binary.
#[derive(Debug)]
pub struct BuiltIn {
    /// What it is called: a [name](crate::pod_dir::is_name).
    pub name: &'static str,
    /// The file it comes from, in `genesis/parts`.
    pub file: &'static str,
    source: &'static [u8],
    module: OnceLock<Bytes>,
}

impl BuiltIn {
    /// Its module. Those that are written as text are assembled once.
    ///
    /// # Errors
    /// [`Refusal`] if it is not valid, which no published version has.
    pub fn module(&self) -> Result<Bytes, Refusal> {
        if let Some(module) = self.module.get() {
            return Ok(module.clone());
        }
        let module = if is_module(self.source) {
            Bytes::from_static(self.source)
        } else {
            assemble_text(self.source).map_err(|refusal| in_file(self.file, refusal))?
        };
        Ok(self.module.get_or_init(|| module).clone())
    }
}

/// The parts that are in the binary, by their names in order.
pub fn parts() -> &'static [BuiltIn] {
    &PARTS
}

/// The part with this name that is in the binary.
pub fn part(name: &str) -> Option<&'static BuiltIn> {
    PARTS.iter().find(|part| part.name == name)
}

/// The part whose name takes the fewest edits to reach.
pub fn nearest(name: &str) -> Option<&'static str> {
    let given: Vec<char> = name.chars().take(NEAR_CHARS_MAX).collect();
    let names = PARTS.iter().map(|part| part.name);
    names.min_by_key(|known| crate::pod_dir::edits(&given, known))
}

/// Digests of the parts that an engine may take although they are large: only those that come as modules.
pub fn trusted() -> Vec<Digest> {
    let modules = PARTS.iter().filter(|part| is_module(part.source));
    modules.map(|part| Digest::of(part.source)).collect()
}

/// Whether bytes are a module, and not the text of one.
pub fn is_module(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The module that bytes are, or that they are the text of. It is not read further: the engine does.
///
/// # Errors
/// [`Refusal`]: `too-large`, or `malformed` with line and column of the text.
pub fn module_of(bytes: &Bytes) -> Result<Bytes, Refusal> {
    let (bytes_max, what) = if is_module(bytes) {
        (MODULE_BYTES_MAX, "a module")
    } else {
        (TEXT_BYTES_MAX, "the text of a module")
    };
    let bytes_max = if is_module(bytes) && trusted().contains(&Digest::of(bytes)) {
        MODULE_TRUSTED_BYTES_MAX
    } else {
        bytes_max
    };
    if bytes.len() > bytes_max {
        let what = format!(
            "{what} has at most {bytes_max} bytes, this one has {}",
            bytes.len()
        );
        return Err(Refusal::new(Code::TooLarge, what)
            .hint("split it into parts that call one another by channels"));
    }
    if is_module(bytes) {
        return Ok(bytes.clone());
    }
    if bytes.is_empty() {
        return Err(Refusal::new(Code::Malformed, "there is no module: 0 bytes"));
    }
    assemble_text(bytes)
}

/// A refusal of what is in a file, with the file's name before it.
#[must_use]
pub fn in_file(file: &str, refusal: Refusal) -> Refusal {
    let what = format!("{file}: {}", refusal.what);
    Refusal { what, ..refusal }.who(file)
}

/// Takes the part `$name` from its file under `genesis/parts`; a test compares with what is there.
macro_rules! part {
    ($name:literal: $file:literal) => {
        BuiltIn {
            name: $name,
            file: $file,
            source: include_bytes!(concat!("../../genesis/parts/", $file)),
            module: OnceLock::new(),
        }
    };
}

static PARTS: [BuiltIn; 21] = [
    part!("cat-brain": "hippocampus/cat-brain.wat"),
    part!("cat-judge": "hippocampus/cat-judge.wat"),
    part!("chip8-cartridge": "chip8/chip8-cartridge.wat"),
    part!("chip8-cpu": "chip8-cpu/chip8-cpu.wasm"),
    part!("chip8-io": "chip8/chip8-io.wat"),
    part!("chip8-ram": "chip8/chip8-ram.wat"),
    part!("counter-v1": "counter/counter-v1.wat"),
    part!("counter-v2": "counter/counter-v2.wat"),
    part!("counter-v3": "counter/counter-v3.wat"),
    part!("hello": "hello/hello.wat"),
    part!("hippocampus-v1": "hippocampus/hippocampus-v1.wat"),
    part!("hippocampus-v2": "hippocampus/hippocampus-v2.wat"),
    part!("limb-boaster": "limb/limb-boaster.wat"),
    part!("limb-v1": "limb/limb-v1.wat"),
    part!("limb-v2": "limb/limb-v2.wat"),
    part!("limb-v3": "limb/limb-v3.wat"),
    part!("limb-v4": "limb/limb-v4.wat"),
    part!("lisp": "lisp/lisp.wasm"),
    part!("lisp-large": "lisp/lisp-large.wasm"),
    part!("robot-brain": "limb/robot-brain.wat"),
    part!("robot-judge": "limb/robot-judge.wat"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::pod_dir::is_name;

    /// The modules and texts of modules under a folder, by their paths in `genesis/parts`.
    fn found(root: &Path, folder: &Path, files: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() && !path.ends_with("target") {
                found(root, &path, files);
            } else if matches!(ending, Some("wat" | "wasm")) {
                let inside = path.strip_prefix(root).unwrap();
                files.insert(inside.to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_part_under_genesis_is_in_the_binary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../genesis/parts");
        let mut files = BTreeSet::new();
        found(&root, &root, &mut files);
        let listed: BTreeSet<_> = parts().iter().map(|part| part.file.to_owned()).collect();
        assert_eq!(listed, files);
    }

    #[test]
    fn parts_are_named_as_their_files_and_in_order() {
        let names: Vec<_> = parts().iter().map(|part| part.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        for part in parts() {
            assert_eq!(
                Path::new(part.file).file_stem(),
                Some(part.name.as_ref()),
                "{}",
                part.file
            );
            assert!(is_name(part.name), "{}", part.name);
        }
    }

    #[test]
    fn every_part_is_a_module_of_the_right_size() {
        for part in parts() {
            let module = part.module().unwrap();
            assert!(is_module(&module), "{}", part.name);
            let max = if trusted().contains(&Digest::of(&module)) {
                MODULE_TRUSTED_BYTES_MAX
            } else {
                MODULE_BYTES_MAX
            };
            assert!(module.len() <= max, "{}", part.name);
        }
    }

    #[test]
    fn text_and_modules_are_told_apart() {
        assert_eq!(
            module_of(&Bytes::from_static(b"(module)")).unwrap().len(),
            8
        );
        let refused = module_of(&Bytes::from_static(b"(module\n  (func i32.nop))")).unwrap_err();
        assert_eq!(refused.code, Code::Malformed);
        assert!(refused.what.starts_with("line 2, column "), "{refused}");
        let long = Bytes::from([MAGIC, &vec![0; MODULE_BYTES_MAX]].concat());
        assert_eq!(module_of(&long).unwrap_err().code, Code::TooLarge);
        assert_eq!(module_of(&Bytes::new()).unwrap_err().code, Code::Malformed);
        assert_eq!(nearest("limb-v9"), Some("limb-v1"));
    }
}
