//! The life of rules: what was decided, its history, and changes.

use axum::Json;
use serde::Deserialize;

use crate::api::extract::{Bench, Body, Params, Refusal};
use crate::model::rule_life::RuleRequest;
use crate::wire::rules_v1::{Asked, Change, View};

pub(super) async fn book(Bench(bench): Bench) -> Result<Json<View>, Refusal> {
    Ok(Json(View::from(&bench.rule_view().await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryParams {
    #[serde(default)]
    limit: usize,
}

pub(super) async fn history(
    Bench(bench): Bench,
    Params(params): Params<HistoryParams>,
) -> Result<Json<Vec<Change>>, Refusal> {
    let changes = bench.rule_history(params.limit).await?;
    Ok(Json(changes.iter().map(Change::from).collect()))
}

pub(super) async fn change(
    Bench(bench): Bench,
    Body(asked): Body<Asked>,
) -> Result<Json<Option<Change>>, Refusal> {
    let request = RuleRequest::try_from(asked.change)?;
    let done = bench.rule_change(request, &asked.reason).await?;
    Ok(Json(done.as_ref().map(Change::from)))
}
