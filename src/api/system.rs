//! Everything beside alerts: health, status, events, endpoints, rejects, rules, the audit log.

use axum::Json;
use serde::Deserialize;

use crate::api::extract::{Bench, Body, Params, Refusal, Segment, time};
use crate::wire::desk_v1::{Audit, Event, Health, Reject, Rule, RuleOff};
use crate::wire::disagreement_v1::Disagreements;
use crate::wire::endpoint_view_v1::EndpointView;
use crate::wire::gaps_v1::Gaps;
use crate::wire::retention_v1::Retention;
use crate::wire::status_v1::{Endpoint, Status};

pub(super) async fn health(Bench(bench): Bench) -> Result<Json<Health>, Refusal> {
    let status = bench.status().await?;
    Ok(Json(Health { health: status.health, version: status.version, actor: bench.actor() }))
}

pub(super) async fn status(Bench(bench): Bench) -> Result<Json<Status>, Refusal> {
    Ok(Json((&bench.status().await?).into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsParams {
    #[serde(default)]
    query: String,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    limit: usize,
}

pub(super) async fn events(
    Bench(bench): Bench,
    Params(params): Params<EventsParams>,
) -> Result<Json<Vec<Event>>, Refusal> {
    let from = params.from.as_deref().map(|text| time("from", text)).transpose()?;
    let to = params.to.as_deref().map(|text| time("to", text)).transpose()?;
    let events = bench.events_search(&params.query, from, to, params.limit).await?;
    Ok(Json(Event::all(&events)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AroundParams {
    host: String,
    at: String,
    minutes: u32,
}

pub(super) async fn events_around(
    Bench(bench): Bench,
    Params(params): Params<AroundParams>,
) -> Result<Json<Vec<Event>>, Refusal> {
    let at = time("at", &params.at)?;
    let events = bench.events_around(&params.host, at, params.minutes).await?;
    Ok(Json(Event::all(&events)))
}

pub(super) async fn endpoints(Bench(bench): Bench) -> Result<Json<Vec<Endpoint>>, Refusal> {
    Ok(Json(bench.endpoints().await?.iter().map(Endpoint::from).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostParams {
    host: String,
}

pub(super) async fn endpoint_view(
    Bench(bench): Bench,
    Params(params): Params<HostParams>,
) -> Result<Json<EndpointView>, Refusal> {
    Ok(Json((&bench.endpoint_view(&params.host).await?).into()))
}

pub(super) async fn disagreements(Bench(bench): Bench) -> Result<Json<Disagreements>, Refusal> {
    Ok(Json((&bench.disagreements().await?).into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParams {
    #[serde(default)]
    limit: usize,
    #[serde(default)]
    offset: usize,
}

pub(super) async fn rejects(
    Bench(bench): Bench,
    Params(page): Params<PageParams>,
) -> Result<Json<Vec<Reject>>, Refusal> {
    let rows = bench.rejects(page.limit, page.offset).await?;
    Ok(Json(rows.iter().map(Reject::from).collect()))
}

pub(super) async fn gaps(Bench(bench): Bench) -> Result<Json<Gaps>, Refusal> {
    Ok(Json((&bench.gaps().await?).into()))
}

pub(super) async fn retention_plan(Bench(bench): Bench) -> Result<Json<Retention>, Refusal> {
    Ok(Json((&bench.retention_plan().await?).into()))
}

pub(super) async fn retention_run(Bench(bench): Bench) -> Result<Json<Retention>, Refusal> {
    Ok(Json((&bench.retention_run().await?).into()))
}

pub(super) async fn rules(Bench(bench): Bench) -> Result<Json<Vec<Rule>>, Refusal> {
    let rules = bench.rules().await?;
    Ok(Json(rules.iter().map(|(rule, off)| Rule::of(rule, off.as_deref())).collect()))
}

pub(super) async fn rule_off(
    Bench(bench): Bench,
    Segment(id): Segment,
    Body(off): Body<RuleOff>,
) -> Result<Json<()>, Refusal> {
    bench.rule_off(&id, &off.reason).await?;
    Ok(Json(()))
}

pub(super) async fn rule_on(
    Bench(bench): Bench,
    Segment(id): Segment,
) -> Result<Json<()>, Refusal> {
    bench.rule_on(&id).await?;
    Ok(Json(()))
}

pub(super) async fn audit_verify(Bench(bench): Bench) -> Result<Json<Audit>, Refusal> {
    Ok(Json(bench.audit_verify().await?.into()))
}
