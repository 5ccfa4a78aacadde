//! Modules written as text, and the lists that decoders answer.

use bytes::Bytes;
use genesis::limits::PARTS_MAX;
use genesis::refusal::{Code, Refusal};

use super::TEXT_BYTES_MAX;

/// Assembles a module written in WebAssembly's text format. It is not read further: [`super::Engine`] does.
///
/// # Errors
/// [`Refusal`]: `too-large`, or `malformed` with line and column.
pub fn assemble_text(text: &[u8]) -> Result<Bytes, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        let found = text.len();
        return Err(Refusal::new(
            Code::TooLarge,
            format!("the text has {found} bytes, at most {TEXT_BYTES_MAX} are taken"),
        )
        .hint("assemble it elsewhere and hand over the module"));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()]
            .split(|&byte| byte == b'\n')
            .count();
        Refusal::new(
            Code::Malformed,
            format!("line {line}: the text is not UTF-8"),
        )
    })?;
    match wat::parse_str(text) {
        Ok(module) => Ok(Bytes::from(module)),
        Err(error) => Err(
            Refusal::new(Code::Malformed, place_first(&error.to_string()))
                .hint("the format: https://webassembly.github.io/spec/core/text"),
        ),
    }
}

/// `line 3, column 7: unknown operator` of the assembler's several lines.
fn place_first(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    let place = error.split_once("<anon>:").and_then(|(_, rest)| {
        let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?, numbers.next()?))
    });
    match place {
        Some((line, column)) => {
            let what = first.split(" at <anon>:").next().unwrap_or_default();
            format!("line {line}, column {column}: {what}")
        }
        None => first.to_owned(),
    }
}

/// The parts in a decoder's answer (`vc_decode`): for each its length, `u32` little-endian, and its bytes.
///
/// # Errors
/// [`Refusal`] `malformed` if a length leads past the end, `too-large` if there are more parts than a body
/// may have.
pub fn decoded_parts(answer: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let mut parts = Vec::new();
    let mut rest = answer;
    while !rest.is_empty() {
        let at = answer.len() - rest.len();
        if parts.len() == PARTS_MAX {
            let what = format!("the decoder answers more than {PARTS_MAX} parts");
            return Err(Refusal::new(Code::TooLarge, what));
        }
        let part = rest.split_first_chunk::<4>().and_then(|(len, after)| {
            after.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
        });
        let Some((part, after)) = part else {
            let what = format!("the decoder's answer: the part at byte {at} leads past its end");
            return Err(Refusal::new(Code::Malformed, what));
        };
        parts.push(part);
        rest = after;
    }
    Ok(parts)
}
