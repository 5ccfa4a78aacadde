//! Calls of servers that VCs want made: one task for each, until it has an answer.
//!
//! A VC numbers its calls and tells one again when its node begins anew; what is under way, or was answered a moment
//! ago, is not made twice. Secrets are put in here and taken out of whatever comes back: nothing that a VC, its log
//! or its journal sees has them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use actors::outside::Told;
use adapters::http::{Target, origin};
use adapters::outside::BEGAN;
use adapters::outside::call::{ANSWER, Answer, CALLS_MAX, Call, Came, Usage, What};
use genesis::id::VcId;
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::{Code, Refusal};
use ractor::ActorRef;
use reqwest::{Client, RequestBuilder, redirect};
use tokio::task::JoinSet;

use super::driver::Msg;
use super::process::Mouth;
use super::{Granted, Programs, granted, http, llm};

/// How long it may take to reach a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest secret that is looked for in what comes back, in bytes: shorter ones are in every text.
const SECRET_BYTES_MIN: usize = 6;

/// The calls of one VC.
pub(super) struct Calls {
    programs: Programs,
    mouth: Mouth,
    client: Option<Client>,
    tasks: JoinSet<()>,
    under_way: BTreeSet<u64>,
    /// Those that were answered of late.
    answered: VecDeque<u64>,
    /// Whether it is noted that this VC calls, so that its calls are made again when the node begins anew.
    noted: bool,
}

/// A call that is being made: what it needs beside itself.
pub(super) struct Making {
    pub(super) vc: VcId,
    pub(super) number: u64,
    pub(super) client: Client,
    pub(super) mouth: Mouth,
    pub(super) secret: Hidden,
}

impl Calls {
    pub(super) fn new(programs: Programs, mouth: Mouth) -> Self {
        Self {
            programs,
            mouth,
            client: None,
            tasks: JoinSet::new(),
            under_way: BTreeSet::new(),
            answered: VecDeque::new(),
            noted: false,
        }
    }

    /// Whether any is under way.
    pub(super) fn are_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Tells the VC that its calls are made from here on: what is not answered, it says again.
    pub(super) async fn begin(&mut self) {
        self.note();
        if let Err(why) = self.mouth.say(BEGAN, b"{}".to_vec(), None).await {
            tracing::debug!(%why, vc = %self.mouth.vc, "who makes calls for it is not heard");
        }
    }

    /// Makes a call.
    pub(super) fn told(&mut self, me: &ActorRef<Msg>, told: &Told) {
        while self.tasks.try_join_next().is_some() {}
        let call: Call = match serde_json::from_slice(&told.contents) {
            Ok(call) => call,
            Err(error) => {
                tracing::error!(%error, vc = %told.vc, "a call that is none");
                return;
            }
        };
        let number = call.number;
        if self.under_way.contains(&number) || self.answered.contains(&number) {
            return;
        }
        self.note();
        self.under_way.insert(number);
        let (mut mouth, programs) = (self.mouth.clone(), self.programs.clone());
        mouth.cause = Some(told.reference);
        let (client, slice) = (self.client(), told.slice);
        let me = me.clone();
        self.tasks.spawn(async move {
            // Nothing leaves that a crash could undo.
            if mouth.runtime.settled(slice).await.is_err() {
                return;
            }
            let came = match client {
                Ok(client) => make(&programs, &mouth, client, call).await,
                Err(why) => failed(why),
            };
            // A VC that does not hear any more is stopped.
            let _ = mouth.say(ANSWER, written(number, came), None).await;
            let _ = me.cast(Msg::Called(number));
        });
    }

    /// A call has its answer.
    pub(super) fn called(&mut self, number: u64) {
        self.under_way.remove(&number);
        self.answered.push_back(number);
        if self.answered.len() > CALLS_MAX {
            self.answered.pop_front();
        }
    }

    /// Gives up what is under way; when it returns, nothing holds the runtime any more.
    pub(super) async fn leave(&mut self) {
        self.tasks.shutdown().await;
        self.under_way.clear();
    }

    fn note(&mut self) {
        if self.noted {
            return;
        }
        match granted::note_running(&self.programs.0.folder, self.mouth.vc, true) {
            Ok(()) => self.noted = true,
            Err(why) => tracing::warn!(%why, vc = %self.mouth.vc, "cannot note that it calls"),
        }
    }

    fn client(&mut self) -> Result<Client, Refusal> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent("medium/1")
            .build()
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        Ok(self.client.insert(client).clone())
    }
}

/// Makes a call, if it may be made.
async fn make(programs: &Programs, mouth: &Mouth, client: Client, call: Call) -> Came {
    let vc = mouth.vc;
    let reading = programs.clone();
    let granted = tokio::task::spawn_blocking(move || reading.granted(vc)).await;
    let granted = match granted {
        Ok(Ok(granted)) => granted,
        Ok(Err(why)) => return failed(why),
        Err(error) => return failed(Refusal::new(Code::Internal, error.to_string())),
    };
    let url = match &call.what {
        What::Http(fetch) => &fetch.url,
        What::Chat(chat) => &chat.base,
    };
    let secret = match allowed(programs, vc, url, call.key.as_deref(), &granted) {
        Ok(secret) => secret,
        Err(why) => return failed(why),
    };
    let making = Making {
        vc,
        number: call.number,
        client,
        mouth: mouth.clone(),
        secret,
    };
    let timeout = Duration::from_millis(call.timeout_ms);
    let usage = parking_lot::Mutex::new(Usage::default());
    let made = async {
        match call.what {
            What::Http(fetch) => http::fetch(&making, fetch).await,
            What::Chat(chat) => llm::chat(&making, chat, &usage).await,
        }
    };
    tokio::time::timeout(timeout, made)
        .await
        .unwrap_or_else(|_| {
            let what = format!("no answer within {} ms", call.timeout_ms);
            let why = Refusal::new(Code::Timeout, what).hint("`timeout_ms` in its argument");
            Came::Failed {
                why,
                usage: *usage.lock(),
            }
        })
}

/// Whether a VC may call an address, and the secret it does it with.
fn allowed(
    programs: &Programs,
    vc: VcId,
    url: &str,
    key: Option<&str>,
    granted: &Granted,
) -> Result<Hidden, Refusal> {
    let denied = |what: String| Err(Refusal::new(Code::Denied, what).who(vc));
    if !programs.0.calls {
        return denied("this node calls nobody: it is deterministic".to_owned());
    }
    let target = Target::read(url).map_err(|why| Refusal::new(Code::Malformed, why))?;
    let mut origins = granted.origins.iter().filter_map(|o| origin(o).ok());
    if !origins.any(|origin| origin == target.origin) {
        let what = format!("{} was not granted to {vc}", target.origin);
        return denied(what).map_err(|why: Refusal| {
            why.hint(format!("spawn it with `--origin {}`", target.origin))
        });
    }
    let Some(name) = key else {
        return Ok(Hidden(None));
    };
    match granted.secrets.get(name) {
        Some(value) => Ok(Hidden(Some((name.to_owned(), value.clone())))),
        None => denied(format!("the secret `{name}` was not granted to {vc}"))
            .map_err(|why: Refusal| why.hint(format!("spawn it with `--secret {name}`"))),
    }
}

/// That nothing came.
pub(super) fn failed(why: Refusal) -> Came {
    Came::Failed {
        why,
        usage: Usage::default(),
    }
}

/// An answer as a message: one that does not fit is said to be too long instead.
fn written(number: u64, came: Came) -> Vec<u8> {
    let usage = match &came {
        Came::Chat(said) => said.usage,
        Came::Failed { usage, .. } => *usage,
        Came::Http(_) => Usage::default(),
    };
    let bytes = serde_json::to_vec(&Answer { number, came }).unwrap_or_default();
    if (1..=CONTENTS_INLINE_MAX).contains(&bytes.len()) {
        return bytes;
    }
    let what = format!(
        "as a message the answer has {} bytes, at most {CONTENTS_INLINE_MAX} travel in one",
        bytes.len()
    );
    let why = Refusal::new(Code::TooLarge, what);
    let came = Came::Failed { why, usage };
    serde_json::to_vec(&Answer { number, came }).unwrap_or_default()
}

/// A secret, and the art of keeping it one: name and value.
pub(super) struct Hidden(Option<(String, String)>);

impl Hidden {
    #[cfg(test)]
    pub(super) fn new(name: &str, value: &str) -> Self {
        Self(Some((name.to_owned(), value.to_owned())))
    }

    /// A request that the secret opens.
    pub(super) fn open(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.0 {
            Some((_, value)) => request.bearer_auth(value),
            None => request,
        }
    }

    /// A text without the secret, which a server may have repeated.
    pub(super) fn hide(&self, text: String) -> String {
        match self.searched() {
            Some((name, value)) if text.contains(value) => text.replace(value, &shown(name)),
            _ => text,
        }
    }

    /// Bytes without the secret.
    pub(super) fn hide_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Some((name, value)) = self.searched() else {
            return bytes;
        };
        let (mut hidden, mut rest) = (Vec::with_capacity(bytes.len()), &bytes[..]);
        while let Some((&first, others)) = rest.split_first() {
            if let Some(after) = rest.strip_prefix(value.as_bytes()) {
                hidden.extend_from_slice(shown(name).as_bytes());
                rest = after;
            } else {
                hidden.push(first);
                rest = others;
            }
        }
        hidden
    }

    /// How many of the last bytes may be the beginning of the secret.
    pub(super) fn begun_in(&self, text: &[u8]) -> usize {
        let Some((_, value)) = self.searched() else {
            return 0;
        };
        let longest = value.len().saturating_sub(1).min(text.len());
        let ends = |len: &usize| text.ends_with(&value.as_bytes()[..*len]);
        (1..=longest).rev().find(ends).unwrap_or(0)
    }

    fn searched(&self) -> Option<(&str, &str)> {
        let (name, value) = self.0.as_ref()?;
        (value.len() >= SECRET_BYTES_MIN).then_some((name, value))
    }
}

fn shown(name: &str) -> String {
    format!("[{name}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_wherever_it_is_repeated() {
        let hidden = Hidden::new("KEY", "sk-123456");
        let said = "wrong key sk-123456, or sk-123456sk-123456";
        let seen = "wrong key [KEY], or [KEY][KEY]";
        assert_eq!(hidden.hide(said.to_owned()), seen);
        assert_eq!(hidden.hide_bytes(said.into()), seen.as_bytes());
        for (text, bytes) in [
            ("a sk-1234", 7),
            ("sk-123456", 0),
            ("s", 1),
            ("", 0),
            ("xsks", 1),
        ] {
            assert_eq!(hidden.begun_in(text.as_bytes()), bytes, "{text}");
        }
        assert_eq!(Hidden(None).hide(said.to_owned()), said);
    }
}
