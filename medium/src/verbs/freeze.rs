//! `freeze`: a VC's image, in a file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use genesis::id::Digest;
use genesis::image::Image;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::Context;
use crate::cli::Freeze;
use crate::report::file_refused;

/// Writes a VC's image to a file, or to stdout.
pub(crate) async fn freeze(context: Context<'_>, options: &Freeze) -> Result<()> {
    let to_stdout = options.output == Path::new("-");
    if !to_stdout && !options.force && options.output.exists() {
        return Err(taken(&options.output).into());
    }
    let (file, image) = context.client()?.image(&options.vc).await?;
    let digest = digest_of(&image)?;
    if to_stdout {
        if context.printer.is_terminal() {
            let what = "an image is not text, and stdout is a terminal";
            return Err(Refusal::new(Code::Malformed, what)
                .hint("name a file: `-o FILE`")
                .into());
        }
        context
            .printer
            .note(&format!("the image's digest is {digest}"));
        return context.printer.bytes(&file);
    }
    write(&options.output, &file, options.force)?;
    let bytes = file.len();
    let file = options.output.display();
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "file": file.to_string(), "bytes": bytes, "digest": digest.to_string(),
        }));
    }
    context.printer.note(&format!(
        "{bytes} bytes, signed; `medium spawn {file}` goes on from it; the image's digest is {digest}"
    ));
    Ok(())
}

/// The digest by which a VC is the same wherever it is.
pub(super) fn digest_of(image: &Image) -> Result<Digest, Refusal> {
    image
        .digest()
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

fn taken(path: &Path) -> Refusal {
    Refusal::new(
        Code::Conflict,
        format!("`{}` is there already", path.display()),
    )
    .who(path.display())
    .hint("name another file, or overwrite it with `--force`")
}

/// Writes the file whole or not at all: beside its place first, then into it.
fn write(path: &Path, image: &[u8], force: bool) -> Result<(), Refusal> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => file_refused("write", path, &error),
    };
    // A device or a pipe cannot be replaced, only written to.
    if force && fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return fs::write(path, image).map_err(refused);
    }
    let beside = beside(path);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)?;
        file.write_all(image)?;
        file.sync_all()?;
        // A link fails where the name is taken by now; a rename does not.
        if force {
            fs::rename(&beside, path)
        } else {
            fs::hard_link(&beside, path)
        }
    })();
    // After a rename it is gone; else it was only a way to get there.
    let _ = fs::remove_file(&beside);
    written.map_err(refused)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_unless_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vc.image");
        write(&path, b"one", false).unwrap();
        assert_eq!(
            write(&path, b"two", false).unwrap_err().code,
            Code::Conflict
        );
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        let nowhere = folder.path().join("none/vc.image");
        assert_eq!(
            write(&nowhere, b"x", false).unwrap_err().code,
            Code::Unknown
        );
    }
}
