//! The VC `http`: calls servers for those who ask it, of a list of origins and by a list of methods.
//!
//! A turn calls nobody: what is to be called leaves as a message to the world outside, and what came back is a
//! message as well. Calls that are not answered are kept in the state, and made once more when the node begins
//! again; so a server may be called more than once for one question, each time with the same `Idempotency-Key`,
//! and who asked is answered once.

use std::collections::{BTreeMap, VecDeque};

use actors::behaviour::{Behaviour, Fault};
use actors::effects::{Effects, Question};
use actors::letter::{Contents as Shared, Letter};
use genesis::channel::Channel;
use genesis::message::{Kind, MessageRef};
use genesis::purse::Coin;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use super::BEGAN;
use super::call::{
    ANSWER, Answer, BODY_BYTES_MAX, CALL, CALLS_MAX, Call, Came, Fetch, TIMEOUT_MS_MAX, What,
};
use super::facts::{JSON, TYPE, written};
use super::program::is_variable;
use crate::http::{Target, origin};

/// Most origins of one VC.
const ORIGINS_MAX: usize = 64;
/// Longest body that is sent, in bytes.
const SENT_BYTES_MAX: usize = 32 * 1024;
/// Methods that may be granted.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Headers that whoever asks may set; the others are the medium's, or secrets.
const HEADERS: [&str; 7] = [
    "accept",
    "accept-language",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "range",
];
/// Longest value of a header, in bytes.
const HEADER_BYTES_MAX: usize = 512;

/// What the VC `http` is given as its argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSpec {
    /// Whom it calls: scheme, host and port of each.
    pub origins: Vec<String>,
    /// By which methods.
    pub methods: Vec<String>,
    /// Most bytes of an answer's body that are read; the rest is left out.
    pub bytes_max: usize,
    /// How long a call may take, in milliseconds.
    pub timeout_ms: u64,
    /// Most calls that are under way; further questions are refused with `busy`.
    pub calls_max: usize,
    /// The granted secret that goes with each call as a bearer token, by name.
    pub key: Option<String>,
}

impl Default for HttpSpec {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            methods: vec!["GET".to_owned()],
            bytes_max: 32 * 1024,
            timeout_ms: 30_000,
            calls_max: 16,
            key: None,
        }
    }
}

impl HttpSpec {
    /// Reads the argument.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(argument: &[u8]) -> Result<Self, String> {
        let mut spec: Self = serde_json::from_slice(argument)
            .map_err(|error| format!("the argument of `http` is JSON of another form: {error}"))?;
        if spec.origins.is_empty() || spec.origins.len() > ORIGINS_MAX {
            let count = spec.origins.len();
            return Err(format!(
                "`origins` names 1 to {ORIGINS_MAX} servers, not {count}"
            ));
        }
        for named in &mut spec.origins {
            *named = origin(named).map_err(|why| format!("`origins`: {why}"))?;
        }
        let known = METHODS.join(", ");
        if let Some(method) = spec.methods.iter().find(|m| !METHODS.contains(&m.as_str())) {
            return Err(format!("`methods`: `{method}` is none of {known}"));
        }
        check_bounds(&[
            ("bytes_max", spec.bytes_max as u64, BODY_BYTES_MAX as u64),
            ("timeout_ms", spec.timeout_ms, TIMEOUT_MS_MAX),
            ("calls_max", spec.calls_max as u64, CALLS_MAX as u64),
        ])?;
        if let Some(key) = spec.key.as_ref().filter(|key| !is_variable(key)) {
            return Err(format!("`key`: `{key}` is not the name of a secret"));
        }
        Ok(spec)
    }
}

/// Whether each of some numbers is from 1 to its bound.
pub(super) fn check_bounds(numbers: &[(&str, u64, u64)]) -> Result<(), String> {
    match numbers.iter().find(|(_, n, max)| !(1..=*max).contains(n)) {
        Some((name, number, max)) => Err(format!("`{name}` is from 1 to {max}, not {number}")),
        None => Ok(()),
    }
}

/// What may be asked: an address alone is a `GET`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    method: Option<String>,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// Calls servers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Http {
    argument: Shared,
    /// The number of the last call.
    last: u64,
    /// Calls that are not answered, oldest first.
    open: VecDeque<Open>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    number: u64,
    question: Question,
    reference: MessageRef,
    call: Shared,
}

impl Http {
    fn spec(&self) -> Result<HttpSpec, Fault> {
        HttpSpec::read(&self.argument).map_err(Fault::malformed)
    }

    fn asked(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let question = effects.question()?;
        match self.call_for(letter, effects)? {
            Ok(call) => {
                effects.tell_outside(CALL, call.clone())?;
                self.open.push_back(Open {
                    number: self.last,
                    question,
                    reference: letter.reference(),
                    call,
                });
            }
            Err(why) => {
                effects.refuse(question, &why)?;
            }
        }
        Ok(())
    }

    /// The call that is asked for, or why it is not made.
    fn call_for(
        &mut self,
        letter: &Letter,
        effects: &Effects<'_>,
    ) -> Result<Result<Shared, Refusal>, Fault> {
        let spec = self.spec()?;
        if self.open.len() >= spec.calls_max {
            let what = format!("{} calls are under way (`calls_max`)", self.open.len());
            return Ok(Err(Refusal::new(Code::Busy, what).hint("ask again later")));
        }
        if effects.left(Coin::Outside) == 0 {
            return Ok(Err(no_calls_left()));
        }
        let fetch = match wanted(&letter.contents, &spec) {
            Ok(fetch) => fetch,
            Err(why) => return Ok(Err(why)),
        };
        self.last += 1;
        let call = written(&Call {
            number: self.last,
            key: spec.key,
            timeout_ms: spec.timeout_ms,
            what: What::Http(fetch),
        })?;
        Ok(Ok(call.into()))
    }

    fn answered(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let answer: Answer = serde_json::from_slice(&letter.contents)
            .map_err(|error| Fault::malformed(error.to_string()))?;
        let at = self.open.iter().position(|o| o.number == answer.number);
        // What was answered already was called again after a restart.
        let Some(open) = at.and_then(|at| self.open.remove(at)) else {
            return Ok(());
        };
        effects.because(open.reference);
        match answer.came {
            Came::Http(fetched) => {
                effects.answer(open.question, written(&fetched)?)?;
                effects.note(TYPE, JSON);
            }
            Came::Failed { why, .. } => {
                effects.refuse(open.question, &why)?;
            }
            Came::Chat(_) => return Err(Fault::malformed("a model answered instead of a server")),
        }
        Ok(())
    }

    /// Who calls begins anew: what is not answered is called again.
    fn again(&self, effects: &mut Effects<'_>) -> Result<(), Fault> {
        for open in &self.open {
            effects.because(open.reference);
            effects.tell_outside_again(CALL, open.call.clone())?;
        }
        Ok(())
    }
}

/// That the purse has no calls left.
pub(super) fn no_calls_left() -> Refusal {
    Refusal::new(
        Code::Budget,
        "its purse has no `outside` left: it called as often as it may in its life",
    )
    .hint("spawn it again with `--budget outside=N`")
}

/// Reads what is asked for, and compares it with what may be.
fn wanted(contents: &Shared, spec: &HttpSpec) -> Result<Fetch, Refusal> {
    let wrong = |what: String| Refusal::new(Code::Malformed, what);
    let text = contents.as_text().ok_or_else(|| {
        wrong("what is to be called is a text: an address, or JSON with `url`".to_owned())
    })?;
    let text = text.trim();
    let wanted: Wanted = if text.starts_with('{') {
        serde_json::from_str(text)
            .map_err(|error| wrong(format!("what is to be called: {error}")))?
    } else {
        Wanted {
            url: text.to_owned(),
            ..Wanted::default()
        }
    };
    let target = Target::read(&wanted.url).map_err(wrong)?;
    let denied = |what: String, hint: String| Err(Refusal::new(Code::Denied, what).hint(hint));
    if !spec.origins.contains(&target.origin) {
        let what = format!("{} is not among what it may call", target.origin);
        return denied(what, format!("it may call {}", spec.origins.join(", ")));
    }
    let method = wanted.method.unwrap_or_else(|| "GET".to_owned());
    if !spec.methods.contains(&method) {
        let what = format!("`{method}` is not among its methods");
        return denied(what, format!("it calls by {}", spec.methods.join(", ")));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in wanted.headers {
        let name = name.to_ascii_lowercase();
        if !HEADERS.contains(&name.as_str()) {
            let what = format!("the header `{name}` is not yours to set");
            return denied(what, format!("there are {}", HEADERS.join(", ")));
        }
        let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if value.len() > HEADER_BYTES_MAX || !printable {
            let bytes = value.len();
            return Err(wrong(format!(
                "the header `{name}` is {bytes} bytes; at most {HEADER_BYTES_MAX} of printable ASCII are sent"
            )));
        }
        headers.insert(name, value);
    }
    let bytes = wanted.body.as_ref().map_or(0, String::len);
    if bytes > SENT_BYTES_MAX {
        let what = format!("a body of {bytes} bytes, at most {SENT_BYTES_MAX} are sent");
        return Err(Refusal::new(Code::TooLarge, what));
    }
    Ok(Fetch {
        method,
        url: target.url,
        headers,
        body: wanted.body,
        bytes_max: spec.bytes_max,
    })
}

impl Behaviour for Http {
    const NAME: &'static str = "http";
    const NEEDS: &'static [Channel] = &[Channel::known("medium/send")];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        HttpSpec::read(argument).map_err(Fault::malformed)?;
        Ok(Self {
            argument: argument.into(),
            last: 0,
            open: VecDeque::new(),
        })
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if !effects.is_from_outside() {
            return match letter.kind {
                Kind::Tell => self.asked(letter, effects),
                _ => Ok(()),
            };
        }
        if letter.channel == ANSWER {
            self.answered(letter, effects)
        } else if letter.channel == BEGAN {
            self.again(effects)
        } else {
            Ok(())
        }
    }

    fn answers(&self, channel: Channel) -> bool {
        [Channel::MAIN, ANSWER, BEGAN].contains(&channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> HttpSpec {
        HttpSpec::read(br#"{"origins": ["http://127.0.0.1:8080"], "methods": ["GET", "POST"]}"#)
            .unwrap()
    }

    #[test]
    fn what_is_not_granted_is_refused_by_name() {
        for (asked, code, named) in [
            ("http://127.0.0.1:8081/", Code::Denied, "127.0.0.1:8081"),
            ("http://localhost:8080/", Code::Denied, "localhost:8080"),
            ("https://127.0.0.1:8080/", Code::Malformed, "`https`"),
            ("http://a:b@127.0.0.1:8080/", Code::Malformed, "a password"),
            (
                r#"{"url": "http://127.0.0.1:8080/", "method": "PUT"}"#,
                Code::Denied,
                "`PUT`",
            ),
            (
                r#"{"url": "http://127.0.0.1:8080/", "method": "get"}"#,
                Code::Denied,
                "`get`",
            ),
            (
                r#"{"url": "http://127.0.0.1:8080/", "headers": {"Authorization": "x"}}"#,
                Code::Denied,
                "`authorization`",
            ),
            (
                r#"{"url": "http://127.0.0.1:8080/", "headers": {"accept": "a\r\nhost: b"}}"#,
                Code::Malformed,
                "`accept`",
            ),
            (
                r#"{"uri": "http://127.0.0.1:8080/"}"#,
                Code::Malformed,
                "uri",
            ),
            ("", Code::Malformed, "no address"),
        ] {
            let why = wanted(&asked.into(), &spec()).unwrap_err();
            assert_eq!(why.code, code, "{asked}: {why}");
            assert!(why.what.contains(named), "{asked}: {why}");
        }
    }

    #[test]
    fn an_address_alone_is_got() {
        let fetch = wanted(&" http://127.0.0.1:8080/a?b#c\n".into(), &spec()).unwrap();
        assert_eq!(fetch.method, "GET");
        assert_eq!(fetch.url, "http://127.0.0.1:8080/a?b");
        let asked = r#"{"url": "http://127.0.0.1:8080", "method": "POST", "body": "x"}"#;
        let fetch = wanted(&asked.into(), &spec()).unwrap();
        assert_eq!(
            (fetch.method.as_str(), fetch.body.as_deref()),
            ("POST", Some("x"))
        );
    }

    #[test]
    fn arguments_that_grant_nothing_or_too_much_are_refused() {
        for (argument, named) in [
            ("", "JSON"),
            ("{}", "`origins`"),
            (r#"{"origins": ["http://a/b"]}"#, "nothing after"),
            (
                r#"{"origins": ["http://a"], "methods": ["BREW"]}"#,
                "`BREW`",
            ),
            (
                r#"{"origins": ["http://a"], "bytes_max": 1000000}"#,
                "`bytes_max`",
            ),
            (
                r#"{"origins": ["http://a"], "calls_max": 0}"#,
                "`calls_max`",
            ),
            (r#"{"origins": ["http://a"], "key": "a b"}"#, "`key`"),
            (r#"{"origins": ["http://a"], "port": 1}"#, "port"),
        ] {
            let why = HttpSpec::read(argument.as_bytes()).unwrap_err();
            assert!(why.contains(named), "{argument}: {why}");
        }
    }
}
