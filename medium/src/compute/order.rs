//! An order, as JSON, and its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use adapters::compute::{Capture, Done, End, Limits, Stream, is_module};
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Most bytes of a job's directory, and of what it makes.
pub const POD_BYTES_MAX: u64 = 4 << 30;
/// Most files and directories of either.
pub const POD_ENTRIES_MAX: usize = 100_000;
/// How much of what a job prints is in its answer, of each stream, in bytes.
pub const ANSWER_TEXT_BYTES_MAX: usize = 4 * 1024;
/// The longest text in an answer that says why, in characters.
const WHY_CHARS_MAX: usize = 2_000;
/// What an order may be allowed beyond the sandbox of modules.
const NATIVE: &str = "native";

/// What a VC orders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// A reference key, or a reference, of the directory the job runs in: 64 or 128 hexadecimal digits.
    pub(super) pod: String,
    /// The command line.
    pub(super) argv: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// What it may use at the most; never more than a job may by default.
    #[serde(default)]
    limits: WantedLimits,
    /// The directory below the pod's that has what it made.
    #[serde(default = "output")]
    pub(super) output: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WantedLimits {
    cpu_s: Option<u64>,
    memory_bytes: Option<u64>,
    wall_ms: Option<u64>,
    file_bytes: Option<u64>,
    processes: Option<u32>,
}

fn output() -> String {
    "output".to_owned()
}

impl Wanted {
    /// Reads an order.
    ///
    /// # Errors
    /// `malformed`, with line and column, or `denied` for what the owner's words do not allow.
    pub(super) fn read(text: &str, allowed: &[String]) -> Result<Self, Refusal> {
        if let Some(word) = allowed.iter().find(|word| *word != NATIVE) {
            let what = format!("the VC was told to allow `{word}`, which nobody here knows");
            let hint = format!("spawn it with `{NATIVE}`, or with nothing");
            return Err(Refusal::new(Code::Malformed, what).hint(hint));
        }
        let wanted: Self = serde_json::from_str(text).map_err(|error| {
            let hint = r#"it looks like {"pod": "…64 digits…", "argv": ["count.wasm"], "output": "output"}"#;
            Refusal::new(Code::Malformed, format!("not an order: {error}")).hint(hint)
        })?;
        let is_reference = matches!(wanted.pod.len(), 64 | 128)
            && wanted.pod.bytes().all(|byte| byte.is_ascii_hexdigit());
        // A name would be one of the owner's pods, which the VC need not be allowed to see.
        if !is_reference {
            let what = "`pod` is no reference of 64 or 128 hexadecimal digits";
            let hint = "`medium pod share` prints one";
            return Err(Refusal::new(Code::Malformed, what).hint(hint));
        }
        let program = wanted.argv.first().map(String::as_str).unwrap_or_default();
        if !is_module(program) && !allowed.iter().any(|word| word == NATIVE) {
            let what = format!("`{program}` is a native command, and only modules are allowed");
            let hint = "build it for `wasm32-wasip1`; or its owner spawns the VC `compute` with the argument `native`";
            return Err(Refusal::new(Code::Denied, what).hint(hint));
        }
        Ok(wanted)
    }

    /// What it may use.
    pub(super) fn limits(&self) -> Limits {
        let most = Limits::default();
        let wanted = self.limits;
        Limits {
            cpu_s: wanted.cpu_s.map_or(most.cpu_s, |at| at.min(most.cpu_s)),
            memory_bytes: wanted
                .memory_bytes
                .map_or(most.memory_bytes, |at| at.min(most.memory_bytes)),
            wall: wanted
                .wall_ms
                .map_or(most.wall, |ms| Duration::from_millis(ms).min(most.wall)),
            file_bytes: wanted
                .file_bytes
                .map_or(most.file_bytes, |at| at.min(most.file_bytes)),
            processes: wanted
                .processes
                .map_or(most.processes, |at| at.min(most.processes)),
        }
    }
}

/// What a job made, where it can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Made {
    /// A reference key.
    pub(super) reference: String,
    /// Files.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// The answer of a job that ran.
pub(super) fn answer(done: &Done, capture: &Capture, made: Option<&Made>) -> String {
    let end = match &done.end {
        End::Limit(why) => json!({ "limit": clip(why) }),
        End::Trap(why) => json!({ "trap": clip(why) }),
        other => json!(other),
    };
    let printed = |stream| {
        let printed = capture.printed(stream);
        json!({
            "digest": printed.digest.to_string(),
            "bytes": printed.bytes,
            "text": String::from_utf8_lossy(&printed.head),
        })
    };
    let took_ms = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX);
    json!({
        "end": end,
        "cage": done.plan.cage,
        "took_ms": took_ms,
        "fuel": done.fuel,
        "stdout": printed(Stream::Stdout),
        "stderr": printed(Stream::Stderr),
        "output": made,
    })
    .to_string()
}

/// The answer to an order that was not carried out.
pub(super) fn refused(refusal: &Refusal) -> String {
    let hint = refusal.hint.as_ref().map(|hint| clip(hint));
    let why: Value =
        json!({ "code": refusal.code.to_string(), "what": clip(&refusal.what), "hint": hint });
    json!({ "refused": why }).to_string()
}

fn clip(text: &str) -> String {
    text.chars().take(WHY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, allowed: &[&str], part: &str) {
        let allowed: Vec<String> = allowed.iter().map(|&word| word.to_owned()).collect();
        let text = text.replace("REF", &"a".repeat(64));
        match Wanted::read(&text, &allowed) {
            Ok(wanted) => assert_eq!(part, "", "{wanted:?}"),
            Err(refusal) => assert!(!part.is_empty() && refusal.what.contains(part), "{refusal}"),
        }
    }

    #[test]
    fn orders_are_read_strictly() {
        check(r#"{"pod": "REF", "argv": ["a.wasm"]}"#, &[], "");
        check(r#"{"pod": "REF", "argv": ["a.wasm"]}"#, &["native"], "");
        check(r#"{"pod": "REF", "argv": ["sh"]}"#, &["native"], "");
        check(
            r#"{"pod": "REF", "argv": ["sh"]}"#,
            &[],
            "`sh` is a native command",
        );
        check(r#"{"pod": "REF", "argv": []}"#, &[], "is a native command");
        check(
            r#"{"pod": "mine", "argv": ["a.wasm"]}"#,
            &[],
            "`pod` is no reference",
        );
        check(
            r#"{"pod": "REF", "argv": ["a.wasm"], "trust": true}"#,
            &["native"],
            "unknown field `trust`",
        );
        check(
            r#"{"pod": "REF", "argv": ["a.wasm"]}"#,
            &["trust"],
            "allow `trust`",
        );
        check("", &[], "line 1 column 0");
    }

    #[test]
    fn limits_only_narrow() {
        let read = |limits: &str| {
            let pod = "a".repeat(64);
            let text = format!(r#"{{"pod": "{pod}", "argv": ["a.wasm"], "limits": {limits}}}"#);
            Wanted::read(&text, &[]).expect("an order").limits()
        };
        assert_eq!(read("{}"), Limits::default());
        let more = r#"{"cpu_s": 9999999, "memory_bytes": 99999999999, "wall_ms": 99999999999, "processes": 99999}"#;
        assert_eq!(read(more), Limits::default());
        assert_eq!(
            read(r#"{"cpu_s": 1, "wall_ms": 10}"#).wall,
            Duration::from_millis(10)
        );
    }

    /// Whatever a job says, its answer fits a message.
    #[test]
    fn answers_are_bounded() {
        use adapters::compute::{Cage, Output, Plan};
        use genesis::limits::CONTENTS_INLINE_MAX;
        let capture = Capture::new(ANSWER_TEXT_BYTES_MAX);
        for stream in [Stream::Stdout, Stream::Stderr] {
            // Each byte becomes six.
            Output::printed(&capture, stream, &vec![1; 1 << 20]);
        }
        let done = Done {
            plan: Plan {
                cage: Cage::Wasi,
                may: Vec::new(),
            },
            end: End::Trap("\u{1}".repeat(1 << 20)),
            took: Duration::from_secs(1),
            fuel: Some(u64::MAX),
        };
        assert!(answer(&done, &capture, None).len() < CONTENTS_INLINE_MAX);
    }
}
