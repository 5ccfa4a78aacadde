//! `attach`: how a program that runs speaks for a VC.

use anyhow::Result;

use super::Context;
use crate::cli::Attach;

/// Prints where a program attaches itself.
pub(crate) async fn attach(context: Context<'_>, options: &Attach) -> Result<()> {
    let way = context.client()?.attach(&options.vc).await?;
    if context.printer.is_json() {
        return context.printer.json(&way);
    }
    context
        .printer
        .note("whoever has this address may speak for the VC");
    context
        .printer
        .text(way["url"].as_str().unwrap_or_default())
}
