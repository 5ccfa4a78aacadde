//! `sleep`, `wake`, `stop`, `remove`: each prints the life that follows.

use anyhow::Result;
use serde_json::Value;

use super::Context;
use crate::cli::Remove;

/// Puts a VC to sleep, wakes it or stops it.
pub(crate) async fn signal(context: Context<'_>, vc: &str, verb: &str) -> Result<()> {
    let answer = context.client()?.signal(vc, verb).await?;
    print(context, &answer)
}

/// Removes a VC; a live one only if it may be stopped first.
pub(crate) async fn remove(context: Context<'_>, options: &Remove) -> Result<()> {
    let answer = context.client()?.remove(&options.vc, options.force).await;
    let answer = answer.map_err(|refusal| match &refusal.hint {
        None if refusal.code == genesis::refusal::Code::Conflict => refusal.hint(format!(
            "`medium remove {} --force` stops it first",
            options.vc
        )),
        _ => refusal,
    })?;
    print(context, &answer)
}

fn print(context: Context<'_>, answer: &Value) -> Result<()> {
    if context.printer.is_json() {
        return context.printer.json(answer);
    }
    context
        .printer
        .text(answer["life"].as_str().unwrap_or_default())
}
