//! What each verb does: read the flags, ask the node, print.

use anyhow::Result;

use crate::cli::{Cli, Global, Verb};
use crate::client::{Client, found};
use crate::demo;
use crate::printer::Printer;

mod attach;
mod body;
mod console;
mod doctor;
mod freeze;
mod life;
mod list;
mod logs;
mod new;
mod pages;
mod part;
pub(crate) mod persist;
mod pod;
mod recipe;
mod replay;
mod send;
mod show;
mod sim;
mod spawn;
mod stream;
mod task;
mod top;
mod trace;
mod trial;
pub(crate) mod up;
mod world;

/// What a verb works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// What holds for every verb.
    pub(crate) global: &'a Global,
    /// Where its output goes.
    pub(crate) printer: &'a Printer,
}

impl Context<'_> {
    /// The node that the flags name.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(found::client(self.global)?)
    }
}

/// Runs one verb.
pub(crate) async fn run(cli: Cli, printer: &Printer) -> Result<()> {
    let Cli { mut global, verb } = cli;
    // The variables are read here and not by the parser, whose usage would depend on them. One that is
    // set to nothing says nothing.
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let text = |name| var(name).map(|value| value.to_string_lossy().into_owned());
    let given = |text: &String| !text.is_empty();
    global.api = global.api.filter(given).or_else(|| text("MEDIUM_API"));
    global.token = global.token.filter(given).or_else(|| text("MEDIUM_TOKEN"));
    global.wallet = global
        .wallet
        .filter(given)
        .or_else(|| text("MEDIUM_WALLET"));
    global.dfs = global.dfs.filter(given).or_else(|| text("MEDIUM_DFS"));
    let data = global.data.filter(|data| !data.as_os_str().is_empty());
    global.data = data.or_else(|| var("MEDIUM_DATA").map(Into::into));
    let context = Context {
        global: &global,
        printer,
    };
    match verb {
        Verb::Up(options) => up::up(context, &options).await,
        Verb::Demo(options) => demo::demo(context, &options).await,
        Verb::Spawn(options) => spawn::spawn(context, options).await,
        Verb::Fork(options) => spawn::fork(context, &options).await,
        Verb::Send(options) => send::send(context, options).await,
        Verb::Logs(options) => logs::logs(context, &options).await,
        Verb::Ps(options) => list::ps(context, &options).await,
        Verb::Top(options) => top::top(context, &options).await,
        Verb::Find(options) => list::find(context, &options).await,
        Verb::Lineage(options) => list::lineage(context, &options.vc).await,
        Verb::Show(options) => show::show(context, &options).await,
        Verb::Shape(options) => show::shape(context, &options).await,
        Verb::Explain(options) => show::explain(context, &options.message).await,
        Verb::Persist(options) => persist::persist(context, &options).await,
        Verb::Sleep(options) => life::signal(context, &options, "sleep").await,
        Verb::Wake(options) => life::signal(context, &options, "wake").await,
        Verb::Stop(options) => life::stop(context, &options).await,
        Verb::Budget(options) => life::budget(context, &options).await,
        Verb::Remove(options) => life::remove(context, &options).await,
        Verb::Try(options) => trial::attempt(context, &options).await,
        Verb::Replay(options) => replay::replay(context, &options).await,
        Verb::Trace(options) => trace::trace(context, &options).await,
        Verb::Give(options) => body::give(context, &options).await,
        Verb::Strip(options) => body::strip(context, &options).await,
        Verb::Internalize(options) => body::internalize(context, &options).await,
        Verb::Upgrade(options) => body::upgrade(context, &options).await,
        Verb::Attach(options) => attach::attach(context, &options).await,
        Verb::Console(options) => console::console(context, &options).await,
        Verb::Pod(options) => pod::pod(context, options.kind).await,
        Verb::Recipe(options) => recipe::recipe(context, options.kind).await,
        Verb::Task(options) => task::task(context, options.kind).await,
        Verb::Sim(options) => sim::sim(context, options).await,
        Verb::New(options) => new::new(context, &options),
        Verb::Freeze(options) => freeze::freeze(context, &options).await,
        // `main` runs them before there is a thread.
        Verb::CompileModule | Verb::Confine { .. } => Ok(()),
        Verb::Doctor => doctor::doctor(context).await,
        Verb::Completions(options) => pages::completions(context, &options),
        Verb::Man(options) => pages::man(context, &options),
    }
}
