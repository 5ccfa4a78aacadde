//! Pods: the [port](Pods) of a wallet over HTTP.
//!
//! What is read and what is changed is here and in [`read`]; a change to a pod is an [`edit`], which lives
//! between requests. The wallet is named by a header, so that every endpoint has one and none is forgotten.

use std::sync::Arc;

use adapters::pods::{
    Batch, Bought, BuyBatch, Found, Freed, OFFER_BYTES_MAX, Offer, PodInfo, PodName, PodPath, Pods,
    PodsError, Snapshot, Source, WalletName,
};
use axum::Json as Answered;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use super::Api;
use super::extract::{Json, Params, segment};
use super::failure::{Answer, Failure, malformed};
use crate::pod_store::{self, Wallet};

pub(super) mod edit;
pub(super) mod read;

/// The header that names a wallet, in UTF-8; without it, `default`.
pub const WALLET_HEADER: &str = "x-medium-wallet";

/// The pods of the wallet that a request names.
pub(super) struct Of(Arc<dyn Pods>);

impl FromRequestParts<Api> for Of {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let wallet = match parts.headers.get(WALLET_HEADER) {
            None => WalletName::default(),
            Some(name) => std::str::from_utf8(name.as_bytes())
                .map_err(|_| malformed("the name of the wallet is not UTF-8"))?
                .parse()
                .map_err(refused)?,
        };
        let api = api.clone();
        Ok(Self(blocking(move || api.pods().wallet(&wallet)).await?))
    }
}

/// The pod that the path names.
pub(super) struct Named(PodName);

impl FromRequestParts<Api> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let name = segment(parts, api).await?;
        Ok(Self(name.parse().map_err(refused)?))
    }
}

/// What the port said, as the API says it.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: PodsError) -> Refusal {
    error.refusal()
}

/// Runs what blocks on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PodsError> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
        .map_err(refused)
}

/// The same, as an answer in JSON.
async fn answered<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PodsError> + Send + 'static,
) -> Answer<Answered<T>> {
    Ok(Answered(blocking(work).await?))
}

/// The wallets of the node.
pub(super) async fn wallets(State(api): State<Api>) -> Answer<Answered<Vec<Wallet>>> {
    answered(move || pod_store::wallets(api.pods().data())).await
}

/// Every pod of the wallet.
pub(super) async fn list(Of(pods): Of) -> Answer<Answered<Vec<PodInfo>>> {
    answered(move || pods.pods()).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    #[serde(default)]
    public: bool,
    /// What to fork; without it the pod is empty.
    from: Option<Source>,
}

/// Makes a pod: an empty one, or a fork.
pub(super) async fn create(
    Of(pods): Of,
    Json(new): Json<New>,
) -> Answer<(StatusCode, Answered<PodInfo>)> {
    let made = answered(move || {
        let name = new.name.parse()?;
        match new.from {
            None => pods.create(&name, new.public),
            Some(from) => pods.fork(&checked(from)?, &name),
        }
    });
    Ok((StatusCode::CREATED, made.await?))
}

/// A source whose name is one.
fn checked(source: Source) -> Result<Source, PodsError> {
    if let Source::Pod { name, .. } = &source {
        let _: PodName = name.parse()?;
    }
    Ok(source)
}

/// One pod.
pub(super) async fn show(Of(pods): Of, Named(pod): Named) -> Answer<Answered<PodInfo>> {
    answered(move || pods.pod(&pod)).await
}

#[derive(Serialize)]
pub(super) struct RemovedView {
    removed: String,
}

/// Removes a pod.
pub(super) async fn remove(Of(pods): Of, Named(pod): Named) -> Answer<Answered<RemovedView>> {
    answered(move || {
        pods.remove_pod(&pod)?;
        Ok(RemovedView {
            removed: pod.to_string(),
        })
    })
    .await
}

/// Opens a pod.
pub(super) async fn open(Of(pods): Of, Named(pod): Named) -> Answer<Answered<PodInfo>> {
    answered(move || pods.set_open(&pod, true)).await
}

/// Closes a pod.
pub(super) async fn close(Of(pods): Of, Named(pod): Named) -> Answer<Answered<PodInfo>> {
    answered(move || pods.set_open(&pod, false)).await
}

/// The snapshots of a pod.
pub(super) async fn history(Of(pods): Of, Named(pod): Named) -> Answer<Answered<Vec<Snapshot>>> {
    answered(move || pods.history(&pod)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shared {
    path: Option<String>,
}

#[derive(Serialize)]
pub(super) struct SharedView {
    key: String,
}

/// Shares a pod, or one file or directory of it.
pub(super) async fn share(
    Of(pods): Of,
    Named(pod): Named,
    Json(what): Json<Shared>,
) -> Answer<Answered<SharedView>> {
    answered(move || {
        let key = pods.share(&pod, &path(what.path.as_deref())?)?;
        Ok(SharedView { key })
    })
    .await
}

/// A path in a pod; without one, the root.
fn path(text: Option<&str>) -> Result<PodPath, PodsError> {
    text.map_or_else(|| Ok(PodPath::root()), str::parse)
}

/// Offers what a fork changed to the author of what it was forked from.
pub(super) async fn offer(Of(pods): Of, Named(pod): Named) -> Answer<Answered<Offer>> {
    answered(move || pods.offer(&pod)).await
}

/// What was offered to a pod.
pub(super) async fn offers(Of(pods): Of, Named(pod): Named) -> Answer<Answered<Vec<Offer>>> {
    answered(move || pods.offers(&pod)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settled {
    offer: String,
    take: bool,
}

/// Takes an offer, or declines it.
pub(super) async fn settle(
    Of(pods): Of,
    Named(pod): Named,
    Json(how): Json<Settled>,
) -> Answer<Answered<Option<Snapshot>>> {
    answered(move || pods.settle(&pod, &how.offer, how.take)).await
}

/// Takes an offer that came some other way.
pub(super) async fn accept(
    Of(pods): Of,
    Named(pod): Named,
    Json(offer): Json<Offer, OFFER_BYTES_MAX>,
) -> Answer<Answered<Snapshot>> {
    answered(move || pods.accept(&pod, &offer)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichReference {
    reference: String,
}

/// What a reference leads to.
pub(super) async fn find(
    Of(pods): Of,
    Params(which): Params<WhichReference>,
) -> Answer<Answered<Found>> {
    answered(move || pods.find(&which.reference)).await
}

/// The batches of the wallet.
pub(super) async fn batches(Of(pods): Of) -> Answer<Answered<Vec<Batch>>> {
    answered(move || pods.batches()).await
}

/// Buys a batch.
pub(super) async fn buy(
    Of(pods): Of,
    Json(what): Json<BuyBatch>,
) -> Answer<(StatusCode, Answered<Bought>)> {
    Ok((
        StatusCode::CREATED,
        answered(move || pods.buy(&what)).await?,
    ))
}

/// What was bought because a wallet without stamps wrote something.
pub(super) async fn bought(Of(pods): Of) -> Answer<Answered<Vec<Batch>>> {
    answered(move || Ok(pods.bought_unasked())).await
}

/// What is pinned.
pub(super) async fn pins(Of(pods): Of) -> Answer<Answered<Vec<String>>> {
    answered(move || pods.pins()).await
}

/// A pin, as it is set and shown.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PodPin {
    reference: String,
    pinned: bool,
}

/// Pins what a reference names, or no longer.
pub(super) async fn pin(Of(pods): Of, Json(pin): Json<PodPin>) -> Answer<Answered<PodPin>> {
    answered(move || {
        pods.set_pinned(&pin.reference, pin.pinned)?;
        Ok(pin)
    })
    .await
}

/// Frees what is neither stamped nor pinned.
pub(super) async fn collect(Of(pods): Of) -> Answer<Answered<Freed>> {
    answered(move || pods.collect()).await
}
