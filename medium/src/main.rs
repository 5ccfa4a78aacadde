//! The command line of the medium: one verb per run.
//!
//! Read in this order: [`cli`] (every verb and flag), [`verbs`] (what each does), [`client`] (how they
//! reach a node), [`pods`] (how they reach pods, wherever those are kept), [`bar`] (how far a transfer
//! is), [`sim`] (models that are crates), [`printer`] (the only place that prints), [`report`] (errors and exit codes),
//! [`demo`] (the tour). Invariants: verbs know a node only by its HTTP API, `demo` included; only `up`
//! and `demo` start one.

mod bar;
mod cli;
mod client;
mod demo;
mod pods;
mod printer;
mod report;
mod sim;
mod verbs;

use std::process::ExitCode;

use adapters::compute::confine_child;
use adapters::wasm::compile_child;
use clap::Parser;
use clap::error::ErrorKind;
use genesis::refusal::{Code, Refusal};

use crate::cli::{Cli, Verb};
use crate::printer::Printer;
use crate::report::{Ending, ending};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(misused(&error)),
    };
    // Children that limit themselves, which they do before there is a second thread.
    match &cli.verb {
        Verb::CompileModule => return compile_child(),
        Verb::Confine { role } => return confine_child(role),
        _ => {}
    }
    let global = &cli.global;
    let printer = Printer::new(global.json, global.quiet, global.no_color);
    ExitCode::from(finish(&printer, run(cli, &printer)))
}

/// Runs a verb to its end, on an executor of its own.
fn run(cli: Cli, printer: &Printer) -> anyhow::Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = executor.block_on(verbs::run(cli, printer));
    // What still blocks (a read of stdin, a node told to end at once) must not hold up the end.
    executor.shutdown_background();
    outcome
}

/// Says what is left to say, and gives the exit code.
fn finish(printer: &Printer, outcome: anyhow::Result<()>) -> u8 {
    match outcome.map_err(|error| ending(&error)) {
        Ok(()) => report::DONE,
        Err(Ending::Quiet(code)) => code,
        Err(Ending::Refused(refusal, code)) => {
            printer.error(&refusal);
            code
        }
    }
}

/// Help and version, which were asked for, or a command line that makes no sense, which the user can fix.
fn misused(error: &clap::Error) -> u8 {
    // Nothing was parsed, so the flags that matter here are looked for by hand.
    let given = |flag: &str| std::env::args_os().skip(1).any(|argument| argument == flag);
    let printer = Printer::new(given("--json"), false, given("--no-color"));
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => finish(&printer, printer.help(&text)),
        _ if printer.is_json() => {
            let what = misuse(&text.to_string());
            let hint = "`medium --help` shows the verbs, `medium VERB --help` the flags of one";
            printer.error(&Refusal::new(Code::Malformed, what).hint(hint));
            report::USER
        }
        _ => {
            printer.usage(&text);
            report::USER
        }
    }
}

/// What is wrong with a command line, on one line: everything before usage and advice, arguments that are
/// listed one below the other included.
fn misuse(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let about = lines.take_while(|line| {
        let begins = |word| line.starts_with(word);
        !(begins("Usage:") || begins("tip:") || begins("For more information"))
    });
    let about: Vec<_> = about.filter(|line| !line.is_empty()).collect();
    let about = about.join(" ");
    about.strip_prefix("error: ").unwrap_or(&about).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: with `--json`, a usage error that lists arguments kept its first line and lost them.
    #[test]
    fn a_usage_error_keeps_its_arguments() {
        let error = Cli::try_parse_from(["medium", "send"]).unwrap_err();
        let what = misuse(&error.render().to_string());
        assert_eq!(
            what,
            "the following required arguments were not provided: <VC> <TEXT>"
        );
        let error = Cli::try_parse_from(["medium", "ps", "-n", "x"]).unwrap_err();
        let what = misuse(&error.render().to_string());
        assert!(what.ends_with("`x` is not a whole number"), "{what}");
    }
}
