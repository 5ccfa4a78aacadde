//! The command line, as types: every verb, flag and help text, and nothing that runs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use genesis::channel::Channel;
use genesis::limits::ASK_MS_DEFAULT;
use genesis::power::Power;
use genesis::purse::Coin;

mod global;
mod new;
mod part;
mod persist;
mod pod;
mod recipe;
mod replay;
mod show;
mod sim;
mod task;
mod top;
mod trace;
mod world;

pub(crate) use global::Global;
pub(crate) use new::{AgentLanguage, Console, New, NewKind, PartLanguage};
pub(crate) use part::{Give, Internalize, PartAbout, PartOptions, Strip, Try, Upgrade};
pub(crate) use persist::Persist;
pub(crate) use pod::{Pod, PodKind, StampKind, WalletKind};
pub(crate) use recipe::{Init, Recipe, RecipeKind};
pub(crate) use replay::Replay;
pub(crate) use show::Show;
pub(crate) use sim::{Publish, Sim, SimVerb};
pub(crate) use task::{Allow, Permissions, Task, TaskKind};
pub(crate) use top::{Budget, By, Many, Stop, Top};
pub(crate) use trace::Trace;
pub(crate) use world::WorldVerb;

/// A node of the medium, and the verbs to talk to it.
#[derive(Debug, Parser)]
#[command(
    name = "medium",
    version,
    long_about = "A node of the medium, and the verbs to talk to it.\n\n\
        In the medium every program is a virtual computer (VC): it has an identity, a body made of \
        parts, a mailbox and a purse, and takes one message at a time. `medium demo` shows it in a few \
        seconds; `medium up` runs a node for good; the other verbs talk to a node over HTTP.",
    after_long_help = "Wherever a verb takes <VC>, it takes an id (vc:…), a name, or a path into a body \
        (name/2).\nExit codes: 0 done, 1 you can fix it, 2 our fault.\n\nExamples:\n  \
        medium demo\n  medium up &\n  medium spawn echo --name e && medium send e hi",
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a node until it is told to stop
    #[command(
        after_long_help = "Examples:\n  medium up\n  medium up --data ./node --api 127.0.0.1:0 --json\n  \
        medium up --deterministic --seed 7 --ephemeral"
    )]
    Up(Up),
    /// The tour: a node, virtual computers, sleep, a fork, a restart; needs nothing
    #[command(
        after_long_help = "Examples:\n  medium demo\n  medium demo --keep ./tour    # keeps what it made"
    )]
    Demo(Demo),
    /// Give birth to a VC and print its id
    #[command(
        after_long_help = "Examples:\n  medium spawn ./my-pod --name mine --grant spawn\n  \
        medium spawn agent.scm --name helper\n  medium spawn counter.wat --turn-fuel 5000000\n  \
        medium spawn echo --budget fuel=100000,messages=10\n  medium spawn --text 'Hello, World!'\n  \
        medium spawn saved.image --name again"
    )]
    Spawn(Spawn),
    /// Send a message and print the reply
    #[command(
        after_long_help = "Examples:\n  medium send counter 3.5\n  medium send e --file letter.txt --wait 0\n  \
        date | medium send e -\n  medium send e --file disk.img --out copy.img    # of any size\n  \
        medium send notary once --key order-17    # accepted once, however often sent"
    )]
    Send(Send),
    /// Show a VC's log
    #[command(after_long_help = "Examples:\n  medium logs hello\n  medium logs hello -f")]
    Logs(Logs),
    /// List VCs
    #[command(
        after_long_help = "Examples:\n  medium ps\n  medium ps --all --json\n  medium ps --where 'needs(medium/spawn)'"
    )]
    Ps(Ps),
    /// Show the busiest VCs, again and again
    #[command(
        after_long_help = "Keys: r, f and m rank by rate, fuel and mailbox; q ends. A `!` in PURSE: a tenth or less is left.\n\n\
        Examples:\n  medium top\n  medium top --by mailbox -n 5 --once\n  medium top --json --every 5000 | head -1"
    )]
    Top(Top),
    /// Show a VC, or a message, on one screen
    #[command(after_long_help = "Examples:\n  medium show counter\n  medium show msg:…")]
    Show(Show),
    /// Show a VC's coordinates, or the difference between two
    #[command(
        after_long_help = "Examples:\n  medium shape ring\n  medium shape --diff echo counter"
    )]
    Shape(Shape),
    /// Find VCs by a pattern over shapes
    #[command(
        after_long_help = "Examples:\n  medium find 'bytes<2MiB & hunger=0 & gives(text/eval)'\n  \
        medium find 'parts>=2' -k 3"
    )]
    Find(Find),
    /// Say what became of a message, and why
    #[command(after_long_help = "Examples:\n  medium explain msg:…")]
    Explain(Explain),
    /// Make a copy of a VC that goes its own way, and print its id
    #[command(after_long_help = "Examples:\n  medium fork counter --name counter-2")]
    Fork(Fork),
    /// Put a VC to sleep; a message wakes it
    #[command(
        override_usage = "medium sleep [OPTIONS] <VC|--where PATTERN>",
        after_long_help = "Examples:\n  medium sleep notary\n  medium sleep --where 'parts>=3'"
    )]
    Sleep(Many),
    /// Wake a sleeping VC
    #[command(
        override_usage = "medium wake [OPTIONS] <VC|--where PATTERN>",
        after_long_help = "Examples:\n  medium wake notary\n  medium wake --where 'life in {dormant}'"
    )]
    Wake(Many),
    /// Stop a VC, or all of a pattern: they take no more turns, but can still be looked at
    #[command(
        override_usage = "medium stop [OPTIONS] <VC|--where PATTERN>",
        after_long_help = "Examples:\n  medium stop hello\n  medium stop agent --children    # and all who descend from it\n  \
        medium stop --where 'name in {bomb}'\n  medium stop --where all    # everything but the node's own"
    )]
    Stop(Stop),
    /// Put something into a VC's purse, or show what it holds
    #[command(
        after_long_help = "A VC whose purse is empty is stopped for good: give before that. `medium ps` and `medium top` mark what \
        runs out with a `!`, and the VC's log says so.\n\nExamples:\n  medium budget agent\n  \
        medium budget agent fuel=100000,messages=50\n  medium budget agent fuel=endless"
    )]
    Budget(Budget),
    /// Remove a stopped VC: nothing is left of it
    #[command(
        override_usage = "medium remove [OPTIONS] <VC|--where PATTERN>",
        after_long_help = "Examples:\n  medium remove hello\n  medium remove hello --force    # stops it first\n  \
        medium remove --where 'life in {stopped}'"
    )]
    Remove(Remove),
    /// Say what a part is worth to a VC's body, which stays as it is
    #[command(
        after_long_help = "Exit code 1 if it would be refused.\n\nExamples:\n  medium try robot limb-v2 --role limb\n  \
        medium try robot ./limb.wat --occurrence 3 --replay 100"
    )]
    Try(Try),
    /// Compute a VC again from its journal and compare, or show the first difference
    #[command(
        after_long_help = "Exit code 1 if something differs. Programs outside and models are not asked again: what they said is in\nthe journal.\n\nExamples:\n  \
        medium replay counter\n  medium replay robot --with limb-v2 --role limb\n  medium replay --all --data ./node"
    )]
    Replay(Replay),
    /// Show what led to a message and what it led to, as a tree
    #[command(
        after_long_help = "Built from the journals of the VCs that keep one (`medium spawn --record N`).\n\nExamples:\n  \
        medium trace msg:…\n  medium trace front -k 3"
    )]
    Trace(Trace),
    /// Send a whole VC to another as a message, and print the id it has there
    #[command(
        after_long_help = "A copy, unless --move says it is the VC itself. Its receiver is its host from then on, pays for it,\nand bounds what it may do.\n\nExamples:\n  medium give robot ring\n  medium give robot ring --move"
    )]
    Give(Give),
    /// Take a part out of a VC's body, offer it to others, and print the message it became
    #[command(
        after_long_help = "Examples:\n  medium show ring    # shows the occurrences\n  medium strip ring 1"
    )]
    Strip(Strip),
    /// Take a part into a VC's body and print its occurrence
    #[command(
        after_long_help = "Examples:\n  medium internalize e counter\n  medium internalize e msg:…\n  \
        medium internalize e notes.txt --role notes\n  medium internalize robot limb.wat --role limb --replay 100"
    )]
    Internalize(Internalize),
    /// Replace a part of a VC's body and print its occurrence
    #[command(
        override_usage = "medium upgrade [OPTIONS] <VC> [OCCURRENCE] <PART>",
        after_long_help = "Examples:\n  medium upgrade e echo\n  medium upgrade robot 3 limb-v2\n  \
        medium upgrade robot limb.wat --role limb --replay 100"
    )]
    Upgrade(Upgrade),
    /// Write a VC's image to a file, to go on elsewhere
    #[command(
        after_long_help = "Examples:\n  medium freeze notary -o notary.image\n  \
        medium freeze notary -o - | medium --api other:7700 spawn /dev/stdin"
    )]
    Freeze(Freeze),
    /// Make a pod of a VC, a recipe or a directory; print the reference that spawns it
    #[command(
        after_long_help = "A message to a VC that sleeps in a pod wakes it. Whoever has the reference can \
        spawn it elsewhere.\n\nExamples:\n  medium persist counter\n  medium persist counter --sleep\n  \
        medium persist ./my-recipe --public\n  medium spawn \"$(medium persist ./my-pod)\""
    )]
    Persist(Persist),
    /// Print where a program that already runs attaches itself to a VC, with its token
    #[command(
        after_long_help = "The VC's `vc.json` says `\"outside\": {}`, without a command. The program opens the WebSocket and \
        speaks the lines of docs/outside.md.\n\nExamples:\n  medium attach desk"
    )]
    Attach(Attach),
    /// Play a VC that is a CHIP-8 console
    #[command(
        after_long_help = "Keys: 1234, qwer, asdf and zxcv are the sixteen keys; Esc, Q or Ctrl-C ends.\n\nExamples:\n  \
        medium spawn chip8 && medium console chip8\n  medium console chip8 --frames 60 --plain"
    )]
    Console(Console),
    /// Pods: named directories with a history, shared by reference keys
    #[command(
        after_long_help = "Pods are kept in the data folder, through the node if one runs there, unless `--dfs` names \
            another keeper.\n\nExamples:\n  medium pod new notes && medium pod put letter.txt notes:/\n  \
            medium pod ls notes\n  medium pod share notes:/letter.txt\n  medium pod hash picture.png"
    )]
    Pod(Pod),
    /// Recipes: how pods are run, written down and shared
    #[command(
        after_long_help = "A recipe is a directory with a `recipe.json`; files of Sovr are read unchanged.\n\n\
            Examples:\n  medium recipe init count && medium recipe run count\n  \
            medium recipe lint count\n  medium recipe persist count --public"
    )]
    Recipe(Recipe),
    /// Tasks: pods that are run one after the other, or beside one another
    #[command(
        after_long_help = "Examples:\n  medium task plan ./both\n  medium task run ./both\n  medium task resume both-1"
    )]
    Task(Task),
    /// Worlds: many agents under one seed, run, swept, verified
    #[command(after_long_help = "Examples:\n  medium sim ls\n  \
            medium sim run flocking --agents 100000 --steps 100 --seed 42")]
    Sim(Sim),
    /// Write a folder to begin with: a part, an agent, or a model of a world
    #[command(after_long_help = "Examples:\n  medium new part limb --lang wat\n  \
        medium new part filter --lang rust\n  medium new agent helper --lang lisp\n  medium new sim rumour")]
    New(New),
    /// Compile a module: what a node calls, and nobody else
    #[command(
        hide = true,
        after_long_help = "Reads a module from stdin: medium compile-module"
    )]
    CompileModule,
    /// Confine a job: what runs recipes calls, and nobody else
    #[command(
        hide = true,
        after_long_help = "Takes an order from stdin, which is a socket: medium confine watch"
    )]
    Confine {
        /// Which process of the job this is
        role: String,
    },
    /// Show whom a VC was forked from
    #[command(after_long_help = "Examples:\n  medium lineage counter-2")]
    Lineage(One),
    /// Check data folder, node and store, and say what to do
    #[command(after_long_help = "Examples:\n  medium doctor\n  medium doctor --json")]
    Doctor,
    /// Print completions for a shell
    #[command(
        after_long_help = "Examples:\n  medium completions bash > ~/.local/share/bash-completion/completions/medium"
    )]
    Completions(Completions),
    /// Print the manual, every verb included
    #[command(
        after_long_help = "Examples:\n  medium man | man -l -\n  medium man --output ~/.local/share/man/man1"
    )]
    Man(Man),
}

/// A verb that takes one VC and nothing else.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Whom: an id, a name, or a path into a body
    pub(crate) vc: String,
}

/// `up`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub(crate) struct Up {
    /// Keep nothing: no data folder, all VCs end with the node
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// One worker, seeded order, virtual time: the same seed and requests give the same trace
    #[arg(
        long,
        long_help = "One worker, seeded order, virtual time: the same seed and the same requests, one \
            after the other, give the same trace. Time stands still but for requests: an ask that waits \
            runs it until the answer is there, and `POST /v1/run?ms=N` runs it by N milliseconds"
    )]
    pub(crate) deterministic: bool,
    /// Let the time of day move virtual time, instead of requests: not reproducible
    #[arg(long, requires = "deterministic")]
    pub(crate) paced: bool,
    /// The seed of a deterministic node
    #[arg(
        long,
        value_name = "N",
        requires = "deterministic",
        default_value_t = 0
    )]
    pub(crate) seed: u64,
    /// Threads that take turns; 0 for one per core
    #[arg(
        long,
        short,
        value_name = "N",
        default_value_t = 0,
        conflicts_with = "deterministic"
    )]
    pub(crate) workers: usize,
    /// Let other machines reach the API; they need the token even to read
    #[arg(long)]
    pub(crate) listen_anywhere: bool,
    /// Serve the core of Bee's HTTP API there, over the pods of the default wallet: 127.0.0.1:1633
    #[arg(
        long,
        value_name = "ADDR",
        long_help = "Serve the core of Bee's HTTP API there, over the chunks and stamps of the default wallet, \
            so that programs made for a Bee work with this node. It knows no token: whoever reaches it writes \
            with the wallet's stamps. 127.0.0.1:1633 is where a Bee would be; port 0 takes any free one"
    )]
    pub(crate) bee_api: Option<String>,
    /// Let other machines reach Bee's API, which asks nobody for a token
    #[arg(long, requires = "bee_api")]
    pub(crate) bee_listen_anywhere: bool,
    /// Memory for VCs, in bytes (K, M and G allowed); above it idle ones are put to sleep
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) memory: Option<usize>,
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the data folder and the pods in this new directory
    #[arg(long, short, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// How many trade in the world of the tour; a million takes some seconds
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) agents: u64,
}

/// `spawn`.
#[derive(Debug, Args)]
pub(crate) struct Spawn {
    /// A pod directory, a pod or part that comes with the medium, a native behaviour, a file (.wat, .wasm,
    /// .scm, an image), or msg:…
    #[arg(required_unless_present = "text", value_name = "WHAT")]
    pub(crate) what: Option<String>,
    /// A literal: a VC that says this text; with a native behaviour or sandboxed code, its argument
    #[arg(long, short, allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// What you call it; unique on the node
    #[arg(long, short)]
    pub(crate) name: Option<String>,
    /// A power it is granted, beside the harmless ones (repeatable): spawn, fork, …
    #[arg(long, short, value_name = "POWER")]
    pub(crate) grant: Vec<Power>,
    /// What it may spend in its life: fuel=N,messages=N,children=N,outside=N,motes=N
    #[arg(long, short, value_name = "PURSE", value_delimiter = ',', value_parser = coin)]
    pub(crate) budget: Vec<(Coin, u64)>,
    /// It ends with the node, even where the node has a store
    #[arg(long)]
    pub(crate) volatile: bool,
    /// Keep the last N messages it handled, for `replay` and `trace`; 0 for none [default: what its pod says, else
    /// 1024 unless it is volatile]
    #[arg(long, value_name = "N")]
    pub(crate) record: Option<u32>,
    /// Fuel that one of its turns may take [default: 1000000, or what its pod says]
    #[arg(long, value_name = "N")]
    pub(crate) turn_fuel: Option<u64>,
    /// A VC that may reshape it, beside you and its host (repeatable)
    #[arg(long, value_name = "VC")]
    pub(crate) reshaper: Vec<String>,
    /// Somebody it may send to, and what it calls them (repeatable)
    #[arg(long, value_name = "NAME=VC", value_parser = contact)]
    pub(crate) contact: Vec<(String, String)>,
    /// Give it an actor of its own instead of a cell
    #[arg(long)]
    pub(crate) own_actor: bool,
    /// What the program outside is granted that it speaks for
    #[command(flatten)]
    pub(crate) outside: Outside,
}

/// `attach`.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// Which VC: an id, a name, or a path into a body
    pub(crate) vc: String,
}

/// What a program outside is granted.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What a program outside is granted")]
pub(crate) struct Outside {
    /// The network, if it asks for it
    #[arg(long)]
    pub(crate) network: bool,
    /// A TCP port of this machine, if it asks for it (repeatable)
    #[arg(long, value_name = "PORT")]
    pub(crate) tcp: Vec<u16>,
    /// A folder to read, if it asks for it (repeatable)
    #[arg(long, value_name = "DIR")]
    pub(crate) read: Vec<String>,
    /// A server to call, if it asks for it: scheme, host and port (repeatable)
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Vec<String>,
    /// A variable of your environment, if it asks for it (repeatable); it is kept by the node and never shown
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<String>,
    /// Run it even where the system cannot confine it: it may then do all that you may
    #[arg(long)]
    pub(crate) trust_native: bool,
    /// The digest that it must have, or those of all in its body with `,` between them: another program of the same
    /// name is refused
    #[arg(long, value_name = "DIGEST")]
    pub(crate) expect: Option<String>,
}

/// `send`.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Whom: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// The contents; `-` reads them from stdin
    #[arg(
        allow_negative_numbers = true,
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub(crate) text: Option<String>,
    /// Read the contents from a file
    #[arg(long, short, value_name = "F")]
    pub(crate) file: Option<PathBuf>,
    /// Write the reply's contents to a file, which must not be there
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// By which channel
    #[arg(long, short, default_value_t = Channel::MAIN)]
    pub(crate) channel: Channel,
    /// How long to wait for a reply, in milliseconds; 0 prints the message's id instead
    #[arg(long, short, value_name = "MS", default_value_t = ASK_MS_DEFAULT)]
    pub(crate) wait: u64,
    /// Idempotency key: of messages with the same key, only the first is accepted
    #[arg(long, short)]
    pub(crate) key: Option<String>,
    /// How long the message lives, in milliseconds [default: 24 hours]
    #[arg(long, value_name = "MS")]
    pub(crate) expires: Option<u64>,
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Whose: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// Go on with what it writes, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only lines after this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) after: u64,
}

/// `ps`.
#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Those nested in bodies, too
    #[arg(long)]
    pub(crate) all: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = genesis::limits::PAGE_MAX, value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Only those after this id, in the order of ids
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// Only those that a pattern takes: as in `find`, and the tags name, life and host
    #[arg(long = "where", value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,
}

/// `shape`.
#[derive(Debug, Args)]
pub(crate) struct Shape {
    /// Whose: an id, a name, or a path into a body
    #[arg(required_unless_present = "diff", conflicts_with = "diff")]
    pub(crate) vc: Option<String>,
    /// Only where these two differ
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    pub(crate) diff: Vec<String>,
}

/// `find`.
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// Bounds on dimensions, `gives(channel)`, `needs(channel)`; `&` and `|` between
    #[arg(required_unless_present = "feeds")]
    pub(crate) pattern: Option<String>,
    /// At most so many
    #[arg(long = "limit", short = 'k', value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Only those that give what this VC hungers for
    #[arg(long, value_name = "VC")]
    pub(crate) feeds: Option<String>,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Which message: msg:…
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: String,
}

/// `fork`.
#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// Of whom: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// What you call the copy; unique on the node
    #[arg(long, short)]
    pub(crate) name: Option<String>,
    /// What the programs of one in a pod are granted; those of one that is here are granted what they were
    #[command(flatten)]
    pub(crate) outside: Outside,
}

/// `remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Whom: an id, a name, or a path into a body
    #[arg(required_unless_present = "pattern", conflicts_with = "pattern")]
    pub(crate) vc: Option<String>,
    /// All that a pattern takes, one after the other
    #[arg(long = "where", value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,
    /// Stop it first if it lives
    #[arg(long, short)]
    pub(crate) force: bool,
}

/// `freeze`.
#[derive(Debug, Args)]
pub(crate) struct Freeze {
    /// Whom: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// The file to write; `-` for stdout
    #[arg(long, short, value_name = "F")]
    pub(crate) output: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long, short)]
    pub(crate) force: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write one file per verb into this directory instead
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

/// One entry of a purse: `fuel=1000`.
fn coin(text: &str) -> Result<(Coin, u64), String> {
    let (name, amount) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not of the form COIN=N, as `fuel=100000` is"))?;
    let coin = Coin::ALL
        .into_iter()
        .find(|coin| coin.name() == name)
        .ok_or_else(|| {
            let names: Vec<_> = Coin::ALL.into_iter().map(Coin::name).collect();
            format!("there is no coin `{name}`; there are {}", names.join(", "))
        })?;
    let amount = amount
        .replace('_', "")
        .parse()
        .map_err(|_| format!("`{amount}` is not a whole number from 0 to {}", u64::MAX))?;
    Ok((coin, amount))
}

/// A contact and what it is called: `parser=vc:…`.
fn contact(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, vc)) if !name.is_empty() && !vc.is_empty() => {
            Ok((name.to_owned(), vc.to_owned()))
        }
        _ => Err(format!(
            "`{text}` is not of the form NAME=VC, as `parser=e` is"
        )),
    }
}

/// How many rows: none at all would be an answer that says nothing.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 must be asked for".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("`{text}` is not a whole number")),
    }
}

/// A size in bytes: `65536`, `64K`, `2G`.
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        _ => (text, 0),
    };
    digits
        .replace('_', "")
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| format!("`{text}` is not a number of bytes, as `65536` or `512M` is"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example() {
        for verb in Cli::command().get_subcommands() {
            let help = verb
                .get_after_long_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains(&format!("medium {}", verb.get_name())),
                "{}",
                verb.get_name()
            );
        }
    }

    #[test]
    fn amounts_are_checked_at_the_boundary() {
        assert_eq!(coin("fuel=1_000"), Ok((Coin::Fuel, 1_000)));
        assert_eq!(contact("a=vc:b"), Ok(("a".to_owned(), "vc:b".to_owned())));
        for bad in ["a", "=b", "a="] {
            assert!(contact(bad).is_err(), "{bad}");
        }
        for bad in ["0", "-1", "x", ""] {
            assert!(at_least_one(bad).is_err(), "{bad}");
        }
        for bad in ["fuel", "gold=1", "fuel=", "fuel=-1", "fuel=1e3"] {
            assert!(coin(bad).is_err(), "{bad}");
        }
        assert_eq!(bytes("64K"), Ok(65_536));
        for bad in [
            "",
            "K",
            "1.5G",
            "-1",
            "99999999999999999999",
            "18446744073709551615G",
        ] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_negative_number_is_a_text_not_a_flag() {
        let cli = Cli::try_parse_from(["medium", "send", "counter", "-3.5"]).unwrap();
        let Verb::Send(send) = cli.verb else {
            panic!("not send")
        };
        assert_eq!(send.text.as_deref(), Some("-3.5"));
    }
}
