//! `ls`: which models there are, and what can be set in each.

use serde_json::{Value as Json, json};

use super::args::Ls;
use super::printer::Style;
use super::{Env, Failure};
use crate::model::ModelInfo;
use crate::params::{Grows, ParamInfo};

/// Lists models, or explains one.
pub(super) fn ls(options: &Ls, env: &Env<'_>) -> Result<(), Failure> {
    let printer = &env.printer;
    let asked = match &options.model {
        Some(name) => std::slice::from_ref(env.model(Some(name))?),
        None => env.models,
    };
    if printer.is_json() {
        return printer.json(&asked.iter().map(described).collect::<Vec<_>>());
    }
    if options.model.is_none() && env.models.len() > 1 {
        let rows = asked
            .iter()
            .map(|model| vec![model.name.to_owned(), model.about.trim().to_owned()]);
        printer.table(&["MODEL", "WHAT IT IS"], &rows.collect::<Vec<_>>())?;
        printer.note(&format!(
            "`{} ls MODEL` explains one and its parameters",
            env.program
        ));
        return Ok(());
    }
    for model in asked {
        explain(model, env)?;
    }
    Ok(())
}

fn explain(model: &ModelInfo, env: &Env<'_>) -> Result<(), Failure> {
    let printer = &env.printer;
    let presets = match model.presets {
        [] => "none".to_owned(),
        presets => presets.join(", "),
    };
    printer.screen(&format!(
        "{}: {}",
        printer.paint(Style::Bold, model.name),
        model.about.trim()
    ))?;
    printer.fields(&[
        ("rule".to_owned(), model.rule.to_owned()),
        ("steps".to_owned(), model.steps.to_string()),
        ("presets".to_owned(), presets),
    ])?;
    let rows: Vec<_> = model.params().iter().map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    printer.screen("")?;
    printer.table(
        &["PARAMETER", "DEFAULT", "RANGE", "UNIT", "WHAT IT IS"],
        &rows,
    )
}

fn row(info: &ParamInfo) -> Vec<String> {
    let range = match &info.range {
        Some((least, greatest)) => format!("{least}..{greatest}"),
        None => String::new(),
    };
    let grows = match info.grows {
        Grows::Count => " Grows with --agents.",
        Grows::Side => " Grows with the root of --agents.",
        Grows::Not if info.fixed => " Cannot change in a run.",
        Grows::Not => "",
    };
    vec![
        info.name.to_owned(),
        info.default.to_string(),
        range,
        info.unit.to_owned(),
        format!("{}{grows}", info.about),
    ]
}

fn described(model: &ModelInfo) -> Json {
    let params = model.params();
    let params = params.iter().map(|info| {
        let range = info.range.as_ref();
        json!({
            "name": info.name,
            "about": info.about,
            "unit": info.unit,
            "default": Json::from(&info.default),
            "min": range.map(|(least, _)| Json::from(least)),
            "max": range.map(|(_, greatest)| Json::from(greatest)),
            "fixed": info.fixed,
            "grows": match info.grows {
                Grows::Count => "count",
                Grows::Side => "side",
                Grows::Not => "not",
            },
        })
    });
    json!({
        "model": model.name,
        "about": model.about.trim(),
        "rule": model.rule,
        "steps": model.steps,
        "presets": model.presets,
        "params": params.collect::<Vec<_>>(),
    })
}
