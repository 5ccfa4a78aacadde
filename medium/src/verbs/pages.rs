//! `completions`, `man`: from the same definitions as the command line itself.

use anyhow::Result;
use clap::CommandFactory;

use super::Context;
use crate::cli::{Cli, Completions, Man};
use crate::report::file_refused;

/// Prints completions for a shell.
pub(crate) fn completions(context: Context<'_>, options: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "medium", &mut script);
    context.printer.bytes(&script)
}

/// Prints the manual, one page per verb after the first; or writes each to a file.
pub(crate) fn man(context: Context<'_>, options: &Man) -> Result<()> {
    let mut command = Cli::command();
    if let Some(dir) = &options.output {
        std::fs::create_dir_all(dir).map_err(|error| file_refused("create", dir, &error))?;
        clap_mangen::generate_to(command, dir)
            .map_err(|error| file_refused("write the manual to", dir, &error))?;
        context
            .printer
            .note(&format!("`man -l {}/medium.1` shows it", dir.display()));
        return Ok(());
    }
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    let shown = |verb: &&clap::Command| !verb.is_hide_set() && verb.get_name() != "help";
    for verb in command.get_subcommands().filter(shown) {
        let name = format!("medium-{}", verb.get_name());
        // Under its full name, as the page of a command of its own.
        clap_mangen::Man::new(verb.clone().display_name(name)).render(&mut text)?;
    }
    context.printer.bytes(&text)
}
