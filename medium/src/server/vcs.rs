//! The VCs of a node: listed, found, shown and born.

use std::collections::BTreeMap;

use axum::Json as Answered;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use genesis::channel::Channel;
use genesis::export;
use genesis::id::VcId;
use genesis::limits::{LOG_LINES_MAX, PAGE_MAX};
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use actors::life::Life;
use actors::view::{Hit, ListQuery, LogPage, Portrait, Summary};

use super::extract::{Json, Params, SPAWN_BYTES_MAX, Vc, Whom, flag};
use super::failure::{Answer, clip, malformed};
use super::top::pattern;
use super::{Api, worlds};
use crate::dormitory::is_place;
use crate::outside::ProgramView;
use crate::spawn::{self, Policy, Source, SpawnRequest, Spawned};

/// How many hits `find` gives unless told otherwise.
const HITS_DEFAULT: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    #[serde(default, deserialize_with = "flag")]
    all: bool,
    after: Option<String>,
    #[serde(default)]
    limit: usize,
    r#where: Option<String>,
}

/// A page of VCs, in the order of their ids; the header `x-medium-next` says where the next begins, and
/// `x-medium-seqs` as of which events it is, a number for each worker.
pub(super) async fn list(
    State(api): State<Api>,
    Params(params): Params<ListParams>,
) -> Answer<(HeaderMap, Answered<Vec<Summary>>)> {
    let after = params.after.map(|text| {
        text.parse::<VcId>()
            .map_err(|error| malformed(format!("`after={}`: {error}", clip(&text))))
    });
    let query = ListQuery {
        all: params.all,
        after: after.transpose()?,
        limit: params.limit.min(PAGE_MAX),
        pattern: params.r#where.as_deref().map(pattern).transpose()?,
    };
    let page = api.runtime().list(query).await?;
    let mut headers = HeaderMap::new();
    if let Some(next) = page.next {
        headers.insert("x-medium-next", ascii(&next.to_string())?);
    }
    let seqs: Vec<_> = page.seqs.0.iter().map(u64::to_string).collect();
    headers.insert("x-medium-seqs", ascii(&seqs.join(","))?);
    Ok((headers, Answered(page.rows)))
}

fn ascii(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindParams {
    pattern: Option<String>,
    k: Option<usize>,
    feeds: Option<String>,
}

/// VCs that match a pattern, or give what another one hungers for, or both.
pub(super) async fn find(
    State(api): State<Api>,
    Params(params): Params<FindParams>,
) -> Answer<(HeaderMap, Answered<Vec<Hit>>)> {
    let limit = params.k.unwrap_or(HITS_DEFAULT).min(PAGE_MAX);
    if limit == 0 {
        return Err(malformed("`k` is at least 1, not 0").into());
    }
    let pattern = match (params.pattern, params.feeds) {
        (None, None) => {
            return Err(malformed("give a pattern, or whom to feed")
                .hint("`?pattern=gives(main)` or `?feeds=<vc>`; `?pattern=all` finds everything")
                .into());
        }
        (Some(pattern), None) => pattern,
        (pattern, Some(hungry)) => {
            let hungry = api.runtime().resolve(&hungry).await?;
            let hunger = api.runtime().show(hungry).await?.hunger;
            match feeding(pattern.as_deref(), &hunger) {
                Some(pattern) => pattern,
                None => return Ok((HeaderMap::new(), Answered(Vec::new()))),
            }
        }
    };
    // One more than is given tells whether there are more; of a full page nobody knows.
    let mut hits = api.runtime().find(&pattern, limit + 1).await?;
    let mut headers = HeaderMap::new();
    if hits.len() > limit || hits.len() == PAGE_MAX {
        headers.insert("x-medium-more", HeaderValue::from_static("true"));
    }
    hits.truncate(limit);
    Ok((headers, Answered(hits)))
}

/// The pattern of what meets one of these needs; none if there are none.
fn feeding(pattern: Option<&str>, hunger: &[Channel]) -> Option<String> {
    let gives: Vec<_> = hunger
        .iter()
        .map(|channel| format!("gives({channel})"))
        .collect();
    let gives = gives.join(" | ");
    match pattern {
        _ if gives.is_empty() => None,
        Some(pattern) => Some(format!("({pattern}) & ({gives})")),
        None => Some(gives),
    }
}

/// Gives birth to a VC, or brings a frozen one back.
pub(super) async fn spawn(
    State(api): State<Api>,
    Json(request): Json<SpawnRequest, SPAWN_BYTES_MAX>,
) -> Answer<(StatusCode, Answered<Spawned>)> {
    let spawned = made(&api, request).await?;
    Ok((StatusCode::CREATED, Answered(spawned)))
}

/// Gives birth to what a request asks for.
pub(crate) async fn made(api: &Api, request: SpawnRequest) -> Result<Spawned, Refusal> {
    if let Source::Image(file) = &request.pod {
        worlds::not_twice(api, file).await?;
    }
    let policy = Policy {
        durable: api.data().is_some(),
        contents_bytes_max: api.0.config.contents_bytes_max,
    };
    spawn::spawn(api.runtime(), api.beds(), api.programs(), policy, request).await
}

/// Whom a message is for: an id, a name, a path into a body; or a place in pods, whose VC is woken here if it is
/// not here yet.
pub(super) async fn receiver(api: &Api, text: &str) -> Result<VcId, Refusal> {
    let refusal = match api.runtime().resolve(text).await {
        Ok(id) => return Ok(id),
        Err(refusal) if is_place(text) => refusal,
        Err(refusal) => return Err(refusal),
    };
    let (beds, place) = (api.beds().clone(), text.to_owned());
    let about = tokio::task::spawn_blocking(move || beds.who(&place)).await;
    let about = about.map_err(|error| Refusal::new(Code::Internal, error.to_string()))??;
    let Some(about) = about else {
        return Err(
            Refusal::new(Code::Malformed, format!("`{text}` holds no VC that sleeps"))
                .hint("`medium spawn` gives birth to what a pod directory describes"),
        );
    };
    let id: VcId = about.id.parse().map_err(|_| refusal)?;
    if api.runtime().bed(id).is_some() || api.runtime().show(id).await.is_ok() {
        return Ok(id);
    }
    let source = Source::Reference {
        place: text.to_owned(),
        fork: false,
    };
    match made(api, SpawnRequest::new(source)).await {
        // Another message for it came first.
        Err(refusal) if refusal.code == Code::Conflict => Ok(id),
        Err(refusal) => Err(refusal),
        Ok(spawned) => api.runtime().resolve(&spawned.id).await,
    }
}

/// A VC on one screen.
pub(super) async fn show(
    State(api): State<Api>,
    whom: Whom,
    Params(ShowParams { after, limit }): Params<ShowParams>,
) -> Answer<Response> {
    let id = match whom {
        Whom::Vc(id) => id,
        Whom::Within(within, _) => return worlds::show(within, after, limit).await,
    };
    let portrait = api.runtime().show(id).await?;
    let world = worlds::beside(&api, id).await;
    let program = api.programs().view(id).await?;
    let mut members = Vec::new();
    for (_, summary) in api.runtime().nested(id).await? {
        let program = api.programs().view(summary.id).await?;
        members.push(Member { summary, program });
    }
    Ok(Answered(PortraitView {
        portrait,
        world,
        program,
        members,
    })
    .into_response())
}

/// What a page of a cohort is asked for with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowParams {
    after: Option<String>,
    limit: Option<usize>,
}

/// A VC, and the world that it is, if it is one.
#[derive(Serialize)]
struct PortraitView {
    #[serde(flatten)]
    portrait: Portrait,
    #[serde(skip_serializing_if = "Option::is_none")]
    world: Option<worlds::WorldView>,
    /// The program outside that it speaks for, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramView>,
    /// Those in its body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<Member>,
}

/// A VC in the body of another.
#[derive(Serialize)]
struct Member {
    /// As in a list; its name is what its host calls it.
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramView>,
}

/// Where a VC is among all shapes.
#[derive(Serialize)]
pub(super) struct ShapeView {
    id: String,
    shape: BTreeMap<String, i64>,
    body_digest: String,
    image_digest: String,
    needs: Vec<Channel>,
    gives: Vec<Channel>,
    hunger: Vec<Channel>,
}

/// A VC's coordinates, and the channels they come from.
pub(super) async fn shape(State(api): State<Api>, Vc(id): Vc) -> Answer<Answered<ShapeView>> {
    let portrait = api.runtime().show(id).await?;
    Ok(Answered(ShapeView {
        id: id.to_string(),
        shape: portrait.shape,
        body_digest: portrait.body_digest,
        image_digest: portrait.image_digest,
        needs: portrait.needs,
        gives: portrait.gives,
        hunger: portrait.hunger,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogParams {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// A VC's log, after a line.
pub(super) async fn logs(
    State(api): State<Api>,
    Vc(id): Vc,
    Params(params): Params<LogParams>,
) -> Answer<Answered<LogPage>> {
    let limit = params.limit.unwrap_or(LOG_LINES_MAX).min(LOG_LINES_MAX);
    Ok(Answered(api.runtime().logs(id, params.after, limit).await?))
}

/// One ancestor of a VC.
#[derive(Serialize)]
pub(super) struct Ancestor {
    id: String,
    name: Option<String>,
    life: Option<Life>,
}

/// A VC and those it was forked from, nearest first.
pub(super) async fn lineage(State(api): State<Api>, Vc(id): Vc) -> Answer<Answered<Vec<Ancestor>>> {
    let lineage = api.runtime().lineage(id).await?;
    let view = |(id, name, life): (VcId, _, _)| Ancestor {
        id: id.to_string(),
        name,
        life,
    };
    Ok(Answered(lineage.into_iter().map(view).collect()))
}

/// A VC, frozen: a file of [`genesis::export`], signed with the VC's key.
pub(super) async fn image(State(api): State<Api>, whom: Whom) -> Answer<Response> {
    let id = match whom {
        Whom::Vc(id) if api.worlds().keeper(id).is_some() => {
            let what = "a world is a folder and does not fit into an image";
            return Err(Refusal::new(Code::TooLarge, what)
                .who(id)
                .hint("`medium fork` copies it; one of its agents can be frozen: WORLD/COHORT/ID")
                .into());
        }
        Whom::Vc(id) => id,
        Whom::Within(within, _) => return worlds::image(&api, within).await,
    };
    let image = api.runtime().freeze(id).await?;
    let (key, now) = (api.0.config.secret.key_of(id), api.now());
    // Up to 64 MiB are encoded and digested: not on a thread that others wait for.
    let (bytes, digest) = tokio::task::spawn_blocking(move || {
        let bytes = export::write(&image, &key, now)?;
        export::read(&bytes).map(|(_, _, digest)| (bytes, digest))
    })
    .await
    .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
    .map_err(|error| Refusal::new(Code::TooLarge, format!("the image: {error}")).who(id))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(export::TYPE)),
        (
            header::HeaderName::from_static("x-medium-image-digest"),
            ascii(&digest.to_string())?,
        ),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_feeds_a_vc_gives_what_it_needs() {
        let hunger: Vec<Channel> = ["mem/read", "text/eval"]
            .iter()
            .map(|c| c.parse().unwrap())
            .collect();
        assert_eq!(feeding(Some("all"), &[]), None);
        assert_eq!(
            feeding(None, &hunger[..1]).as_deref(),
            Some("gives(mem/read)")
        );
        assert_eq!(
            feeding(Some("bytes<1 | parts=2"), &hunger).as_deref(),
            Some("(bytes<1 | parts=2) & (gives(mem/read) | gives(text/eval))"),
        );
    }
}
