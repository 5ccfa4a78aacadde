//! Patterns of paths: `parts/*.txt`, `**/result.json`, or a directory with everything in it.

use std::fmt;

/// A pattern of paths in a directory.
///
/// `*` stands for any characters of one step, `?` for one of them, `**` for any steps. What it matches, it
/// matches with everything below it, so that `parts` and `parts/` are the directory `parts` and all in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Longest pattern, in bytes.
    pub const LEN_MAX: usize = 1024;

    /// Everything.
    pub fn all() -> Self {
        Self("**".to_owned())
    }

    /// Reads a pattern; a `/` at its beginning or end means nothing.
    ///
    /// # Errors
    /// What is wrong, in plain words: it is empty or too long, or a step of it is empty, `.` or `..`.
    pub fn new(text: &str) -> Result<Self, String> {
        let steps = text.trim_matches('/');
        if steps.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > Self::LEN_MAX {
            return Err(format!(
                "it has {} bytes, {} are possible",
                text.len(),
                Self::LEN_MAX
            ));
        }
        if let Some(step) = steps
            .split('/')
            .find(|step| matches!(*step, "" | "." | ".."))
        {
            return Err(format!("`{step}` cannot be a step of it"));
        }
        if steps.chars().any(char::is_control) {
            return Err("it has a control character".to_owned());
        }
        Ok(Self(steps.to_owned()))
    }

    /// Whether a path, without a `/` at its beginning, is one of these.
    pub fn matches(&self, path: &str) -> bool {
        let pattern: Vec<&str> = self.0.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        steps_match(&pattern, &path)
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a pattern matches a path, or a directory that the path is in.
///
/// Of several `**` only the last needs to be tried again, as with `*` within a step, so this takes at most
/// the product of both lengths.
fn steps_match(pattern: &[&str], path: &[&str]) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        match pattern.get(p) {
            None => return true, // what is left of the path is below what matched
            Some(&"**") => {
                again = Some((p, s));
                p += 1;
                if p == pattern.len() {
                    return s < path.len();
                }
                continue;
            }
            Some(step) => {
                if path.get(s).is_some_and(|name| step_matches(step, name)) {
                    (p, s) = (p + 1, s + 1);
                    continue;
                }
            }
        }
        match again {
            Some((star, from)) if from < path.len() => {
                again = Some((star, from + 1));
                (p, s) = (star + 1, from + 1);
            }
            _ => return false,
        }
    }
}

/// Whether a step's pattern matches a name.
fn step_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                again = Some((p, n));
                p += 1;
            }
            Some('?') => (p, n) = (p + 1, n + 1),
            Some(c) if name.get(n) == Some(c) => (p, n) = (p + 1, n + 1),
            _ => match again {
                Some((star, from)) => {
                    again = Some((star, from + 1));
                    (p, n) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_mean_what_they_say() {
        for (pattern, yes, no) in [
            ("**", &["a", "a/b"][..], &[][..]),
            (
                "parts",
                &["parts", "parts/a", "parts/a/b"],
                &["part", "partsa", "x/parts"],
            ),
            (
                "parts/*.txt",
                &["parts/a.txt", "parts/.txt"],
                &["parts/a.txtx", "parts/b/a.txt"],
            ),
            ("**/a?", &["ab", "x/ab", "x/y/ac", "x/ab/z"], &["a", "x/a"]),
            (
                "a/**/b",
                &["a/b", "a/x/b", "a/x/y/b"],
                &["b", "a/x", "x/a/b"],
            ),
            ("*a*b*", &["ab", "xaxbx"], &["ba"]),
        ] {
            let glob = Glob::new(pattern).unwrap();
            for path in yes {
                assert!(glob.matches(path), "{pattern} {path}");
            }
            for path in no {
                assert!(!glob.matches(path), "{pattern} {path}");
            }
        }
        for bad in ["", "/", "a//b", "../x", "a/./b", "a\0"] {
            assert!(Glob::new(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_no_wildcard_matches_itself_and_what_is_below(
            path in "[a-c]{1,3}(/[a-c]{1,3}){0,3}", below in "[a-c]{1,3}", other in "[a-c/]{1,9}"
        ) {
            let glob = Glob::new(&path).unwrap();
            prop_assert!(glob.matches(&path));
            let inner = format!("{path}/{below}");
            prop_assert!(glob.matches(&inner));
            let beneath = format!("{path}/");
            prop_assert_eq!(glob.matches(&other), other == path || other.starts_with(&beneath));
        }
    }
}
