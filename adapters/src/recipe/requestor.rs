//! Which pods are requestors: programs that hire others through a yagna daemon, with its owner's money.

use std::io::Read as _;

use super::parse::has_extension;
use super::tree::{Tree, is_within};
use super::{PodRecipe, RECIPE_JSON, RecipeError};

/// Most files of a pod that are looked at.
const FILES_MAX: usize = 1_024;
/// How much of a file is looked at, in bytes.
pub(crate) const LOOKED_AT_BYTES: u64 = 1024 * 1024;
/// What only the programs of requestors say.
const SAYS: [&str; 5] = ["yapapi", "YAGNA_", "golem-js", "@golem-sdk", "yajsapi"];
/// Endings of files in which programs are written.
const SOURCES: [&str; 8] = ["py", "js", "mjs", "ts", "sh", "toml", "txt", "json"];

/// The file that shows that a pod is a requestor, which needs a yagna daemon; none if none does.
///
/// Sovr's own pods are: Python with `yapapi`. Looked at are the texts of its script's directory, or of all
/// of the pod but its payload, output and logs where it names no script. `paths` are those of the pod's files;
/// `read` answers the beginning of one.
///
/// # Errors
/// What `read` says.
pub fn needs_yagna<'p>(
    recipe: &PodRecipe,
    paths: impl IntoIterator<Item = &'p str>,
    read: &dyn Fn(&str) -> Result<Vec<u8>, RecipeError>,
) -> Result<Option<String>, RecipeError> {
    if has_extension(&recipe.exec[0], "wasm") {
        return Ok(None); // modules reach nothing beyond their directory
    }
    let logs = recipe.logs.as_deref().unwrap_or("logs");
    let elsewhere = ["payload", recipe.output.as_str(), logs];
    let script = recipe
        .script
        .as_deref()
        .map(|script| script.trim_matches('/'));
    let is_program = |path: &&str| {
        let ending = path.rsplit_once('.').map(|(_, ending)| ending);
        let named = recipe.exec.iter().any(|word| word.ends_with(path));
        let inside = match script {
            Some(script) => is_within(path, script),
            None => !elsewhere.iter().any(|place| is_within(path, place)),
        };
        let is_source = ending.is_some_and(|ending| SOURCES.contains(&ending));
        *path != RECIPE_JSON && (named || (inside && is_source))
    };
    for path in paths.into_iter().filter(is_program).take(FILES_MAX) {
        let text = read(path)?;
        let text = String::from_utf8_lossy(&text);
        if SAYS.iter().any(|word| text.contains(word)) {
            return Ok(Some(path.to_owned()));
        }
    }
    Ok(None)
}

/// The same of a directory.
///
/// # Errors
/// What reading says.
pub fn tree_needs_yagna(recipe: &PodRecipe, tree: &Tree) -> Result<Option<String>, RecipeError> {
    let paths = tree.files().iter().map(|file| file.path.relative());
    needs_yagna(recipe, paths, &|path| {
        let failed = |error| RecipeError::io("read a file", error);
        let found = tree
            .files()
            .iter()
            .find(|file| file.path.relative() == path);
        let mut text = Vec::new();
        if let Some(found) = found {
            fs_err::File::open(&found.file)
                .map_err(failed)?
                .take(LOOKED_AT_BYTES)
                .read_to_end(&mut text)
                .map_err(failed)?;
        }
        Ok(text)
    })
}
