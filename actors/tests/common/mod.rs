//! What the tests of the runtime share: a VC that does what it is told, a deterministic runtime, and
//! checks that hold for every runtime at rest.
#![allow(dead_code, reason = "each test binary uses its own share of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::sync::Arc;

use actors::behaviour::{Behaviour, Fault};
use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::clock::VirtualClock;
use actors::effects::{Contact, Effects, Question};
use actors::letter::Letter;
use actors::natives::natives;
use actors::runtime::{Config, Runtime};
use actors::store::Store;
use actors::view::{Outgoing, Portrait};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::image::{Code as PartCode, ImagePart};
use genesis::message::Kind;
use genesis::power::{Grants, Power};
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};
use genesis::seal::NodeSecret;
use genesis::time::Time;
use serde::{Deserialize, Serialize};

/// How long a test waits, in real milliseconds, for what should come at once.
pub(crate) const WAIT_MS: u64 = 20_000;

/// A VC that does what it is told and notes what it hears.
///
/// A `tell` that begins with `!` is a script, its steps parted by `;`, each done in order (a step that
/// fails is the turn's fault): see [`Puppet::step`]. Everything else is noted, one line each.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Puppet {
    pub(crate) notes: Vec<String>,
    sent: u64,
    asked: u64,
    question: Option<Question>,
}

impl Puppet {
    fn whom(effects: &Effects<'_>, name: &str) -> Result<Contact, Fault> {
        let number = |text: &str| text.parse().map_err(|_| Fault::malformed("not a number"));
        match name.split_at(1) {
            ("h", "") => Ok(Contact::Host),
            ("s", "") => Ok(Contact::Sender),
            ("k", n) => Ok(Contact::Kept(number(n)?)),
            ("c", n) => Ok(Contact::Carried(number(n)?)),
            ("=", name) => effects
                .named(name)
                .ok_or_else(|| Fault::new(Code::NotAContact, format!("nobody is called {name}"))),
            _ => Err(Fault::malformed(format!("whom? {name}"))),
        }
    }

    fn step(&mut self, step: &str, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let words: Vec<&str> = step.split_whitespace().collect();
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| Fault::malformed(format!("{text} is not a number")))
        };
        match *words.as_slice() {
            [] => Ok(()),
            ["note", text] => {
                self.notes.push(text.to_owned());
                Ok(())
            }
            ["reply"] => effects.reply("").map(drop),
            ["reply", text] => effects.reply(text).map(drop),
            ["notes"] => effects.reply(self.notes.join("\n")).map(drop),
            ["count"] => effects.reply(self.notes.len().to_string()).map(drop),
            ["draw"] => {
                let drawn = effects.random();
                effects.reply(drawn.to_string()).map(drop)
            }
            ["send", to, text] => effects.send(Self::whom(effects, to)?, text).map(drop),
            ["send-by", to, channel, text] => {
                let channel = channel
                    .parse()
                    .map_err(|_| Fault::malformed("no channel"))?;
                effects
                    .send_by(Self::whom(effects, to)?, channel, text)
                    .map(drop)
            }
            // Like `send`, but the text is a script for the receiver: `+` stands for a blank, `,` for `;`.
            ["order", to, text] => {
                let script = text.replace('+', " ").replace(',', ";");
                effects
                    .send(Self::whom(effects, to)?, format!("!{script}"))
                    .map(drop)
            }
            ["burst", to, many] => {
                for _ in 0..number(many)? {
                    self.sent += 1;
                    let text = self.sent.to_string();
                    effects.send(Self::whom(effects, to)?, text)?;
                }
                Ok(())
            }
            ["ask", to, within_ms, text] => {
                let to = Self::whom(effects, to)?;
                self.asked = effects.ask(to, Channel::MAIN, text, number(within_ms)?)?;
                Ok(())
            }
            ["later"] => {
                self.question = Some(effects.question()?);
                Ok(())
            }
            ["answer", text] => match self.question.take() {
                Some(question) => effects.answer(question, text).map(drop),
                None => Err(Fault::malformed("nobody asked")),
            },
            ["cancel"] => effects.cancel(self.asked),
            ["forward", to] => effects.forward(Self::whom(effects, to)?).map(drop),
            ["give", to, what] => {
                let sequence = effects.send(Self::whom(effects, to)?, "gift")?;
                let what = Self::whom(effects, what)?;
                effects.hand_over(sequence, &[what])
            }
            // Hands a contact over to itself, which keeps it.
            ["mirror", to] => {
                let to = Self::whom(effects, to)?;
                let sequence = effects.send(to, "!keep c0")?;
                effects.hand_over(sequence, &[to])
            }
            ["keep", whom] => effects.keep(Self::whom(effects, whom)?).map(drop),
            ["expires", lives_ms] => {
                effects.expires_after(number(lives_ms)?);
                Ok(())
            }
            ["spawn", ref rest @ ..] => {
                let birth = birth_of(rest).ok_or_else(|| Fault::malformed("no such birth"))?;
                effects.spawn(birth).map(drop)
            }
            ["fork", fuel] => {
                let purse = Purse {
                    fuel: number(fuel)?,
                    messages: 100,
                    ..Purse::EMPTY
                };
                effects.fork(purse).map(drop)
            }
            ["after", delay_ms, tag] => effects.after(number(delay_ms)?, number(tag)?),
            ["emit", text] => effects.emit(text),
            ["internalize", name] => effects.internalize(native_part(name)),
            ["strip", occurrence] => effects.strip(number(occurrence)?),
            ["watch", whom] => effects.watch(Self::whom(effects, whom)?, false),
            ["link", whom] => effects.watch(Self::whom(effects, whom)?, true),
            ["stop"] => effects.stop(),
            ["fail"] => Err(Fault::new(Code::Fault, "told to")),
            // A panic that the hook does not print.
            ["panic"] => std::panic::resume_unwind(Box::new("told to")),
            _ => Err(Fault::malformed(format!("no such step: {step}"))),
        }
    }
}

/// `echo durable all fuel=3 children=1 called=x`: a birth, in words.
pub(crate) fn birth_of(words: &[&str]) -> Option<Birth> {
    let (name, rest) = words.split_first()?;
    let mut birth = Birth::native(name, "");
    for word in rest {
        match (*word, word.split_once('=')) {
            ("durable", _) => birth.durable = true,
            ("all", _) => birth.grants = Grants::ALL,
            ("none", _) => birth.grants = Grants::NONE,
            (_, Some(("called", name))) => birth.name = Some(name.to_owned()),
            (_, Some(("fuel", n))) => birth.purse.fuel = n.parse().ok()?,
            (_, Some(("messages", n))) => birth.purse.messages = n.parse().ok()?,
            (_, Some(("children", n))) => birth.purse.children = n.parse().ok()?,
            _ => return None,
        }
    }
    Some(birth)
}

/// A native as a part on its way into a body.
pub(crate) fn native_part(name: &str) -> ImagePart {
    let kind = registry().get(name, None).expect("a native of this name");
    ImagePart {
        occurrence: 0,
        code: PartCode::Native {
            name: name.to_owned(),
            version: kind.version,
        },
        role: None,
        contents: bytes::Bytes::new(),
        decoder: Some(kind.digest()),
        channels: kind.channels(),
        state: None,
        enclosed: None,
    }
}

impl Behaviour for Puppet {
    const NAME: &'static str = "puppet";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let text = letter.contents.as_text().unwrap_or("(bytes)");
        let note = match letter.kind {
            Kind::Tell => match text.strip_prefix('!') {
                Some(script) => {
                    for step in script.split(';') {
                        self.step(step.trim(), effects)?;
                    }
                    return Ok(());
                }
                None => format!("tell {text}"),
            },
            Kind::Reply => format!("reply {text}"),
            Kind::Bounce => {
                let code = letter.refusal().map_or("none", |why| why.code.name());
                format!("bounce {code}")
            }
            Kind::Notice if letter.channel == Channel::TIMER => {
                let tag = <[u8; 8]>::try_from(&*letter.contents).map_or(0, u64::from_le_bytes);
                format!("timer {tag} at {}", letter.sent_at.0)
            }
            Kind::Notice if letter.channel == Channel::DOWN => {
                let reason = letter
                    .extra
                    .as_ref()
                    .and_then(|extra| extra.metadata.get("code"))
                    .map(|code| String::from_utf8_lossy(code).into_owned());
                format!(
                    "down {}",
                    reason.unwrap_or_else(|| text.rsplit(' ').next().unwrap_or("").to_owned())
                )
            }
            _ => format!("{} on {}", letter.kind.name(), letter.channel),
        };
        self.notes.push(note);
        Ok(())
    }
}

/// The natives of every test.
pub(crate) fn registry() -> actors::behaviour::Natives {
    natives()
        .with::<Puppet>()
        .with::<Keeper>()
        .with::<Smuggler>()
        .with::<Reshaper>()
        .with::<Beggar>()
        .with::<Flooder>()
        .with::<Forwarder>()
        .with::<Lineup>()
}

/// A deterministic runtime's configuration: one worker, seeded order, virtual time.
pub(crate) fn config(seed: u64) -> Config {
    let mut config = Config::new(NodeSecret::new([7; 32]), Arc::new(VirtualClock::default()));
    config.seed = seed;
    config.deterministic = true;
    config.natives = registry();
    config
}

/// The same, on a store.
pub(crate) fn config_on(seed: u64, store: Arc<dyn Store>) -> Config {
    let mut config = config(seed);
    config.store = Some(store);
    config
}

pub(crate) async fn start(config: Config) -> Runtime {
    Runtime::start(config).await.unwrap()
}

/// A puppet that may do everything.
pub(crate) fn puppet() -> Birth {
    Birth::native("puppet", "").granted(Grants::ALL)
}

/// A puppet with these powers beside those that harm nobody.
pub(crate) fn puppet_with(powers: &[Power]) -> Birth {
    let grants = powers.iter().fold(Grants::HARMLESS, |g, &p| g.with(p));
    Birth::native("puppet", "").granted(grants)
}

/// The same birth with contacts, unnamed.
pub(crate) fn knowing(mut birth: Birth, contacts: &[VcId]) -> Birth {
    birth.contacts.extend(contacts.iter().map(|&id| (None, id)));
    birth
}

/// Asks and gives the text of the answer, or the refusal of the door or of a bounce.
pub(crate) async fn ask(runtime: &Runtime, to: VcId, text: &str) -> Result<String, Refusal> {
    let answer = runtime
        .ask(Outgoing::new(to, text.to_owned()), WAIT_MS)
        .await?;
    let letter = answer.reply.expect("an answer in time");
    match letter.refusal() {
        Some(why) => Err(why),
        None => Ok(String::from_utf8_lossy(&letter.contents).into_owned()),
    }
}

/// Asks what must be answered.
pub(crate) async fn say(runtime: &Runtime, to: VcId, text: &str) -> String {
    ask(runtime, to, text).await.unwrap()
}

/// Tells and waits for all that follows.
pub(crate) async fn tell(runtime: &Runtime, to: VcId, text: &str) {
    runtime
        .send(Outgoing::new(to, text.to_owned()))
        .await
        .unwrap();
    runtime.quiet().await.unwrap();
}

/// What a puppet noted.
pub(crate) async fn notes(runtime: &Runtime, puppet: VcId) -> Vec<String> {
    let notes = say(runtime, puppet, "!notes").await;
    notes.lines().map(str::to_owned).collect()
}

/// Lets virtual time go on by so much.
pub(crate) async fn pass(runtime: &Runtime, clock: &dyn actors::clock::Clock, ms: u64) {
    runtime.run_until(Time(clock.now().0 + ms)).await.unwrap();
}

pub(crate) async fn show(runtime: &Runtime, id: VcId) -> Portrait {
    runtime.show(id).await.unwrap()
}

/// Every accepted message is queued or has had exactly one end.
pub(crate) async fn check_conserved(runtime: &Runtime, context: &str) {
    runtime.quiet().await.unwrap();
    let stats = runtime.stats().await.unwrap();
    assert_eq!(
        stats.accepted,
        stats.queued + stats.consumed + stats.bounced + stats.dead,
        "{context}: {stats:?}"
    );
}

/// A number that depends on all bits of a seed and an index (`SplitMix64`).
pub(crate) fn draw(seed: u64, index: u64) -> u64 {
    let mut mixed = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The events of a runtime as lines, for messages of failures.
pub(crate) fn events(runtime: &Runtime) -> String {
    let mut text = String::new();
    for event in runtime.events().after(0, usize::MAX).events {
        let _ = writeln!(
            text,
            "{} {:?} {:?} {}",
            event.seq, event.kind, event.vc, event.data
        );
    }
    text
}

/// Keeps the first contact that a message hands over, and thanks it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Keeper;

impl Behaviour for Keeper {
    const NAME: &'static str = "keeper";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind == Kind::Tell {
            let kept = effects.keep(Contact::Carried(0))?;
            effects.send(kept, "thanks")?;
        }
        Ok(())
    }
}

/// Gives births that a puppet has no words for: to children who shall know somebody, or have powers.
///
/// `child vc:…`, `nested vc:…`; `grow POWER…`, `fork POWER…`, `nest POWER…` (the last two words of a
/// birth ask for these powers).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Smuggler;

impl Behaviour for Smuggler {
    const NAME: &'static str = "smuggler";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let text = letter.contents.as_text().unwrap_or_default();
        let (Kind::Tell, Some((how, rest))) = (letter.kind, text.split_once(' ')) else {
            return Ok(());
        };
        let mut birth = Birth::native(Self::NAME, "");
        let grants = rest
            .split(' ')
            .filter_map(|word| word.parse::<Power>().ok());
        birth.grants = grants.collect();
        let whom: Option<VcId> = rest.parse().ok();
        let known = whom.map(|id| (None, id));
        let within = |inner: Birth, mut host: Birth| {
            host.parts.push(PartBirth {
                role: Some("inner".into()),
                code: CodeBirth::Computer(Box::new(inner)),
            });
            host
        };
        match how {
            "child" => birth.contacts.extend(known),
            "nested" => {
                let mut inner = Birth::native("echo", "");
                inner.contacts.extend(known);
                birth = within(inner, birth);
            }
            "nest" => {
                let mut inner = Birth::native(Self::NAME, "");
                inner.grants = Grants::ALL;
                birth = within(inner, birth);
            }
            "fork" => return effects.fork(Purse::ENDLESS).map(drop),
            _ => {}
        }
        effects.spawn(birth)?;
        if whom.is_some() {
            effects.reply("born")?;
        }
        Ok(())
    }
}

/// Offers an echo to whomever it is handed over, or to the child it had.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Reshaper;

impl Behaviour for Reshaper {
    const NAME: &'static str = "reshaper";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let part = genesis::wire::encode(1, &native_part("echo"))
            .map_err(|error| Fault::malformed(error.to_string()))?;
        match (letter.kind, letter.contents.as_text()) {
            (Kind::Tell, Some("have a child")) => {
                effects.spawn(Birth::native("puppet", "")).map(drop)
            }
            (Kind::Tell, Some("reshape it")) => {
                effects.offer(Contact::Kept(0), part.into()).map(drop)
            }
            (Kind::Tell, _) => effects.offer(Contact::Carried(0), part.into()).map(drop),
            _ => Ok(()),
        }
    }
}

/// Asks the contact it was handed to give it a part: `give msg:…`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Beggar;

impl Behaviour for Beggar {
    const NAME: &'static str = "beggar";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        if effects.contacts_len() == 0 {
            return effects.keep(Contact::Carried(0)).map(drop);
        }
        let sequence = effects.send(Contact::Kept(0), letter.contents.clone())?;
        // A VC cannot hand itself over: it asks its host to stand in.
        effects.hand_over(sequence, &[Contact::Sender])
    }
}

/// Sends twice as much as it is sent, for a day.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Flooder;

impl Behaviour for Flooder {
    const NAME: &'static str = "flooder";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        match letter.contents.as_text() {
            Some("well?") => effects.reply("well").map(drop),
            _ if letter.kind != Kind::Tell || letter.sent_at.0 > 1_000 => Ok(()),
            Some("begin") => effects.send(Contact::Kept(0), "more").map(drop),
            _ => {
                for _ in 0..200 {
                    effects.send(Contact::Sender, "more")?;
                }
                Ok(())
            }
        }
    }
}

/// Sets a timer, and tries to send the notice on as if it were its own.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Forwarder;

impl Behaviour for Forwarder {
    const NAME: &'static str = "forwarder";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind == Kind::Notice {
            effects.forward(Contact::Kept(0)).map(drop)
        } else {
            effects.after(10, 1)
        }
    }
}

/// Counts numbers that come one after the other, from 1, and remembers the first that did not.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lineup {
    last: u64,
    stray: Option<u64>,
}

impl Behaviour for Lineup {
    const NAME: &'static str = "lineup";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let text = letter.contents.as_text().unwrap_or_default();
        match (text.parse::<u64>(), self.stray) {
            (Ok(number), _) if number == self.last + 1 => self.last = number,
            (Ok(number), None) => self.stray = Some(number),
            (Ok(_), Some(_)) => {}
            (Err(_), None) => return effects.reply(format!("{} in order", self.last)).map(drop),
            (Err(_), Some(stray)) => {
                let said = format!("{stray} after {}", self.last);
                return effects.reply(said).map(drop);
            }
        }
        Ok(())
    }
}
