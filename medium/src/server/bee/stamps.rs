//! `/stamps`: the batches of the node's wallet, and buying one.
//!
//! There is no chain. An amount is what Bee means by it, a price per chunk and block times blocks, so that
//! clients reckon with it as they are used to; it stands for a time, which the wallet pays for in motes.

use adapters::pods::{Batch, BuyBatch, PodsError};
use adapters::swarm::stamp::{BUCKET_DEPTH, bucket_slots};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Refused, Said, shown};
use super::ask::{Params, Segments, batch_id, flag, segment, text};
use super::{BeeApi, blocking};

/// Seconds between two blocks, as on the chain that Bee is used with (Gnosis).
pub(super) const BLOCK_S: u64 = 5;
/// What a chunk is said to cost per block: the least that Bee's price oracle has said.
pub(super) const PRICE: u64 = 24_000;
/// Blocks that a batch must be paid for at least: a day.
pub(super) const VALIDITY_BLOCKS_MIN: u64 = 24 * 60 * 60 / BLOCK_S;
/// Depths of the batches that can be bought; the least is Bee's.
const DEPTHS: std::ops::RangeInclusive<u8> = 17..=41;
/// Whether a batch keeps what it stamped until it expires; absent is yes.
const IMMUTABLE: &str = "immutable";
/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 256;

/// A batch as Bee shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    #[serde(rename = "batchID")]
    batch_id: String,
    utilization: u32,
    utilization_ratio: f64,
    usable: bool,
    label: String,
    depth: u8,
    amount: String,
    bucket_depth: u8,
    block_number: u64,
    immutable_flag: bool,
    exists: bool,
    #[serde(rename = "batchTTL")]
    batch_ttl: u64,
}

impl View {
    fn of(batch: Batch) -> Self {
        let slots = bucket_slots(batch.depth).unwrap_or(u32::MAX).max(1);
        Self {
            batch_id: batch.id,
            utilization: batch.fullest,
            utilization_ratio: f64::from(batch.fullest) / f64::from(slots),
            usable: batch.usable,
            label: batch.label,
            depth: batch.depth,
            // What would buy the time that is left.
            amount: (u128::from(batch.ttl_s / BLOCK_S) * u128::from(PRICE)).to_string(),
            bucket_depth: BUCKET_DEPTH,
            block_number: 0,
            immutable_flag: true,
            exists: batch.ttl_s > 0,
            batch_ttl: batch.ttl_s,
        }
    }
}

#[derive(Debug, Serialize)]
struct List {
    stamps: Vec<View>,
}

/// `GET /stamps`
pub(super) async fn list(State(api): State<BeeApi>) -> Answer<Response> {
    let stamps = batches(&api).await?.into_iter().map(View::of).collect();
    Ok(Said(StatusCode::OK, List { stamps }).into_response())
}

/// `GET /stamps/{batch}`
pub(super) async fn show(
    State(api): State<BeeApi>,
    Segments(id): Segments<String>,
) -> Answer<Response> {
    if batch_id(&id).is_err() {
        return Err(Refused::path(
            "batch_id",
            format!("64 hexadecimal digits are needed: {}", shown(&id)),
        ));
    }
    let id = id.to_ascii_lowercase();
    let batch = batches(&api)
        .await?
        .into_iter()
        .find(|batch| batch.id == id);
    let batch = batch.ok_or_else(|| Refused::not_found("issuer does not exist"))?;
    Ok(Said(StatusCode::OK, View::of(batch)).into_response())
}

async fn batches(api: &BeeApi) -> Answer<Vec<Batch>> {
    let asked = api.clone();
    blocking(api, move |_| Ok(asked.keeper().batches(asked.wallet())?)).await
}

/// The parameters of `POST /stamps/{amount}/{depth}`.
#[derive(Debug, Deserialize)]
pub(super) struct Labelled {
    #[serde(default)]
    label: String,
}

#[derive(Debug, Serialize)]
struct Bought {
    #[serde(rename = "batchID")]
    batch_id: String,
}

/// `POST /stamps/{amount}/{depth}`: the wallet pays.
pub(super) async fn buy(
    State(api): State<BeeApi>,
    Segments((amount, depth)): Segments<(String, String)>,
    Params(labelled): Params<Labelled>,
    headers: HeaderMap,
) -> Answer<Response> {
    let amount: u128 = segment("amount", &amount)?;
    let depth: u8 = segment("depth", &depth)?;
    if !DEPTHS.contains(&depth) {
        let why = format!(
            "depths are {} to {}, not {depth}",
            DEPTHS.start(),
            DEPTHS.end()
        );
        return Err(Refused::bad("invalid depth").because("depth", why));
    }
    if text(&headers, IMMUTABLE)?.is_some() && !flag(&headers, IMMUTABLE)? {
        return Err(Refused::unsupported(
            "a batch that forgets what it stamped (`Immutable: false`)",
        ));
    }
    if labelled.label.len() > LABEL_BYTES_MAX {
        return Err(Refused::query(
            "label",
            format!("at most {LABEL_BYTES_MAX} bytes"),
        ));
    }
    let blocks = u64::try_from(amount / u128::from(PRICE)).unwrap_or(u64::MAX);
    if blocks < VALIDITY_BLOCKS_MIN {
        let least = PRICE * VALIDITY_BLOCKS_MIN;
        return Err(
            Refused::bad("insufficient amount for 24h minimum validity").because(
                "amount",
                format!("{amount}; at least {least} at the price of {PRICE} a block"),
            ),
        );
    }
    let what = BuyBatch {
        depth,
        ttl_s: blocks.saturating_mul(BLOCK_S),
        label: labelled.label,
    };
    let asked = api.clone();
    let bought = blocking(&api, move |_| {
        asked
            .keeper()
            .buy(asked.wallet(), &what)
            .map_err(|error| match error {
                // Not of a batch that is there, but of one that there cannot be.
                PodsError::Batch { why, .. } => {
                    Refused::bad("cannot create batch").because("amount", why)
                }
                error => error.into(),
            })
    })
    .await?;
    let batch_id = bought.batch.id;
    Ok(Said(StatusCode::CREATED, Bought { batch_id }).into_response())
}
