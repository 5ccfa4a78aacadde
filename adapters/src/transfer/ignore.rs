//! What of a directory stays where it is: secrets, and what an ignore file names.

use std::path::Path;

use super::TransferError;

/// Longest ignore file, in bytes: refuse.
pub const IGNORE_BYTES_MAX: u64 = 64 * 1024;
/// Most lines of an ignore file: refuse.
const LINES_MAX: usize = 1_000;

/// Names that secrets go by, in lower case: what somebody puts into a pod may be shared with everybody.
const SECRET_NAMES: [&str; 32] = [
    ".env",
    ".env.*",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".ssh",
    "creds.json",
    "credentials",
    "credentials.json",
    "service-account*.json",
    "secrets.json",
    "secrets.y*ml",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "utc--*",
];

/// Whether a file or directory of this name is taken for a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_NAMES.iter().any(|secret| matches(secret, &name))
}

/// What an ignore file says: one pattern a line, `#` begins a remark.
///
/// A pattern without `/` is held against every name, one with `/` against paths from the directory on. `*`
/// stands for any characters of a name, `?` for one; a `/` at the end says that only directories are
/// meant. Nothing can be taken back with `!`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    steps: Vec<String>,
    /// Whether it begins at the directory, and not anywhere.
    from_root: bool,
    directories_only: bool,
}

impl Ignore {
    /// Reads the text of an ignore file; `path` is for errors.
    ///
    /// # Errors
    /// [`TransferError::Refused`] for a line that would not do what it says.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TransferError> {
        let mut patterns = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let refused = |why: &str| TransferError::Refused {
                path: path.to_owned(),
                why: format!("line {}: {why}", number + 1),
                hint: "one name or path a line; `*` and `?` stand for characters of a name".into(),
            };
            if number >= LINES_MAX {
                return Err(refused("more lines are not read"));
            }
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('!') {
                return Err(refused("`!` takes nothing back here"));
            }
            if line.contains("**") {
                return Err(refused("`**` is not known here"));
            }
            let directories_only = line.ends_with('/');
            let bare = line.trim_end_matches('/');
            let steps: Vec<_> = bare
                .trim_start_matches('/')
                .split('/')
                .map(str::to_owned)
                .collect();
            if steps
                .iter()
                .any(|step| matches!(step.as_str(), "" | "." | ".."))
            {
                return Err(refused("a step of it is empty or leads elsewhere"));
            }
            patterns.push(Pattern {
                from_root: bare.contains('/'),
                steps,
                directories_only,
            });
        }
        Ok(Self { patterns })
    }

    /// Takes over what another file says as well.
    pub fn extend(&mut self, other: Self) {
        self.patterns.extend(other.patterns);
    }

    /// Whether something stays where it is; `path` leads from the directory to it, with `/` between.
    pub fn covers(&self, path: &str, is_directory: bool) -> bool {
        let steps: Vec<_> = path.split('/').collect();
        self.patterns.iter().any(|pattern| {
            if pattern.directories_only && !is_directory {
                return false;
            }
            let held = if pattern.from_root {
                &steps[..]
            } else {
                &steps[steps.len() - 1..]
            };
            held.len() == pattern.steps.len()
                && held
                    .iter()
                    .zip(&pattern.steps)
                    .all(|(step, pattern)| matches(pattern, step))
        })
    }
}

/// Whether a name is as a pattern with `*` and `?` says. Linear in both but for going back to the last `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(text: &str) -> Ignore {
        Ignore::parse(text, Path::new(".mediumignore")).unwrap()
    }

    #[test]
    fn patterns_stand_for_names_and_for_paths() {
        let ignore = ignore("# built\n*.o\ntarget/\n/docs/draft?.md\n\n");
        for (path, is_directory, covered) in [
            ("a.o", false, true),
            ("deep/down/b.o", false, true),
            ("a.obj", false, false),
            ("target", true, true),
            ("x/target", true, true),
            ("target", false, false),
            ("docs/draft1.md", false, true),
            ("docs/draft12.md", false, false),
            ("more/docs/draft1.md", false, false),
        ] {
            assert_eq!(ignore.covers(path, is_directory), covered, "{path}");
        }
    }

    #[test]
    fn a_line_that_would_not_do_what_it_says_is_refused() {
        for line in ["!keep", "a/**/b", "../x", "a//b", "."] {
            let refused = Ignore::parse(&format!("ok\n{line}"), Path::new("i")).unwrap_err();
            assert!(refused.to_string().contains("line 2"), "{refused}");
        }
    }

    #[test]
    fn stars_match_in_the_end_and_fail_in_the_end() {
        for (pattern, name, held) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*a*a*a*a*b", &"a".repeat(200), false),
            ("??", "ü", false),
            ("?", "ü", true),
        ] {
            assert_eq!(matches(pattern, name), held, "{pattern} {name}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            ".env",
            ".ENV.local",
            "Server.PEM",
            "id_ed25519",
            "UTC--2020-01--ab",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["environment", "key.txt", "main.rs", "id_rsa.pub"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
