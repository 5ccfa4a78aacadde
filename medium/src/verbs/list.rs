//! `ps`, `find`, `lineage`: several VCs, one a line.

use std::collections::BTreeMap;

use anyhow::Result;
use genesis::limits::{DEPTH_MAX, PAGE_MAX};
use genesis::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::Value;

use super::Context;
use crate::cli::{Find, Ps};
use crate::client::Client;
use crate::client::seen::{Summary, purse_brief, short};

/// What is shown of each.
const HEADER: [&str; 8] = [
    "ID", "NAME", "LIFE", "PARTS", "MAILBOX", "PURSE", "RESTARTS", "REASON",
];

/// Lists VCs by name and id.
pub(crate) async fn ps(context: Context<'_>, options: &Ps) -> Result<()> {
    let (mut rows, next) = listed(&context.client()?, options).await?;
    sort(&mut rows);
    if let Some(next) = next {
        let all = if options.all { " --all" } else { "" };
        let pattern = options.pattern.as_ref();
        let pattern = pattern.map_or_else(String::new, |pattern| format!(" --where '{pattern}'"));
        context.printer.note(&format!(
            "there are more: `medium ps{all}{pattern} --after {next}`"
        ));
    }
    if context.printer.is_json() {
        return context.printer.json(&rows);
    }
    let rows: Vec<Summary> = serde_json::from_value(Value::Array(rows))?;
    if rows.is_empty() {
        context.printer.note(match options.pattern {
            Some(_) => "nobody is taken by this pattern; `medium shape VC` shows where a VC lies",
            None => "no VCs here; `medium spawn echo --name e` makes one",
        });
        return Ok(());
    }
    let names: BTreeMap<String, String> = rows
        .iter()
        .filter_map(|row| Some((row.id.clone(), row.name.clone()?)))
        .collect();
    let cells = |row: &Summary| {
        let name = if let Some(host) = names.get(&row.host).filter(|_| row.nested) {
            format!("  {host}/{}", row.called())
        } else if row.nested {
            format!("{} (in {})", row.called(), short(&row.host))
        } else {
            row.called().to_owned()
        };
        vec![
            short(&row.id).to_owned(),
            name,
            match row.place {
                Some(_) => "in a pod".to_owned(),
                None => row.life.clone(),
            },
            row.parts.to_string(),
            row.mailbox.to_string(),
            purse_brief(&row.purse, &row.low),
            row.restarts.to_string(),
            row.reason.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    context.printer.table(&HEADER, &rows)
}

/// Puts VCs in the order of their names, those without behind them, and who lives in a body under whose it is.
fn sort(rows: &mut [Value]) {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let own = |row: &Value| (row["name"].is_null(), text(row, "name"), text(row, "id"));
    let keys: BTreeMap<String, (Option<String>, _)> = rows
        .iter()
        .map(|row| {
            let host = row["nested"].as_bool() == Some(true);
            (text(row, "id"), (host.then(|| text(row, "host")), own(row)))
        })
        .collect();
    rows.sort_by_cached_key(|row| {
        let mut path = Vec::new();
        let mut at = Some(text(row, "id"));
        // A host that is not in the list ends the path; bodies nest so deep and no deeper.
        while let Some((host, own)) = at
            .as_ref()
            .and_then(|id| keys.get(id))
            .filter(|_| path.len() <= DEPTH_MAX)
        {
            path.push(own.clone());
            at.clone_from(host);
        }
        path.reverse();
        path
    });
}

/// At most so many VCs, page by page, and where the rest begins.
pub(super) async fn listed(
    client: &Client,
    options: &Ps,
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let mut rows: Vec<Value> = Vec::new();
    let mut after = options.after.clone();
    loop {
        let limit = options.limit.saturating_sub(rows.len()).min(PAGE_MAX);
        if limit == 0 {
            return Ok((rows, after));
        }
        let mut query = vec![("limit", limit.to_string())];
        query.extend(options.all.then(|| ("all", "true".to_owned())));
        query.extend(after.map(|after| ("after", after)));
        query.extend(options.pattern.clone().map(|pattern| ("where", pattern)));
        let page = client.page::<Vec<Value>>(&["v1", "vcs"], &query).await?;
        let empty = page.rows.is_empty();
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() || empty {
            return Ok((rows, None));
        }
    }
}

#[derive(Debug, Deserialize)]
struct Hit {
    id: String,
    name: Option<String>,
    shape: BTreeMap<String, i64>,
    gives: Vec<String>,
    needs: Vec<String>,
}

/// Lists VCs whose shape lies in a pattern.
pub(crate) async fn find(context: Context<'_>, options: &Find) -> Result<()> {
    let mut query = vec![("k", options.limit.to_string())];
    query.extend(options.pattern.clone().map(|pattern| ("pattern", pattern)));
    query.extend(options.feeds.clone().map(|feeds| ("feeds", feeds)));
    let client = context.client()?;
    let page = client.page::<Value>(&["v1", "find"], &query).await?;
    if page.more {
        let note = format!(
            "there may be more than these {}: `--limit` gives more of them, at most {PAGE_MAX}; \
             a narrower pattern fewer",
            options.limit.min(PAGE_MAX)
        );
        context.printer.note(&note);
    }
    let hits = page.rows;
    let nothing = hits.as_array().is_some_and(Vec::is_empty);
    if nothing
        && let Some(hungry) = &options.feeds
        && client.portrait(hungry).await?.hunger.is_empty()
    {
        context
            .printer
            .note(&format!("{hungry} hungers for nothing"));
        return if context.printer.is_json() {
            context.printer.json(&hits)
        } else {
            Ok(())
        };
    }
    if context.printer.is_json() {
        return context.printer.json(&hits);
    }
    let hits: Vec<Hit> = understood(hits)?;
    if hits.is_empty() {
        context
            .printer
            .note("nothing lies in this pattern; `medium shape VC` shows where a VC lies");
        return Ok(());
    }
    let cells = |hit: &Hit| {
        let shape: Vec<_> = hit
            .shape
            .iter()
            .map(|(dim, at)| format!("{dim}={at}"))
            .collect();
        vec![
            short(&hit.id).to_owned(),
            hit.name.clone().unwrap_or_default(),
            hit.gives.join(" "),
            hit.needs.join(" "),
            shape.join(" "),
        ]
    };
    let rows: Vec<_> = hits.iter().map(cells).collect();
    context
        .printer
        .table(&["ID", "NAME", "GIVES", "NEEDS", "SHAPE"], &rows)
}

#[derive(Debug, Deserialize)]
struct Ancestor {
    id: String,
    name: Option<String>,
    life: Option<String>,
}

/// Lists whom a VC was forked from, itself first.
pub(crate) async fn lineage(context: Context<'_>, vc: &str) -> Result<()> {
    let line: Value = context
        .client()?
        .get(&["v1", "vcs", vc, "lineage"], &[])
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&line);
    }
    let line: Vec<Ancestor> = understood(line)?;
    let cells = |ancestor: &Ancestor| {
        let life = ancestor
            .life
            .clone()
            .unwrap_or_else(|| "not here".to_owned());
        vec![
            ancestor.id.clone(),
            ancestor.name.clone().unwrap_or_default(),
            life,
        ]
    };
    let rows: Vec<_> = line.iter().map(cells).collect();
    context.printer.table(&["ID", "NAME", "LIFE"], &rows)
}

/// An answer as we know it, or the node speaks another version.
pub(super) fn understood<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Refusal> {
    serde_json::from_value(answer).map_err(|error| {
        Refusal::new(
            Code::Internal,
            format!("cannot make sense of what the node answered: {error}"),
        )
        .hint("`medium doctor` compares the versions of node and command line")
    })
}
