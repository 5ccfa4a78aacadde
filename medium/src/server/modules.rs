//! Modules of sandboxed code, brought before parts are made of them.

use adapters::parts;
use axum::Json as Answered;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use genesis::body::Link;
use genesis::channel::{Channel, Polarity};
use genesis::limits::MODULE_TRUSTED_BYTES_MAX;
use genesis::refusal::{Code, Refusal};
use serde::Serialize;

use actors::sandbox::ModuleFacts;

use super::Api;
use super::extract::read;
use super::failure::Answer;

/// Longest body that is read, in bytes: the largest module, or as much text of one.
pub const MODULE_BODY_BYTES_MAX: usize = MODULE_TRUSTED_BYTES_MAX;

/// A module, as it is shown.
#[derive(Serialize)]
pub(super) struct ModuleView {
    digest: String,
    bytes: u64,
    needs: Vec<Channel>,
    gives: Vec<Channel>,
    tests: bool,
    decodes: bool,
    large: bool,
}

impl ModuleView {
    fn of(facts: &ModuleFacts) -> Self {
        let links = |wanted| {
            let of_it = facts
                .links
                .iter()
                .filter(move |link: &&Link| link.1 == wanted);
            of_it.map(|&(channel, _)| channel).collect()
        };
        Self {
            digest: facts.digest.to_string(),
            bytes: facts.bytes,
            needs: links(Polarity::Needs),
            gives: links(Polarity::Gives),
            tests: facts.tests,
            decodes: facts.decodes,
            large: facts.large,
        }
    }
}

/// Reads a module, or the text of one, compiles and keeps it, and says what it needs and gives.
pub(super) async fn bring(
    State(api): State<Api>,
    body: Body,
) -> Answer<(StatusCode, Answered<ModuleView>)> {
    let (bytes, _room) = read(body, MODULE_BODY_BYTES_MAX, "a module", &api).await?;
    let module = tokio::task::spawn_blocking(move || parts::module_of(&bytes))
        .await
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))??;
    let facts = api.runtime().bring(module).await?;
    Ok((StatusCode::CREATED, Answered(ModuleView::of(&facts))))
}
