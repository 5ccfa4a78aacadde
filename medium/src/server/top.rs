//! Steering: the busiest VCs, the brake, gifts to purses.

use std::collections::BTreeMap;

use axum::Json as Answered;
use axum::extract::State;
use genesis::pattern::Pattern;
use genesis::purse::{Coin, Purse};
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use actors::runtime::TOP_MS_MAX;
use actors::view::{Brake, Braked, Top, TopBy};

use super::Api;
use super::extract::{Json, Params, Vc};
use super::failure::{Answer, malformed};
use crate::virtual_time::Pace;

/// How many of the busiest are given unless told otherwise.
const ROWS_DEFAULT: usize = 20;
/// Over how long rates are measured unless told otherwise, in milliseconds.
const OVER_MS_DEFAULT: u64 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopParams {
    limit: Option<usize>,
    #[serde(default)]
    by: TopBy,
    over: Option<u64>,
}

/// The busiest VCs. Where time is virtual nothing is measured: it stands still while this waits.
pub(super) async fn top(
    State(api): State<Api>,
    Params(params): Params<TopParams>,
) -> Answer<Answered<Top>> {
    let over_ms = params.over.unwrap_or(OVER_MS_DEFAULT);
    if over_ms > TOP_MS_MAX {
        let what = format!("`over={over_ms}`: rates are measured over at most {TOP_MS_MAX} ms");
        return Err(malformed(what).into());
    }
    let over_ms = if api.0.config.pace == Pace::Real {
        over_ms
    } else {
        0
    };
    let limit = params.limit.unwrap_or(ROWS_DEFAULT);
    let top = api.runtime().top(params.by, limit, over_ms);
    Ok(Answered(api.until_stop(top).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BrakeRequest {
    r#where: Option<String>,
    #[serde(default)]
    vcs: Vec<String>,
}

/// Stops VCs and all who descend from them, at once.
pub(super) async fn brake(
    State(api): State<Api>,
    Json(request): Json<BrakeRequest>,
) -> Answer<Answered<Braked>> {
    if request.r#where.is_none() && request.vcs.is_empty() {
        return Err(malformed("say whom to stop")
            .hint("`{\"where\": PATTERN}`, `{\"vcs\": [VC, …]}`, or both")
            .into());
    }
    let mut brake = Brake {
        pattern: request.r#where.as_deref().map(pattern).transpose()?,
        ids: Vec::new(),
    };
    for vc in &request.vcs {
        brake.ids.push(api.runtime().resolve(vc).await?);
    }
    let braked = api.runtime().brake(brake).await?;
    for row in &braked.stopped {
        api.worlds().stopped(row.id).await;
    }
    Ok(Answered(braked))
}

/// A pattern, or what is wrong with it and where.
pub(super) fn pattern(text: &str) -> Result<Pattern, Refusal> {
    text.parse().map_err(|error: genesis::pattern::ParseError| {
        let refusal = Refusal::new(Code::Pattern, error.with_caret());
        match error.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    })
}

/// What a VC's purse holds.
#[derive(Serialize)]
pub(super) struct PurseView {
    id: String,
    purse: Purse,
}

/// Puts something into a VC's purse; null of a coin is *without end*.
pub(super) async fn fill(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(gift): Json<BTreeMap<Coin, Option<u64>>>,
) -> Answer<Answered<PurseView>> {
    let mut purse = Purse::EMPTY;
    for (&coin, &amount) in &gift {
        if coin == Coin::Motes && amount.is_none() {
            return Err(malformed("motes are money and have an end").into());
        }
        purse.put(coin, amount.unwrap_or(u64::MAX));
    }
    Ok(Answered(PurseView {
        id: id.to_string(),
        purse: api.runtime().fill_purse(id, purse).await?,
    }))
}
