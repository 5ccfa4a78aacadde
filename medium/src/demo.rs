//! `demo`: the tour. A node on a store of its own, VCs from pod directories, and everything through the
//! HTTP API, as any program would. Every value that is shown was answered by the node, and one that is
//! not what it should be ends the tour with an error.

use std::path::Path;
use std::time::Duration;

use adapters::pod_dir::embedded;
use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use genesis::refusal::{Code, Refusal};
use medium::node::{Node, NodeConfig};
use serde_json::{Value, json};
use sims::crew::Crew;
use sims::live::Live;
use sims::model::{ModelInfo, Setting};
use sims::models::money::Money;

use crate::cli::Demo;
use crate::client::events::Frame;
use crate::client::seen::{LogPage, Reply, Stats, Summary, short};
use crate::client::{self, Client, Manner};
use crate::printer::{Printer, Style, clip, harmless};
use crate::report::file_refused;
use crate::verbs::Context;
use crate::verbs::up::{Signals, compiler};

mod bodies;
mod place;

use place::Place;

/// How long a step may wait for the node.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the tour listens to `hello` after its first line.
const LISTEN: Duration = Duration::from_millis(300);
/// How many lines of `hello` are worth showing.
const LINES: usize = 3;
/// For how many ticks it runs.
const TICKS: u64 = 100;
/// What it runs from.
const SEED: u64 = 42;
/// Messages the notary gets before it sleeps.
const MESSAGES: u64 = 100;
/// How many of these are under way at one time.
const AT_ONCE: usize = 16;
/// How often the counters are read until they add up.
const COUNTS_MAX: u32 = 200;

/// A pod of the tour's own: an echo that nobody allowed to speak.
const MUTE: &str = r#"{
  "name": "mute",
  "description": "An echo without the power to send: its turn fails, and the message comes back with the reason.",
  "parts": [{ "native": "echo" }],
  "grants": []
}
"#;

/// Runs the tour, and leaves nothing behind unless asked to.
pub(crate) async fn demo(context: Context<'_>, options: &Demo) -> Result<()> {
    let mut signals = Signals::new()?;
    let mut tour = Tour {
        agents: options.agents,
        ..Tour::new(context.printer, Place::new(options.keep.as_deref())?)
    };
    let outcome = tokio::select! {
        outcome = tour.run() => outcome,
        () = signals.next() => Err(Refusal::new(Code::Cancelled, "the tour was cut short").hint("nothing is left of it, but what `--keep` keeps").into()),
    };
    let kept = tour.end().await;
    outcome.and(kept)
}

/// A tour under way.
struct Tour<'a> {
    printer: &'a Printer,
    place: Place,
    /// The node and the client that reaches it; none before it starts and while it is between two runs.
    running: Option<(Node, Client)>,
    /// How many VCs the world of the tour has.
    agents: u64,
    /// How many steps were shown.
    steps: usize,
    /// What earlier runs of the node counted, and how long they took.
    earlier: Counted,
}

/// What a node counted, and how long it ran, by its own clock.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    stats: Stats,
    elapsed_ms: u64,
}

impl Counted {
    fn and(self, later: Self) -> Self {
        let (a, b) = (self.stats, later.stats);
        let stats = Stats {
            awake: b.awake,
            accepted: a.accepted + b.accepted,
            queued: b.queued,
            consumed: a.consumed + b.consumed,
            bounced: a.bounced + b.bounced,
            dead: a.dead + b.dead,
            turns: a.turns + b.turns,
            born: a.born + b.born,
            commits: a.commits + b.commits,
        };
        Self {
            stats,
            elapsed_ms: self.elapsed_ms + later.elapsed_ms,
        }
    }
}

impl<'a> Tour<'a> {
    fn new(printer: &'a Printer, place: Place) -> Self {
        Self {
            printer,
            place,
            running: None,
            agents: 1,
            steps: 0,
            earlier: Counted::default(),
        }
    }

    async fn run(&mut self) -> Result<()> {
        self.node().await?;
        self.births().await?;
        self.echo().await?;
        self.counter().await?;
        self.ring().await?;
        self.lisp().await?;
        self.limbs().await?;
        self.hello().await?;
        self.notary().await?;
        self.fork().await?;
        self.restart().await?;
        self.refusal().await?;
        self.world()?;
        self.summary().await
    }

    /// Stops the node; the folder goes away with `self` unless it is kept.
    async fn end(self) -> Result<()> {
        let Self {
            running,
            place,
            printer,
            ..
        } = self;
        if let Some((node, _)) = running {
            node.stop().await?;
        }
        match place {
            Place::Kept(dir) => {
                let dir = dir.display();
                printer.note(&format!(
                    "kept: `medium up --data {dir}/node` goes on, pods are in {dir}/pods"
                ));
                Ok(())
            }
            Place::Passing(dir) => {
                let path = dir.path().to_owned();
                Ok(dir
                    .close()
                    .map_err(|error| file_refused("remove", &path, &error))?)
            }
        }
    }

    // --- The steps ------------------------------------------------------------------------------

    async fn node(&mut self) -> Result<()> {
        self.start().await?;
        let node = self.client()?.node().await?;
        let data = node.data.clone().unwrap_or_default();
        let shown = json!({ "api": self.client()?.base(), "id": node.id, "data": data });
        let text = format!(
            "{} answers; its owner is {}",
            self.client()?.base(),
            node.id
        );
        self.step("node", &text, shown)?;
        self.also(&format!("its store is in {data}"))
    }

    /// Writes the pods that come with the medium out as directories, and spawns them from there.
    async fn births(&mut self) -> Result<()> {
        let pods = self.place.path().join("pods");
        for pod in embedded() {
            for (path, bytes) in pod.files {
                write(&pods.join(pod.name).join(path), bytes)?;
            }
        }
        write(&pods.join("mute/vc.json"), MUTE.as_bytes())?;
        let mut born = Vec::new();
        for pod in embedded() {
            // `hello` begins to speak at once: it is born when somebody listens.
            if pod.name != "hello" {
                born.push(self.spawn(pod.name).await?);
            }
        }
        let shown: Vec<_> = born
            .iter()
            .map(|(name, id)| json!({ "name": name, "id": id }))
            .collect();
        let names: Vec<_> = born
            .iter()
            .map(|(name, id)| format!("{name} {}", short(id)))
            .collect();
        self.step(
            "births",
            &names.join(", "),
            json!({ "born": shown, "pods": pods }),
        )?;
        self.also(&format!("each from its directory in {}", pods.display()))
    }

    async fn echo(&mut self) -> Result<()> {
        let said = "Is anybody there?";
        let reply = self.ask("echo", said).await?;
        expect("the echo", &reply, said)?;
        self.step(
            "echo",
            &arrow(said, &reply),
            json!({ "sent": said, "reply": reply }),
        )
    }

    async fn counter(&mut self) -> Result<()> {
        let (mut shown, mut steps) = (Vec::new(), Vec::new());
        for (number, total) in [("3.5", "3.5"), ("38.25", "41.75"), ("0.25", "42")] {
            let reply = self.ask("counter", number).await?;
            if reply.parse::<f64>().ok() != total.parse::<f64>().ok() {
                expect("the counter", &reply, total)?;
            }
            shown.push(arrow(number, &reply));
            steps.push(json!({ "sent": number, "reply": reply }));
        }
        self.step("counter", &shown.join(",  "), json!({ "asked": steps }))
    }

    async fn ring(&mut self) -> Result<()> {
        let host = self.client()?.portrait("ring").await?.summary.id;
        let nested = self
            .list(true)
            .await?
            .into_iter()
            .filter(|vc| vc.nested)
            .count();
        let reply = self.ask("ring", "token").await?;
        // Every level adds one, the outermost too.
        expect("the token", &reply, &format!("token {}", nested + 1))?;
        let text = format!(
            "{}, through {nested} VCs, each in the body of the one before",
            arrow("token", &reply)
        );
        self.step(
            "ring",
            &text,
            json!({ "id": host, "nested": nested, "sent": "token", "reply": reply }),
        )
    }

    /// `hello` speaks of its own accord; whoever wants to hear it watches the events.
    async fn hello(&mut self) -> Result<()> {
        let mut events = self.client()?.events().await?;
        let (_, id) = self.spawn("hello").await?;
        let mut heard = 0;
        while heard < LINES {
            let patience = if heard == 0 { PATIENCE } else { LISTEN };
            match tokio::time::timeout(patience, events.next()).await {
                Ok(Some(Frame::Event { kind, vc }))
                    if kind == "output" && vc.as_ref() == Some(&id) =>
                {
                    heard += 1;
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        events.close().await;
        let life = self.signal("hello", "stop").await?;
        expect("hello's life", &life, "stopped")?;
        let page: LogPage = self
            .client()?
            .get(&["v1", "vcs", "hello", "logs"], &[])
            .await?;
        // The last line says that it was stopped.
        let Some((last, spoken)) = page
            .lines
            .split_last()
            .filter(|(_, spoken)| !spoken.is_empty())
        else {
            return Err(wrong("hello's log is shorter than what it was heard to say").into());
        };
        let lines: Vec<_> = spoken.iter().take(LINES).chain([last]).collect();
        let shown: Vec<_> = lines
            .iter()
            .map(|line| format!("{}: {}", line.seq, line.text))
            .collect();
        let text = shown.join("  ");
        self.step(
            "hello",
            &text,
            json!({ "id": id, "lines": lines, "life": life }),
        )
    }

    /// The notary knows its number through sleep.
    async fn notary(&mut self) -> Result<()> {
        let client = self.client()?.clone();
        let sends = (1..MESSAGES).map(|n| {
            let client = client.clone();
            async move {
                client
                    .send("notary", format!("deed {n}"), Manner::default())
                    .await
            }
        });
        stream::iter(sends)
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        let number = self.ask("notary", "one more deed").await?;
        expect("the notary's number", &number, &MESSAGES.to_string())?;
        let text = format!("the last of {MESSAGES} messages is told its number: {number}");
        self.step(
            "notary",
            &text,
            json!({ "messages": MESSAGES, "reply": number }),
        )?;

        let asleep = self.signal("notary", "sleep").await?;
        expect("the notary's life", &asleep, "dormant")?;
        let seen = self.client()?.portrait("notary").await?.summary.life;
        let number = self.ask("notary", "good morning").await?;
        expect("the notary's number", &number, &(MESSAGES + 1).to_string())?;
        let after = self.client()?.portrait("notary").await?.summary.life;
        let text =
            format!("notary is {seen}; a message wakes it and is told {number}; it is {after}");
        self.step(
            "sleep",
            &text,
            json!({ "before": seen, "reply": number, "after": after }),
        )
    }

    async fn fork(&mut self) -> Result<()> {
        let fork = self.client()?.fork("counter", Some("counter-2")).await?;
        let theirs = self.ask("counter-2", "58").await?;
        let ours = self.ask("counter", "-2").await?;
        if theirs == ours {
            return Err(wrong("the fork and what it was forked from answer the same").into());
        }
        let text = format!(
            "counter-2 {}; counter {}",
            arrow("58", &theirs),
            arrow("-2", &ours)
        );
        self.step(
            "fork",
            &text,
            json!({ "id": fork.id, "counter-2": theirs, "counter": ours }),
        )
    }

    /// Stops the node and starts another on the same folder.
    async fn restart(&mut self) -> Result<()> {
        let before = self.client()?.node().await?.id;
        self.earlier = self.earlier.and(self.counted().await?);
        if let Some((node, _)) = self.running.take() {
            node.stop().await?;
        }
        self.start().await?;
        let after = self.client()?.node().await?.id;
        expect("the node's id", &after, &before)?;
        let number = self.ask("notary", "count").await?;
        expect("the notary's number", &number, &(MESSAGES + 1).to_string())?;
        let text = format!("stopped, started on the same folder; notary still counts {number}");
        self.step("restart", &text, json!({ "id": after, "count": number }))
    }

    /// What goes wrong says why.
    async fn refusal(&mut self) -> Result<()> {
        self.spawn("mute").await?;
        let sent = self
            .client()?
            .send("mute", "speak!", Manner::wait(wait_ms()))
            .await;
        let refusal = match sent {
            Err(refusal) if refusal.code != Code::Timeout => refusal,
            Ok(sent) => match sent.reply {
                Some(Reply {
                    error: Some(refusal),
                    ..
                }) => refusal,
                _ => {
                    return Err(
                        wrong("a VC without the power to send answered, or kept silent").into(),
                    );
                }
            },
            Err(refusal) => return Err(refusal.into()),
        };
        let text = format!("speak! → {}: {}", refusal.code, refusal.what);
        self.step("refusal", &text, json!({ "refusal": refusal }))
    }

    /// A world beside the node, run twice: its seed decides everything.
    fn world(&mut self) -> Result<()> {
        let agents = self.agents;
        let (mut first, mut again) = (traders(agents)?, traders(agents)?);
        let digest = trade(first.as_mut())?;
        expect("the second run", &trade(again.as_mut())?, &digest)?;
        let text = format!(
            "{agents} VCs trade for {TICKS} ticks, twice from seed {SEED}: trace {}… both times",
            digest.get(..16).unwrap_or(&digest)
        );
        let (turns, seen) = (first.agent_steps(), first.observe());
        let (gini, money) = (seen.get("gini"), seen.get("money"));
        expect(
            "the money",
            &money.unwrap_or(0.0).to_string(),
            &traders(agents)?
                .observe()
                .get("money")
                .unwrap_or(0.0)
                .to_string(),
        )?;
        let shown = json!({
            "agents": agents, "ticks": TICKS, "seed": SEED, "digest": digest, "turns": turns, "gini": gini
        });
        self.step("world", &text, shown)?;
        self.also(&format!(
            "{turns} turns each; money is conserved, inequality is up from 0 to {:.2} (Gini)",
            gini.unwrap_or(0.0)
        ))
    }

    async fn summary(&mut self) -> Result<()> {
        let vcs = self.list(false).await?;
        let Counted { stats, elapsed_ms } = self.earlier.and(self.counted().await?);
        if !stats.balanced() {
            return Err(wrong("the counters do not add up").into());
        }
        if self.printer.is_json() {
            let lives: Vec<_> = vcs
                .iter()
                .map(|vc| json!({ "id": vc.id, "name": vc.name, "life": vc.life, "parts": vc.parts }))
                .collect();
            let shown = json!({ "vcs": lives, "stats": stats, "elapsed_ms": elapsed_ms });
            return self.step("summary", "", shown);
        }
        let rows: Vec<_> = vcs
            .iter()
            .map(|vc| {
                let parts = vc.parts.to_string();
                vec![
                    short(&vc.id).to_owned(),
                    vc.called().to_owned(),
                    vc.life.clone(),
                    parts,
                ]
            })
            .collect();
        self.printer.screen("")?;
        self.printer
            .table(&["ID", "NAME", "LIFE", "PARTS"], &rows)?;
        let Stats {
            accepted,
            queued,
            consumed,
            bounced,
            dead,
            turns,
            born,
            commits,
            ..
        } = stats;
        let messages = format!(
            "accepted {accepted} = queued {queued} + consumed {consumed} + bounced {bounced} + dead {dead}"
        );
        self.printer.screen("")?;
        self.printer.fields(&[
            ("messages", messages),
            ("turns", turns.to_string()),
            ("births", born.to_string()),
            ("commits", commits.to_string()),
            (
                "elapsed",
                format!("{elapsed_ms} ms, in two runs of the node"),
            ),
        ])?;
        self.printer.screen("")?;
        self.printer.fields(&[
            (
                "next",
                "medium up                        a node that stays".to_owned(),
            ),
            ("", "medium spawn echo --name e       a VC on it".to_owned()),
            (
                "",
                "medium send e 'hello'            a message for it".to_owned(),
            ),
            (
                "",
                "medium --help                    everything else".to_owned(),
            ),
        ])
    }

    // --- What the steps are made of -------------------------------------------------------------

    async fn start(&mut self) -> Result<()> {
        let config = NodeConfig {
            data: Some(self.place.path().join("node")),
            api: ([127, 0, 0, 1], 0).into(),
            compiler: compiler()?,
            ..NodeConfig::default()
        };
        let node = Node::start(config).await?;
        let client = Client::new(node.base(), Some(node.token().to_owned()));
        match client {
            Ok(client) => self.running = Some((node, client)),
            Err(refusal) => {
                node.stop().await?;
                return Err(refusal.into());
            }
        }
        Ok(())
    }

    fn client(&self) -> Result<&Client, Refusal> {
        let running = self.running.as_ref().map(|(_, client)| client);
        running.ok_or_else(|| wrong("the node does not run"))
    }

    /// Spawns the pod of this name from its directory; gives name and id.
    async fn spawn(&self, name: &str) -> Result<(String, String)> {
        let path = self.place.path().join("pods").join(name);
        let born = self
            .client()?
            .spawn(&json!({ "pod": { "path": path }, "name": name }))
            .await?;
        Ok((name.to_owned(), born.id))
    }

    /// Sends a message; gives the text of its reply.
    async fn ask(&self, vc: &str, contents: &str) -> Result<String> {
        let sent = self
            .client()?
            .send(vc, contents.to_owned(), Manner::wait(wait_ms()))
            .await?;
        match sent.reply {
            Some(Reply {
                error: Some(refusal),
                ..
            }) => Err(refusal.into()),
            Some(Reply {
                text: Some(text), ..
            }) => Ok(text),
            _ => Err(wrong(&format!("{vc} did not answer `{contents}` in words")).into()),
        }
    }

    async fn signal(&self, vc: &str, verb: &str) -> Result<String> {
        let answer = self.client()?.signal(vc, verb).await?;
        Ok(answer["life"].as_str().unwrap_or_default().to_owned())
    }

    async fn list(&self, all: bool) -> Result<Vec<Summary>> {
        let query = [("all", all.to_string())];
        let page: client::Paged<Vec<Summary>> = self.client()?.page(&["v1", "vcs"], &query).await?;
        let mut vcs = page.rows;
        vcs.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(vcs)
    }

    /// What the node counted in this run, once it is at rest.
    async fn counted(&self) -> Result<Counted> {
        let mut node = self.client()?.node().await?;
        for _ in 0..COUNTS_MAX {
            if node.stats.balanced() && node.stats.queued == 0 {
                break;
            }
            node = self.client()?.node().await?;
        }
        Ok(Counted {
            stats: node.stats,
            elapsed_ms: node.now.saturating_sub(node.started_at),
        })
    }

    /// Shows a step: a line, or an object.
    fn step(&mut self, name: &str, text: &str, mut shown: Value) -> Result<()> {
        if self.printer.is_json() {
            shown["step"] = name.into();
            return self.printer.json(&shown);
        }
        self.steps += 1;
        let name = self.printer.paint(Style::Bold, &format!("{name:<8}"));
        self.printer
            .screen(&format!("{:>2}  {name} {}", self.steps, harmless(text)))
    }

    /// Adds a line to the step before, for people only.
    fn also(&self, text: &str) -> Result<()> {
        if self.printer.is_json() {
            return Ok(());
        }
        let text = self.printer.paint(Style::Dim, &harmless(text));
        self.printer.screen(&format!("{:13}{text}", ""))
    }
}

/// A world of traders at its beginning.
fn traders(agents: u64) -> Result<Box<dyn Live>, Refusal> {
    let set = vec![("traders".to_owned(), sims::params::Value::U64(agents))];
    let setting = Setting {
        set,
        seed: SEED,
        ..Setting::default()
    };
    let begun = ModelInfo::of::<Money>().begin(&setting);
    begun.map_err(|error| wrong(&error.to_string()))
}

/// Lets them trade; the digest of all that happened.
fn trade(world: &mut dyn Live) -> Result<String, Refusal> {
    for _ in 0..TICKS {
        let ticked = world.tick(&Crew::alone());
        ticked.map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(world.digest().to_string())
}

fn wait_ms() -> u64 {
    u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX)
}

fn arrow(sent: &str, reply: &str) -> String {
    format!("{} → {}", clip(sent, 40), clip(reply, 60))
}

/// A value that is not what it should be is our fault, and ends the tour.
fn expect(what: &str, got: &str, wanted: &str) -> Result<(), Refusal> {
    if got == wanted {
        return Ok(());
    }
    Err(wrong(&format!(
        "{what} is `{}` and should be `{}`",
        clip(got, 80),
        clip(wanted, 80)
    )))
}

fn wrong(what: &str) -> Refusal {
    Refusal::new(Code::Internal, format!("the tour went wrong: {what}"))
        .hint("`medium demo --keep DIR` keeps the folder; please report it with what was shown")
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    let refused = |error: std::io::Error| file_refused("write", path, &error);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(refused)?;
    }
    std::fs::write(path, bytes).map_err(refused)
}
