//! `pod`: what Swarm would call things. Needs no node.

use std::fs::File;
use std::io::Read;

use adapters::swarm::splitter;
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::Context;
use crate::cli::{Pod, PodKind};
use crate::report::file_refused;

/// Does what is to be done with pods.
pub(crate) fn pod(context: Context<'_>, options: &Pod) -> Result<()> {
    let PodKind::Hash { file } = &options.kind;
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = File::open(file).map_err(|error| file_refused("read", file, &error))?;
        Box::new(opened)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let split = splitter::hash(input, threads).map_err(|error| {
        Refusal::new(Code::Io, error.to_string())
            .who(file.display())
            .hint(error.hint().unwrap_or("try it again"))
    })?;
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "reference": split.reference().to_string(),
            "bytes": split.len,
            "redundancy": 0,
        }));
    }
    context.printer.text(&split.reference().to_string())
}
