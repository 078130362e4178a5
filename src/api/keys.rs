//! Keys of the programs that send to us.

use axum::Json;

use crate::api::extract::{Bench, Body, Refusal, Segment};
use crate::model::key::KeyRequest;
use crate::wire::keys_v1::{Key, Made, Wanted};

pub(super) async fn list(Bench(bench): Bench) -> Result<Json<Vec<Key>>, Refusal> {
    Ok(Json(bench.keys().await?.iter().map(Key::from).collect()))
}

pub(super) async fn create(
    Bench(bench): Bench,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Made>, Refusal> {
    let made = bench.key_create(&KeyRequest::try_from(wanted)?).await?;
    Ok(Json(Made::from(&made)))
}

pub(super) async fn revoke(Bench(bench): Bench, Segment(id): Segment) -> Result<Json<()>, Refusal> {
    bench.key_revoke(&id).await?;
    Ok(Json(()))
}
