//! What a VC may be called, checked before a name goes into a request or a birth.

use genesis::limits::NAME_BYTES_MAX;
use genesis::refusal::{Code, Refusal};

use crate::dormitory::is_place;

/// Longest text by which a VC is named in a request, in bytes: an id or a name, and steps into bodies.
pub const PATH_BYTES_MAX: usize = 4 * 1024;

/// Checks a name that is to be given.
///
/// # Errors
/// [`Code::Malformed`]: it is empty or too long, does not begin with a letter, a digit or `_`, or holds
/// other characters than these and `-` and `.`.
pub fn given(name: &str) -> Result<(), Refusal> {
    let hint = format!(
        "a name has 1 to {NAME_BYTES_MAX} letters, digits, - _ or ., and begins with a letter, a digit or _"
    );
    length(name)?;
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let of_these = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if begins && name.bytes().all(of_these) {
        return Ok(());
    }
    let what = format!("`{}` cannot be a name", name.escape_debug());
    Err(Refusal::new(Code::Malformed, what).hint(hint))
}

/// Checks what somebody asks for: an id, a name, or a path into a body. What it must not hold would
/// change the address it becomes a part of.
///
/// # Errors
/// [`Code::Malformed`]: a step is empty, `.` or `..`, there are control characters, or it is too long.
pub fn asked(text: &str) -> Result<(), Refusal> {
    let malformed = |what: String| {
        Err(Refusal::new(Code::Malformed, what)
            .hint("`medium ps --all` lists the VCs by name and id"))
    };
    if text.is_empty() {
        return malformed("nothing was named".to_owned());
    }
    if is_place(text) && text.len() <= PATH_BYTES_MAX && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let head = text.split('/').next().unwrap_or_default();
    if !head.starts_with("vc:") && !head.starts_with("msg:") {
        length(head)?;
    }
    if text.len() > PATH_BYTES_MAX {
        return malformed(format!(
            "what names a VC has at most {PATH_BYTES_MAX} bytes, this has {}",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return malformed(format!(
            "`{}` holds control characters",
            text.escape_debug()
        ));
    }
    match text
        .split('/')
        .find(|step| matches!(*step, "" | "." | ".."))
    {
        Some("") => malformed(format!("`{text}` has an empty step")),
        Some(step) => malformed(format!("`{step}` names no VC")),
        None => Ok(()),
    }
}

/// A name that is too long is told by its length: shown whole, it would hide what is wrong with it.
fn length(name: &str) -> Result<(), Refusal> {
    if name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    let what = format!(
        "a name has at most {NAME_BYTES_MAX} bytes, this one has {}",
        name.len()
    );
    Err(Refusal::new(Code::Malformed, what).hint("give a shorter one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: a VC could be called `..` or `-x`, and no verb could reach it then.
    #[test]
    fn a_name_that_no_verb_can_reach_is_not_given() {
        for name in ["e", "_e", "9", "a-b_c.d", &"x".repeat(NAME_BYTES_MAX)] {
            assert_eq!(given(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "-x", ".x", "a b", "a/b", "a\n", "ä", "vc:a"] {
            assert_eq!(given(name).unwrap_err().code, Code::Malformed, "{name}");
        }
    }

    /// Regression: `medium stop ..` asked for another address than that of a VC.
    #[test]
    fn what_would_change_the_address_is_not_asked_for() {
        for text in ["e", "ring/1", "vc:abc/x", "msg:abc", "no such name"] {
            assert_eq!(asked(text), Ok(()), "{text}");
        }
        for text in ["", ".", "..", "a/..", "a//b", "/", "a\u{1b}[1m", "a\0"] {
            assert_eq!(asked(text).unwrap_err().code, Code::Malformed, "{text}");
        }
    }

    /// Regression: a name of a thousand letters was shown whole, and its length nowhere.
    #[test]
    fn a_name_that_is_too_long_is_told_by_its_length() {
        for refused in [given(&"x".repeat(1_000)), asked(&"x".repeat(1_000))] {
            let what = refused.unwrap_err().what;
            assert!(what.contains("1000") && what.len() < 100, "{what}");
        }
        assert!(asked(&format!("e/{}", "x".repeat(PATH_BYTES_MAX))).is_err());
    }
}
