//! Alerts: list, show, act, undo, drafts.

use axum::Json;
use serde::Deserialize;

use crate::api::extract::{Bench, Body, Params, Refusal, Segment};
use crate::model::alert::Action;
use crate::model::desk::AlertQuery;
use crate::wire::alert_v1::Pending;
use crate::wire::desk_v1::{
    ActRequest, Acted, AlertDetail, AlertPage, Draft, Seen, UndoRequest, Undone,
};
use crate::wire::explain_v1::Explanation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    #[serde(default)]
    filter: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    limit: usize,
    #[serde(default)]
    offset: usize,
}

pub(super) async fn list(
    Bench(bench): Bench,
    Params(params): Params<ListParams>,
) -> Result<Json<AlertPage>, Refusal> {
    let ListParams { filter, sort, limit, offset } = params;
    let page = bench.alerts(&AlertQuery { filter, sort, limit, offset }).await?;
    Ok(Json((&page).into()))
}

pub(super) async fn show(Bench(bench): Bench, id: Segment) -> Result<Json<AlertDetail>, Refusal> {
    let detail = bench.alert(id.id()?).await?;
    Ok(Json((&detail).into()))
}

pub(super) async fn why(Bench(bench): Bench, id: Segment) -> Result<Json<Explanation>, Refusal> {
    let found = bench.alert_why(id.id()?).await?;
    Ok(Json((&found).into()))
}

pub(super) async fn act(
    Bench(bench): Bench,
    Body(request): Body<ActRequest>,
) -> Result<Json<Acted>, Refusal> {
    let action = Action::try_from(request.action)?;
    let alerts = request.alerts.iter().map(Seen::split).collect::<Result<Vec<_>, _>>()?;
    let acted = bench.act(&alerts, action).await?;
    Ok(Json((&acted).into()))
}

pub(super) async fn undo(
    Bench(bench): Bench,
    Body(request): Body<UndoRequest>,
) -> Result<Json<Undone>, Refusal> {
    let undone = bench.undo(request.pending_id).await?;
    Ok(Json((&undone).into()))
}

pub(super) async fn pending(Bench(bench): Bench) -> Result<Json<Vec<Pending>>, Refusal> {
    let pending = bench.pending().await?;
    Ok(Json(pending.iter().map(Pending::from).collect()))
}

pub(super) async fn settle(Bench(bench): Bench) -> Result<Json<()>, Refusal> {
    bench.settle().await?;
    Ok(Json(()))
}

pub(super) async fn draft(Bench(bench): Bench, id: Segment) -> Result<Json<Draft>, Refusal> {
    Ok(Json(Draft { text: bench.draft(id.id()?).await? }))
}

pub(super) async fn save_draft(
    Bench(bench): Bench,
    id: Segment,
    Body(draft): Body<Draft>,
) -> Result<Json<()>, Refusal> {
    bench.save_draft(id.id()?, draft.text).await?;
    Ok(Json(()))
}
