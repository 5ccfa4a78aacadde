//! What the VC `llm` is given as its argument.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::call::{CALLS_MAX, TIMEOUT_MS_MAX};
use super::super::http::check_bounds;
use super::super::program::is_variable;
use crate::http::Target;

/// Longest `system`, in bytes.
const SYSTEM_BYTES_MAX: usize = 16 * 1024;
/// Most rounds of one question.
const ROUNDS_MAX: u32 = 64;
/// Most exchanges that are kept for one who asks.
const HISTORY_MAX: u32 = 32;
/// Most tries of one call.
const TRIES_MAX: u32 = 10;
/// Longest name of a model, in bytes.
const MODEL_BYTES_MAX: usize = 256;

/// The argument of the VC `llm`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlmSpec {
    /// The address before `/chat/completions`: `http://127.0.0.1:11434/v1`.
    pub base: String,
    /// The origin of that, which must be granted.
    #[serde(skip)]
    pub origin: String,
    /// Which model.
    pub model: String,
    /// The granted secret that opens it, by name.
    #[serde(default)]
    pub key: Option<String>,
    /// What the model is told first, in each talk.
    #[serde(default)]
    pub system: Option<String>,
    /// Most tokens it spends in its life, read and written.
    #[serde(default)]
    pub tokens_max: Option<u64>,
    /// Most tokens of one answer.
    #[serde(default)]
    pub answer_tokens_max: Option<u64>,
    /// What tokens cost; without it they are free.
    #[serde(default)]
    pub price: Option<Price>,
    /// What is said of contacts as tools; of others it is said what they say of themselves.
    #[serde(default)]
    pub tools: BTreeMap<String, Tool>,
    /// How often the model is called for one question, at the most.
    #[serde(default = "rounds_max")]
    pub rounds_max: u32,
    /// How many exchanges with each who asks the model is told again; none by default.
    #[serde(default)]
    pub history: u32,
    /// Most questions that are open; further ones are refused with `busy`.
    #[serde(default = "open_max")]
    pub open_max: usize,
    /// How long a call may take, all tries included, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// How long a tool may take, in milliseconds.
    #[serde(default = "tool_timeout_ms")]
    pub tool_timeout_ms: u64,
    /// How often a call is tried, at the most.
    #[serde(default = "tries")]
    pub tries: u32,
    /// How long it waits before the second try, in milliseconds; twice as long before each that follows, unless the
    /// server says.
    #[serde(default = "wait_ms")]
    pub wait_ms: u64,
}

fn rounds_max() -> u32 {
    8
}

fn open_max() -> usize {
    16
}

fn timeout_ms() -> u64 {
    120_000
}

fn tool_timeout_ms() -> u64 {
    60_000
}

fn tries() -> u32 {
    5
}

fn wait_ms() -> u64 {
    250
}

/// What tokens cost, in motes for a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Those the model reads.
    pub in_motes_per_1000: u64,
    /// Those it writes.
    pub out_motes_per_1000: u64,
}

impl Price {
    /// What so many tokens cost, rounded up.
    pub fn of(self, tokens_in: u64, tokens_out: u64) -> u64 {
        let read = u128::from(tokens_in) * u128::from(self.in_motes_per_1000);
        let said = u128::from(tokens_out) * u128::from(self.out_motes_per_1000);
        u64::try_from(read.saturating_add(said).div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// How many tokens may be written, after so many were read, for so many motes; none if not even those are paid.
    pub fn affordable(self, tokens_in: u64, motes: u64) -> Option<u64> {
        let read = u128::from(tokens_in) * u128::from(self.in_motes_per_1000);
        let left = (u128::from(motes) * 1000).checked_sub(read)?;
        match u128::from(self.out_motes_per_1000) {
            0 => Some(u64::MAX),
            price => Some(u64::try_from(left / price).unwrap_or(u64::MAX)),
        }
    }
}

/// What is said of a contact as a tool.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// By which channel it is asked; `main` if that is not said.
    #[serde(default)]
    pub channel: Option<String>,
    /// What it is for.
    pub description: String,
    /// A JSON Schema of what it is sent; without one it is sent a text.
    #[serde(default)]
    pub parameters: Option<Value>,
}

impl LlmSpec {
    /// Reads the argument.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(argument: &[u8]) -> Result<Self, String> {
        let mut spec: Self = serde_json::from_slice(argument)
            .map_err(|error| format!("the argument of `llm` is JSON of another form: {error}"))?;
        let base = spec.base.trim_end_matches('/').to_owned();
        if base.contains(['?', '#']) {
            return Err("`base` is an address without `?` and `#`".to_owned());
        }
        let target = Target::read(&base).map_err(|why| format!("`base`: {why}"))?;
        spec.base = base;
        spec.origin = target.origin;
        if spec.model.is_empty() || spec.model.len() > MODEL_BYTES_MAX {
            let bytes = spec.model.len();
            return Err(format!(
                "`model` has 1 to {MODEL_BYTES_MAX} bytes, not {bytes}"
            ));
        }
        if let Some(key) = spec.key.as_ref().filter(|key| !is_variable(key)) {
            return Err(format!("`key`: `{key}` is not the name of a secret"));
        }
        let bytes = spec.system.as_ref().map_or(0, String::len);
        if bytes > SYSTEM_BYTES_MAX {
            return Err(format!(
                "`system` has {bytes} bytes, at most {SYSTEM_BYTES_MAX} are told"
            ));
        }
        if spec.history > HISTORY_MAX {
            let history = spec.history;
            return Err(format!("`history` is at most {HISTORY_MAX}, not {history}"));
        }
        check_bounds(&[
            (
                "rounds_max",
                u64::from(spec.rounds_max),
                u64::from(ROUNDS_MAX),
            ),
            ("open_max", spec.open_max as u64, CALLS_MAX as u64),
            ("timeout_ms", spec.timeout_ms, TIMEOUT_MS_MAX),
            ("tool_timeout_ms", spec.tool_timeout_ms, TIMEOUT_MS_MAX),
            ("tries", u64::from(spec.tries), u64::from(TRIES_MAX)),
            ("wait_ms", spec.wait_ms, TIMEOUT_MS_MAX),
        ])?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_rounded_up_and_never_wrap() {
        let price = Price {
            in_motes_per_1000: 2,
            out_motes_per_1000: 10,
        };
        assert_eq!(price.of(0, 0), 0);
        assert_eq!(price.of(1, 0), 1);
        assert_eq!(price.of(1000, 100), 3);
        let dear = Price {
            in_motes_per_1000: u64::MAX,
            out_motes_per_1000: u64::MAX,
        };
        assert_eq!(dear.of(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(dear.affordable(u64::MAX, u64::MAX), None);
        assert_eq!(price.affordable(1000, 3), Some(100));
        assert_eq!(price.affordable(1000, 1), None);
        assert_eq!(Price::default().affordable(9, 0), Some(u64::MAX));
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        let with = |more: &str| format!(r#"{{"base": "http://a/v1", "model": "m"{more}}}"#);
        let spec = LlmSpec::read(with("").as_bytes()).unwrap();
        assert_eq!((spec.origin.as_str(), spec.rounds_max), ("http://a", 8));
        for (argument, named) in [
            ("{}".to_owned(), "base"),
            (
                r#"{"base": "https://a/v1", "model": "m"}"#.to_owned(),
                "`https`",
            ),
            (r#"{"base": "http://a?b", "model": "m"}"#.to_owned(), "`?`"),
            (r#"{"base": "http://a", "model": ""}"#.to_owned(), "`model`"),
            (with(r#", "rounds_max": 0"#), "`rounds_max`"),
            (with(r#", "history": 33"#), "`history`"),
            (with(r#", "key": "sk-1 2""#), "`key`"),
            (with(r#", "temper": 1"#), "temper"),
        ] {
            let why = LlmSpec::read(argument.as_bytes()).unwrap_err();
            assert!(why.contains(named), "{argument}: {why}");
        }
    }
}
