//! What keeps things: stamps, pins, and the wallets that pay.

use adapters::pods::{Batch, BuyBatch};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use medium::pod_store::Wallet;
use serde_json::json;

use super::super::Context;
use crate::bar::size;
use crate::pods::Keeping;

/// Bytes of a chunk.
const CHUNK_BYTES: u64 = 4_096;

/// Buys a batch of stamps.
pub(super) async fn buy(context: Context<'_>, depth: u8, ttl_s: u64, label: String) -> Result<()> {
    let what = BuyBatch {
        depth,
        ttl_s,
        label,
    };
    let bought = context
        .with_pods("bought", move |pods, _| Ok(pods.buy(&what)?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&bought);
    }
    context.printer.note(&format!(
        "it stamps at most {} chunks ({}), fewer where many fall into one bucket, cost {} motes; {} are left",
        1_u128 << bought.batch.depth.min(127),
        size(CHUNK_BYTES.saturating_mul(1_u64.checked_shl(depth.into()).unwrap_or(u64::MAX))),
        bought.batch.motes,
        bought.motes_left
    ));
    context.printer.text(&bought.batch.id)
}

/// Lists the batches of the wallet.
pub(super) async fn batches(context: Context<'_>) -> Result<()> {
    let batches = context
        .with_pods("listed", |pods, _| Ok(pods.batches()?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&batches);
    }
    if batches.is_empty() {
        context
            .printer
            .note("no stamps here; `medium pod stamp buy` buys some, and so does the first write");
        return Ok(());
    }
    let cells = |batch: &Batch| {
        vec![
            batch.id.clone(),
            batch.label.clone(),
            batch.depth.to_string(),
            batch.stamped.to_string(),
            days(batch.ttl_s),
            if batch.usable { "yes" } else { "no" }.to_owned(),
        ]
    };
    let rows: Vec<_> = batches.iter().map(cells).collect();
    let header = ["BATCH", "LABEL", "DEPTH", "STAMPED", "EXPIRES", "USABLE"];
    context.printer.table(&header, &rows)
}

/// `in 364 d`, `in 3 h`, `in 12 s`, `expired`.
fn days(ttl_s: u64) -> String {
    match ttl_s {
        0 => "expired".to_owned(),
        1..3_600 => format!("in {ttl_s} s"),
        3_600..172_800 => format!("in {} h", ttl_s / 3_600),
        _ => format!("in {} d", ttl_s / 86_400),
    }
}

/// Pins what a reference names, or no longer.
pub(super) async fn pin(context: Context<'_>, reference: String, pinned: bool) -> Result<()> {
    let named = reference.clone();
    context
        .with_pods(
            "pinned",
            move |pods, _| Ok(pods.set_pinned(&named, pinned)?),
        )
        .await?;
    if context.printer.is_json() {
        return context
            .printer
            .json(&json!({ "reference": reference, "pinned": pinned }));
    }
    context.printer.note(if pinned {
        "all that it names stays"
    } else {
        "it stays as long as its stamps last"
    });
    Ok(())
}

/// Lists what is pinned.
pub(super) async fn pins(context: Context<'_>) -> Result<()> {
    let pins = context
        .with_pods("listed", |pods, _| Ok(pods.pins()?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&pins);
    }
    if pins.is_empty() {
        context.printer.note("nothing is pinned");
        return Ok(());
    }
    context.printer.text(&pins.join("\n"))
}

/// Frees what is neither stamped nor pinned.
pub(super) async fn collect(context: Context<'_>, yes: bool) -> Result<()> {
    if !yes {
        let (batches, pods) = context
            .with_pods("looked", |pods, _| Ok((pods.batches()?, pods.pods()?)))
            .await?;
        let expired = batches.iter().filter(|batch| batch.ttl_s == 0).count();
        if expired > 0 && !pods.is_empty() {
            let names: Vec<_> = pods.iter().map(|pod| pod.name.as_str()).collect();
            confirm(context, expired, &names.join(", "))?;
        }
    }
    let freed = context
        .with_pods("freed", |pods, _| Ok(pods.collect()?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&freed);
    }
    context.printer.text(&format!(
        "{} chunks ({}) freed, {} stay; {} batches had expired",
        freed.chunks,
        size(freed.bytes),
        freed.kept,
        freed.batches
    ))
}

/// Asks before what nobody pays for any more is lost.
fn confirm(context: Context<'_>, expired: usize, pods: &str) -> Result<(), Refusal> {
    let what = format!(
        "{expired} expired: what nothing else stamps or pins is lost, of the pods {pods} too",
        expired = if expired == 1 {
            "a batch has".to_owned()
        } else {
            format!("{expired} batches have")
        },
    );
    match context.printer.ask(&format!("{what}; free it? [y/N]")).as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        Some(_) => Err(Refusal::new(Code::Cancelled, "everything stays").hint("answer `y` to free it")),
        None => Err(Refusal::new(Code::Denied, what)
            .hint("`--yes` frees it; `medium pod pin` keeps what shall stay, and a change of a pod stamps it anew")),
    }
}

/// Lists the wallets.
pub(super) async fn wallets(context: Context<'_>) -> Result<()> {
    let wallets = Keeping::of(context.global).await?.wallets().await?;
    if context.printer.is_json() {
        return context.printer.json(&wallets);
    }
    if wallets.is_empty() {
        context
            .printer
            .note("no wallets yet; the first use of one makes it");
        return Ok(());
    }
    let cells = |wallet: &Wallet| vec![wallet.name.clone(), wallet.address.clone()];
    let rows: Vec<_> = wallets.iter().map(cells).collect();
    context.printer.table(&["NAME", "ADDRESS"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_is_left_is_told_in_units_of_its_size() {
        for (ttl_s, text) in [
            (0, "expired"),
            (12, "in 12 s"),
            (7_200, "in 2 h"),
            (31_536_000, "in 365 d"),
        ] {
            assert_eq!(days(ttl_s), text);
        }
    }
}
