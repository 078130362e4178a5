//! How long the server keeps events by itself, where it can: a policy of ILM (Elasticsearch) or ISM (OpenSearch), beside
//! our own deletion of days, which needs neither. Written, then read back.

use std::time::Duration;

use elasticsearch::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use crate::store::StoreError;
use crate::store::event_server::EventServer;

/// Who else keeps the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Index life-cycle management of Elasticsearch.
    Ilm,
    /// Index state management of OpenSearch.
    Ism,
    /// The server has neither: our own deletion does it alone.
    None,
}

const WHAT: &str = "take the policy of how long events are kept";

impl EventServer {
    /// Have the server delete indices this long after they were made, if it can; zero: never, whatever it was told before.
    pub(crate) async fn keep_for(&self, age: Duration) -> Result<Policy, StoreError> {
        self.set_up().await?;
        let days = (!age.is_zero()).then(|| format!("{}d", age.as_secs().div_ceil(86_400).max(1)));
        let days = days.as_deref();
        let opensearch = self.state.lock().product.as_ref().is_some_and(|known| known.opensearch);
        let policy = if opensearch { self.ism(days).await? } else { self.ilm(days).await? };
        let changed = {
            let mut state = self.state.lock();
            std::mem::replace(&mut state.ilm, policy == Policy::Ilm) != (policy == Policy::Ilm)
        };
        if changed {
            // New indices name the policy.
            self.distrust();
            self.set_up().await?;
        }
        Ok(policy)
    }

    async fn ilm(&self, days: Option<&str>) -> Result<Policy, StoreError> {
        let path = format!("/_ilm/policy/{}", self.index);
        let mut phases = json!({"hot": {"actions": {}}});
        if let (Some(days), Some(phases)) = (days, phases.as_object_mut()) {
            let delete = json!({"min_age": days, "actions": {"delete": {}}});
            phases.insert("delete".to_owned(), delete);
        }
        let body = json!({"policy": {"phases": phases}});
        let written = self.request(WHAT, Method::Put, &path, Some(body.to_string())).await?;
        if is_absent(written.status) {
            return Ok(Policy::None);
        }
        if !written.status.is_success() {
            return Err(self.error(WHAT, written.reason()));
        }
        let read = self.must(WHAT, Method::Get, &path, None).await?;
        let age =
            read.get(&self.index).and_then(|one| one.pointer("/policy/phases/delete/min_age"));
        self.verify(age, days)?;
        Ok(Policy::Ilm)
    }

    async fn ism(&self, days: Option<&str>) -> Result<Policy, StoreError> {
        const AGE: &str = "/policy/states/0/transitions/0/conditions/min_index_age";
        let path = format!("/_plugins/_ism/policies/{}", self.index);
        let known = self.request(WHAT, Method::Get, &path, None).await?;
        // No such policy is 404 with an error that has a reason; no such plugin is 400, or 404 without one of its own.
        let plugin_there = known.status.is_success()
            || (known.status == StatusCode::NOT_FOUND
                && known.body.pointer("/error/reason").is_some());
        if !plugin_there && (is_absent(known.status) || known.status == StatusCode::NOT_FOUND) {
            return Ok(Policy::None);
        }
        let is_known = known.status.is_success();
        if is_known && known.body.pointer(AGE).and_then(Json::as_str) == days {
            return Ok(Policy::Ism);
        }
        let gone = |days| json!({"state_name": "gone", "conditions": {"min_index_age": days}});
        let transitions: Vec<Json> = days.map(gone).into_iter().collect();
        let body = json!({"policy": {
            "description": "Events of Watchfloor",
            "default_state": "kept",
            "states": [
                {"name": "kept", "actions": [], "transitions": transitions},
                {"name": "gone", "actions": [{"delete": {}}], "transitions": []},
            ],
            "ism_template": [{"index_patterns": [self.everywhere()], "priority": 300}],
        }});
        // A policy that is there is changed only in the state in which it was seen.
        let number = |key: &str| known.body.get(key).and_then(Json::as_i64);
        let put = match (number("_seq_no"), number("_primary_term")) {
            (Some(seq), Some(term)) => format!("{path}?if_seq_no={seq}&if_primary_term={term}"),
            _ => path.clone(),
        };
        self.must(WHAT, Method::Put, &put, Some(body.to_string())).await?;
        let read = self.must(WHAT, Method::Get, &path, None).await?;
        self.verify(read.pointer(AGE), days)?;
        if is_known {
            // Indices that the policy manages already go on with it as it was, until they are told.
            let path = format!("/_plugins/_ism/change_policy/{}", self.everywhere());
            let body = json!({"policy_id": self.index}).to_string();
            self.must(WHAT, Method::Post, &path, Some(body)).await?;
        }
        Ok(Policy::Ism)
    }

    fn verify(&self, age: Option<&Json>, days: Option<&str>) -> Result<(), StoreError> {
        if age.and_then(Json::as_str) == days {
            return Ok(());
        }
        let asked = days.unwrap_or("no end");
        let said = age.unwrap_or(&Json::Null);
        Err(self.error(WHAT, format!("it was asked for {asked} and says {said}")))
    }
}

/// Servers without the endpoint refuse its name or its method.
fn is_absent(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}
