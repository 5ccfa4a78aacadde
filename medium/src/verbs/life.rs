//! `sleep`, `wake`, `stop`, `remove`: each prints the life that follows; of a pattern, for each of them. And `budget`.

use anyhow::Result;
use genesis::limits::PAGE_MAX;
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Context;
use super::list::{listed, understood};
use crate::cli::{Budget, Many, Ps, Remove, Stop};
use crate::client::Client;
use crate::client::seen::{purse_brief, short};

/// Puts VCs to sleep, or wakes them.
pub(crate) async fn signal(context: Context<'_>, options: &Many, verb: &str) -> Result<()> {
    let client = context.client()?;
    if let Some(vc) = &options.vc {
        let answer = client.signal(vc, verb).await?;
        return print(context, &answer);
    }
    let pattern = options.pattern.as_deref().unwrap_or_default();
    each(context, &client, pattern, |id| {
        let client = client.clone();
        async move { client.signal(&id, verb).await }
    })
    .await
}

/// Stops one VC; or those of a pattern and all who descend from them.
pub(crate) async fn stop(context: Context<'_>, options: &Stop) -> Result<()> {
    let client = context.client()?;
    let request = match (&options.vc, &options.pattern) {
        (Some(vc), _) if options.children => json!({ "vcs": [vc] }),
        (Some(vc), _) => {
            let answer = client.signal(vc, "stop").await?;
            return print(context, &answer);
        }
        (None, pattern) => json!({ "where": pattern }),
    };
    let answer: Value = client.post(&["v1", "brake"], &request).await?;
    if context.printer.is_json() {
        return context.printer.json(&answer);
    }
    let braked: Braked = understood(answer)?;
    if braked.count == 0 {
        context
            .printer
            .note("nobody who lives is taken by this; `medium ps --where PATTERN` shows whom a pattern takes");
        return Ok(());
    }
    let cells = |row: &BrakedRow| {
        vec![
            short(&row.id).to_owned(),
            row.name.clone().unwrap_or_default(),
            if row.matched { "taken" } else { "descends" }.to_owned(),
            short(&row.host).to_owned(),
            row.turns.to_string(),
            row.fuel.to_string(),
            row.mailbox.to_string(),
        ]
    };
    let rows: Vec<_> = braked.stopped.iter().map(cells).collect();
    let header = ["ID", "NAME", "WHY", "HOST", "TURNS", "FUEL", "MAILBOX"];
    context.printer.table(&header, &rows)?;
    let descended = braked.count - braked.matched.min(braked.count);
    let shown = if braked.count > rows.len() as u64 {
        format!("; these {} had used most fuel", rows.len())
    } else {
        String::new()
    };
    context.printer.note(&format!(
        "{} stopped: {} taken, {descended} descended from them{shown}",
        braked.count, braked.matched
    ));
    Ok(())
}

/// Whom the brake has stopped.
#[derive(Debug, Deserialize)]
struct Braked {
    count: u64,
    matched: u64,
    stopped: Vec<BrakedRow>,
}

#[derive(Debug, Deserialize)]
struct BrakedRow {
    id: String,
    name: Option<String>,
    host: String,
    matched: bool,
    turns: u64,
    fuel: u64,
    mailbox: u64,
}

/// Removes VCs; live ones only if they may be stopped first.
pub(crate) async fn remove(context: Context<'_>, options: &Remove) -> Result<()> {
    let client = context.client()?;
    let Some(vc) = &options.vc else {
        let pattern = options.pattern.as_deref().unwrap_or_default();
        return each(context, &client, pattern, |id| {
            let client = client.clone();
            async move { client.remove(&id, options.force).await }
        })
        .await;
    };
    let answer = client.remove(vc, options.force).await;
    let answer = answer.map_err(|refusal| match &refusal.hint {
        None if refusal.code == Code::Conflict => {
            refusal.hint(format!("`medium remove {vc} --force` stops it first"))
        }
        _ => refusal,
    })?;
    print(context, &answer)
}

/// Does something with all that a pattern takes, and says what became of each. What is refused stops nothing, but
/// is an error in the end.
async fn each<F: Future<Output = Result<Value, Refusal>>>(
    context: Context<'_>,
    client: &Client,
    pattern: &str,
    work: impl Fn(String) -> F,
) -> Result<()> {
    let (mut done, mut first, mut after) = (0_u64, None, None);
    let mut refused = 0_u64;
    loop {
        // Page by page, so that no more is held than is shown.
        let query = Ps {
            all: false,
            limit: PAGE_MAX,
            after: after.take(),
            pattern: Some(pattern.to_owned()),
        };
        let (rows, next) = listed(client, &query).await?;
        for row in rows {
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            // The node's own stay: who means them, names them.
            if matches!(text("name").as_str(), "indexer" | "scavenger") {
                continue;
            }
            match work(text("id")).await {
                Ok(answer) => {
                    done += 1;
                    if context.printer.is_json() {
                        context.printer.json(&answer)?;
                    } else {
                        let life = answer["life"].as_str().unwrap_or_default();
                        let line = format!("{}  {life}  {}", text("id"), text("name"));
                        context.printer.text(line.trim_end())?;
                    }
                }
                Err(refusal) => {
                    refused += 1;
                    context.printer.error(&refusal);
                    first.get_or_insert(refusal);
                }
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    match first {
        Some(refusal) if refused > 1 => {
            let what = format!("{refused} of {} were refused", done + refused);
            Err(Refusal::new(refusal.code, what).into())
        }
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// Puts something into a purse, and shows what it holds.
pub(crate) async fn budget(context: Context<'_>, options: &Budget) -> Result<()> {
    let client = context.client()?;
    let vc = options.vc.as_str();
    let answer: Value = if options.gift.is_empty() {
        let portrait: Value = client.get(&["v1", "vcs", vc], &[]).await?;
        json!({ "id": portrait["id"], "purse": portrait["purse"] })
    } else {
        let mut gift = Map::new();
        for &(coin, amount) in &options.gift {
            gift.insert(coin.name().to_owned(), json!(amount));
        }
        client.post(&["v1", "vcs", vc, "purse"], &gift).await?
    };
    if context.printer.is_json() {
        return context.printer.json(&answer);
    }
    let purse: Purse = understood(answer["purse"].clone())?;
    context.printer.text(&purse_brief(&purse, &[]))
}

fn print(context: Context<'_>, answer: &Value) -> Result<()> {
    if context.printer.is_json() {
        return context.printer.json(answer);
    }
    context
        .printer
        .text(answer["life"].as_str().unwrap_or_default())
}
