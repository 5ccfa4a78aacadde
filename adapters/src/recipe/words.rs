//! From a command line to its words, as a shell would split it, and without a shell.

/// Splits a command line into words.
///
/// Blanks separate words. Within single quotes everything stands for itself; within double quotes a `\` is
/// taken away before `"`, `\`, `$` and a backtick; outside of quotes before any character. Nothing is expanded: no
/// variables, no patterns, no commands.
///
/// # Errors
/// What is wrong, in plain words: a quote or a `\` at the end that is not finished.
///
/// ```
/// use adapters::recipe::split_words;
///
/// assert_eq!(split_words("cat  'a b' \"c \\\"d\\\"\" e\\ f ''"), Ok(
///     ["cat", "a b", "c \"d\"", "e f", ""].map(str::to_owned).to_vec()
/// ));
/// assert!(split_words("cat 'a").is_err());
/// ```
pub fn split_words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.char_indices();
    while let Some((at, c)) = rest.next() {
        let unfinished = |what: &str| {
            let column = 1 + line.get(..at).unwrap_or_default().chars().count();
            format!("the {what} at character {column} of it is not finished")
        };
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some((_, '\'')) => break,
                        Some((_, c)) => word.push(c),
                        None => return Err(unfinished("quote")),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some((_, '"')) => break,
                        Some((_, '\\')) => match rest.next() {
                            Some((_, c @ ('"' | '\\' | '$' | '`'))) => word.push(c),
                            Some((_, c)) => word.extend(['\\', c]),
                            None => return Err(unfinished("quote")),
                        },
                        Some((_, c)) => word.push(c),
                        None => return Err(unfinished("quote")),
                    }
                }
            }
            '\\' => match rest.next() {
                Some((_, c)) => word.get_or_insert_default().push(c),
                None => return Err(unfinished("`\\`")),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// What in a command line only a shell would understand, if anything is.
pub(super) fn needs_a_shell(line: &str) -> Option<&'static str> {
    let mut quote = None;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '\\') => {
                rest.next();
            }
            (None, '|') => return Some("|"),
            (None, '>') => return Some(">"),
            (None, '<') => return Some("<"),
            (None, ';') => return Some(";"),
            (None, '&') => return Some("&"),
            (None | Some('"'), '$') => return Some("$"),
            (None | Some('"'), '`') => return Some("`"),
            (None, '*') => return Some("*"),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_needs_a_shell_is_seen() {
        assert_eq!(needs_a_shell("cat a | sort"), Some("|"));
        assert_eq!(needs_a_shell("cat 'a|b' \"c>d\" e\\;"), None);
        assert_eq!(needs_a_shell("echo \"$HOME\""), Some("$"));
    }

    proptest! {
        /// Any words can be written as a line: each in single quotes.
        #[test]
        fn quoted_words_come_back(words in prop::collection::vec("[^']{0,12}", 0..6)) {
            let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join("  ");
            prop_assert_eq!(split_words(&line), Ok(words));
        }

        #[test]
        fn no_line_does_harm(line: String) {
            let _ = split_words(&line);
            needs_a_shell(&line);
        }
    }
}
