//! `up`: a node, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use adapters::compute::Launcher;
use adapters::wasm::Compiler;
use anyhow::Result;
use genesis::protocol::digest_of_protocol;
use genesis::refusal::{Code, Refusal};
use medium::node::{API_DEFAULT, MEMORY_BYTES_DEFAULT, Node, NodeConfig};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Context;
use crate::cli::{Global, Up};
use crate::client::found::data_folder;

/// The verb by which this program compiles a module and does nothing else.
const COMPILE: &str = "compile-module";
/// ... and what has it confine a job.
const CONFINE: &str = "confine";
/// The variable that says how much a node says of itself on stderr: `info`, `actors=debug`, …
const LOG: &str = "MEDIUM_LOG";

/// Runs a node until a signal or a request stops it.
pub(crate) async fn up(context: Context<'_>, options: &Up) -> Result<()> {
    log_to_stderr(context.global);
    // Before anything else, so that no signal finds the node half started.
    let mut signals = Signals::new()?;
    let node = tokio::select! {
        node = Node::start(config(context.global, options)?) => node?,
        () = signals.next() => return Ok(()),
    };
    let outcome = match ready(context, options, &node) {
        Ok(()) => {
            tokio::select! {
                () = signals.next() => {}
                () = node.asked_to_stop() => {}
            }
            Ok(())
        }
        // Whoever was to read where the node is has gone: nobody could use it.
        Err(error) => Err(error),
    };
    context
        .printer
        .note("stopping; a second signal ends at once");
    tokio::select! {
        stopped = node.stop() => stopped?,
        () = signals.next() => {
            let what = "ended by a second signal before the node had stopped";
            let hint = "what was acknowledged is on disk; the next start cleans up";
            return Err(Refusal::new(Code::Cancelled, what).hint(hint).into());
        }
    }
    outcome
}

/// Says, in one line on stdout, that requests are answered now, and where.
fn ready(context: Context<'_>, options: &Up, node: &Node) -> Result<()> {
    let id = node.runtime().owner().to_string();
    if context.printer.is_json() {
        let mut event = json!({
            "event": "ready",
            "api": node.base(),
            "id": id,
            "genesis": digest_of_protocol().to_string(),
        });
        if options.ephemeral {
            // There is no data folder in which verbs could find it.
            event["token"] = node.token().into();
        }
        if let Some(bee) = node.bee_address() {
            event["bee_api"] = format!("http://{bee}").into();
        }
        return context.printer.json(&event);
    }
    context
        .printer
        .text(&format!("ready: {} ({id})", node.base()))?;
    if let Some(bee) = node.bee_address() {
        context.printer.text(&format!("Bee's API: http://{bee}"))?;
    }
    if options.ephemeral {
        let (api, token) = (node.base(), node.token());
        context.printer.note(&format!(
            "verbs find it by: export MEDIUM_API={api} MEDIUM_TOKEN={token}"
        ));
    }
    Ok(())
}

/// This program, as the compiler of what others wrote.
pub(crate) fn compiler() -> Result<Compiler, Refusal> {
    Ok(Compiler::Child {
        program: itself("to compile modules")?,
        args: vec![COMPILE.into()],
    })
}

/// This program, as the launcher of jobs.
pub(crate) fn launcher() -> Result<Launcher, Refusal> {
    Ok(Launcher {
        program: itself("to start jobs")?,
        args: vec![CONFINE.into()],
    })
}

fn itself(what_for: &str) -> Result<PathBuf, Refusal> {
    std::env::current_exe().map_err(|error| {
        let what = format!("this program does not find itself, {what_for}: {error}");
        Refusal::new(Code::Io, what)
    })
}

fn config(global: &Global, options: &Up) -> Result<NodeConfig, Refusal> {
    Ok(NodeConfig {
        data: if options.ephemeral {
            None
        } else {
            Some(data_folder(global)?)
        },
        api: global.api.as_deref().map_or(Ok(API_DEFAULT), address)?,
        listen_anywhere: options.listen_anywhere,
        bee_api: options.bee_api.as_deref().map(address).transpose()?,
        bee_listen_anywhere: options.bee_listen_anywhere,
        deterministic: options.deterministic,
        paced: options.paced,
        seed: options.seed,
        workers: options.workers,
        memory_bytes_max: options.memory.unwrap_or(MEMORY_BYTES_DEFAULT),
        compiler: compiler()?,
        jobs: Some(launcher()?),
        ..NodeConfig::default()
    })
}

/// Where to listen: `127.0.0.1:7700`, also as `http://…` or with `localhost`.
fn address(api: &str) -> Result<SocketAddr, Refusal> {
    let plain = api
        .strip_prefix("http://")
        .unwrap_or(api)
        .trim_end_matches('/');
    let plain = match plain.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => plain.to_owned(),
    };
    plain.parse().map_err(|_| {
        Refusal::new(
            Code::Malformed,
            format!("`{api}` is not an address to listen on"),
        )
        .hint(format!(
            "it looks like {API_DEFAULT}; port 0 takes any free one"
        ))
    })
}

/// What a node says of itself goes to stderr: warnings, or what the variable asks for.
fn log_to_stderr(global: &Global) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;
    let default = if global.quiet {
        LevelFilter::ERROR
    } else {
        LevelFilter::WARN
    };
    let asked = std::env::var(LOG)
        .ok()
        .and_then(|text| text.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(default));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && !global.no_color;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(ansi);
    // A process has one; if there is one already, it stays.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
}

/// The signals by which a person, a shell or a service manager ends a process.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on these signals are awaited instead of deadly.
    pub(crate) fn new() -> Result<Self, Refusal> {
        let catch = |kind| {
            signal(kind)
                .map_err(|error| Refusal::new(Code::Io, format!("cannot await signals: {error}")))
        };
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_listen_needs_host_and_port() {
        for api in ["127.0.0.1:0", "http://127.0.0.1:0/", "localhost:0"] {
            assert_eq!(
                address(api),
                Ok(SocketAddr::from(([127, 0, 0, 1], 0))),
                "{api}"
            );
        }
        for bad in [
            "",
            "7700",
            "127.0.0.1",
            "example.org:80",
            "https://127.0.0.1:1",
            "127.0.0.1:99999",
        ] {
            assert_eq!(address(bad).unwrap_err().code, Code::Malformed, "{bad}");
        }
    }
}
