//! `plot`: what a run or a sweep collected, as a picture.

use std::path::PathBuf;

use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::args::{LogAxis, Plot};
use super::{Env, Failure};
use crate::data;
use crate::folder::{self, Folder};
use crate::plot::{self, Options};
use crate::series::SERIES;
use crate::sweep;

/// A table, and what is known of it.
struct Known {
    table: PathBuf,
    title: Option<String>,
    series: Vec<String>,
    parameters: Option<Vec<String>>,
    output: PathBuf,
}

/// Plots.
pub(super) fn plot(options: &Plot, env: &Env<'_>) -> Result<(), Failure> {
    let known = known(options)?;
    let table = data::read(&known.table)?;
    let mut series = known.series;
    if let (true, Some(names)) = (series.is_empty(), table.metadata.get(SERIES)) {
        series = names.split(',').map(str::to_owned).collect();
    }
    let y = if options.y.is_empty() {
        series
    } else {
        options.y.clone()
    };
    let drawn = Options {
        x: options.x.clone(),
        // A table without any of them is one of agents: all of its numbers are drawn.
        y: if y.iter().any(|name| table.column(name).is_some()) || !options.y.is_empty() {
            y
        } else {
            Vec::new()
        },
        group: known.parameters,
        title: known.title,
        x_log: options.log.contains(&LogAxis::X),
        y_log: options.log.contains(&LogAxis::Y),
        ..Options::default()
    };
    let output = options.output.clone().unwrap_or(known.output);
    plot::plot(&table, &drawn, &output).map_err(|error| {
        let code = match &error {
            plot::Error::Io(error) => super::refused::io(error).code,
            _ => Code::Malformed,
        };
        Refusal::new(code, error.to_string()).hint(error.hint())
    })?;
    if env.printer.is_json() {
        return env
            .printer
            .json(&json!({ "plot": output.display().to_string(), "rows": table.rows() }));
    }
    env.printer.screen(&output.display().to_string())
}

/// What is to be plotted: the table of a folder, or a table itself.
fn known(options: &Plot) -> Result<Known, Failure> {
    let path = &options.what;
    if !path.is_dir() {
        return Ok(Known {
            table: path.clone(),
            title: None,
            series: Vec::new(),
            parameters: None,
            output: path.with_extension("svg"),
        });
    }
    let output = path.join("plot.svg");
    if !path.join("run.json").exists() && path.join("sweep.json").exists() {
        let record = sweep::read(path)?;
        return Ok(Known {
            table: folder::model_table(path, record.plan.format),
            title: Some(format!("{}, {} runs", record.plan.model, record.runs.len())),
            series: record.series,
            parameters: Some(record.parameters),
            output,
        });
    }
    let record = Folder::read(path)?;
    Ok(Known {
        table: folder::model_table(path, record.format),
        title: Some(format!("{}, seed {}", record.model, record.seed)),
        series: record.series,
        parameters: Some(record.parameters),
        output,
    })
}
