//! What is asked of a module before it may be a part, and of scores before they are believed to be scores.

use std::collections::BTreeSet;

/// What a module needs and gives, those of the medium included.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    pub(crate) needs: BTreeSet<String>,
    pub(crate) gives: BTreeSet<String>,
}

/// Reads a module and holds it against the rules for parts of the small engine.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn admit(module: &[u8]) -> Result<Links, String> {
    use wasmparser::{ExternalKind, Parser, Payload, TypeRef, Validator};

    let mut links = Links::default();
    let mut exports = BTreeSet::new();
    let (mut globals_mutable, mut globals_exported) = (BTreeSet::new(), BTreeSet::new());
    Validator::new()
        .validate_all(module)
        .map_err(|error| error.to_string())?;
    if module.len() > 256 * 1024 {
        return Err(format!("{} bytes are more than 256 KiB", module.len()));
    }
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| error.to_string())? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|error| error.to_string())?;
                    if import.module != "channel" || !matches!(import.ty, TypeRef::Func(_)) {
                        return Err(format!("imports {}.{}", import.module, import.name));
                    }
                    links.needs.insert(import.name.to_owned());
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.map_err(|error| error.to_string())?;
                    if (memory.initial, memory.maximum) != (1, Some(1)) {
                        return Err(format!(
                            "its memory has {} to {:?} pages, not one",
                            memory.initial, memory.maximum
                        ));
                    }
                }
            }
            Payload::GlobalSection(globals) => {
                for (index, global) in (0_u32..).zip(globals) {
                    if global.map_err(|error| error.to_string())?.ty.mutable {
                        globals_mutable.insert(index);
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(|error| error.to_string())?;
                    if export.kind == ExternalKind::Global {
                        globals_exported.insert(export.index);
                    }
                    if let Some(channel) = export.name.strip_prefix("channel/") {
                        links.gives.insert(channel.to_owned());
                    }
                    exports.insert(export.name.to_owned());
                }
            }
            Payload::StartSection { .. } => return Err("it has a start function".to_owned()),
            _ => {}
        }
    }
    if !globals_mutable.is_subset(&globals_exported) {
        return Err("a mutable global is not exported".to_owned());
    }
    for name in [
        "memory", "vc_abi", "vc_alloc", "vc_done", "vc_save", "vc_load",
    ] {
        if !exports.contains(name) {
            return Err(format!("it does not export {name}"));
        }
    }
    let counted = links.needs.union(&links.gives);
    let counted = counted.filter(|name| !is_of_the_medium(name)).count();
    if counted > 8 {
        return Err(format!("{counted} channels are more than 8"));
    }
    Ok(links)
}

/// Holds scores against their grammar.
pub(crate) fn check_scores(scores: &str) {
    assert!(scores.len() <= 4096, "{} bytes of scores", scores.len());
    assert!(scores.ends_with('\n'), "{scores:?}");
    let mut lines = scores.lines();
    let first = lines.next().unwrap();
    assert!(
        first == "ok 1" || first.starts_with("ok 0 "),
        "the first line is {first:?}"
    );
    let mut before = String::new();
    for line in lines {
        let (name, rest) = line.split_once(' ').unwrap();
        let number = rest.split(' ').next().unwrap();
        assert!(number.parse::<i64>().is_ok(), "{line:?}");
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(is_plain), "{line:?}");
        assert!(before.as_str() < name, "{line:?} is out of order");
        name.clone_into(&mut before);
    }
}

/// Whether the medium itself answers on this channel; such are not counted.
pub(crate) fn is_of_the_medium(channel: &str) -> bool {
    channel.starts_with("medium/") || channel == "contents/read"
}
