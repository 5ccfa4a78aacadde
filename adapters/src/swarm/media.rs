//! Media types: by a file's name where a collection is made, by its first bytes where nothing else is known.
//!
//! A manifest says them, so they are part of a reference. Names are looked up as Go does that has no table of
//! the system's (`mime.TypeByExtension`), and beyond that as the table of Debian says; text is UTF-8.

/// How many bytes [`by_contents`] looks at.
pub const SNIFF_BYTES: usize = 512;

/// What a file is, by the ending of its name; empty where that says nothing.
///
/// ```
/// # use adapters::swarm::media::by_name;
/// assert_eq!(by_name("img/1.PNG"), "image/png");
/// assert_eq!(by_name("README"), "");
/// ```
pub fn by_name(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((_, ending)) = name.rsplit_once('.') else {
        return "";
    };
    match ending.to_ascii_lowercase().as_str() {
        // Go's own table: `mime/type.go`, `builtinTypesLower`.
        "avif" => "image/avif",
        "css" => "text/css; charset=utf-8",
        "gif" => "image/gif",
        "htm" | "html" => "text/html; charset=utf-8",
        "jpeg" | "jpg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        "webp" => "image/webp",
        "xml" => "text/xml; charset=utf-8",
        // Debian's, as far as people put such files on Swarm.
        "txt" | "text" | "log" => "text/plain; charset=utf-8",
        "md" | "markdown" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "bmp" => "image/bmp",
        "ico" => "image/vnd.microsoft.icon",
        "tif" | "tiff" => "image/tiff",
        "mp3" => "audio/mpeg",
        "oga" | "ogg" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/x-wav",
        "mp4" => "video/mp4",
        "mpeg" | "mpg" => "video/mpeg",
        "ogv" => "video/ogg",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mov" => "video/quicktime",
        "otf" => "font/otf",
        "ttf" => "font/ttf",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "7z" => "application/x-7z-compressed",
        "epub" => "application/epub+zip",
        "gz" => "application/gzip",
        "jar" => "application/java-archive",
        "jsonld" => "application/ld+json",
        "sh" => "application/x-sh",
        "tar" => "application/x-tar",
        "xhtml" => "application/xhtml+xml",
        "zip" => "application/zip",
        _ => "",
    }
}

/// What begins like one of these is that, whatever its name.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\x89PNG\x0d\x0a\x1a\x0a", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"BM", "image/bmp"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"OggS\x00", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\x00asm", "application/wasm"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"OTTO", "font/otf"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
];

/// Tags that a page begins with, in capitals.
const PAGES: &[&[u8]] = &[
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// What bytes are, by how they begin: as a browser would guess, never empty.
///
/// Rule: WHATWG MIME Sniffing §7, as Go's `http.DetectContentType` has it.
pub fn by_contents(first: &[u8]) -> &'static str {
    let first = &first[..first.len().min(SNIFF_BYTES)];
    let text = first.trim_ascii_start();
    if PAGES.iter().any(|tag| begins_with_tag(text, tag)) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, kind)) = BEGINNINGS
        .iter()
        .find(|(begin, _)| first.starts_with(begin))
    {
        return kind;
    }
    match (first.get(..4), first.get(8..12)) {
        (Some(b"RIFF"), Some(b"WEBP")) => return "image/webp",
        (Some(b"RIFF"), Some(b"WAVE")) => return "audio/wave",
        (Some(b"RIFF"), Some(b"AVI ")) => return "video/avi",
        _ => {}
    }
    if first.get(4..11) == Some(b"ftypmp4") {
        return "video/mp4";
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31);
    if first.iter().any(is_binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

/// Whether a tag, in either case, is followed by what ends its name.
fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    let Some((begin, rest)) = text.split_at_checked(tag.len()) else {
        return false;
    };
    begin.eq_ignore_ascii_case(tag) && (tag == b"<!--" || matches!(rest.first(), Some(b' ' | b'>')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_say_what_a_file_is() {
        for (name, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b/STYLE.CSS", "text/css; charset=utf-8"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("archive.tar.gz", "application/gzip"),
            ("a.b/noending", ""),
            (".", ""),
            ("", ""),
        ] {
            assert_eq!(by_name(name), kind, "{name}");
        }
    }

    #[test]
    fn first_bytes_say_what_contents_are() {
        for (first, kind) in [
            (&b"<h2>404"[..], "text/plain; charset=utf-8"),
            (b"  <h1>Swarm", "text/html; charset=utf-8"),
            (b"<!doctype html>", "text/html; charset=utf-8"),
            (b"<apple", "text/plain; charset=utf-8"),
            (b"<?xml version", "text/xml; charset=utf-8"),
            (b"\x89PNG\r\n\x1a\nrest", "image/png"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8", "image/webp"),
            (b"plain", "text/plain; charset=utf-8"),
            (b"", "text/plain; charset=utf-8"),
            (b"a\x00b", "application/octet-stream"),
        ] {
            assert_eq!(by_contents(first), kind, "{first:?}");
        }
    }
}
