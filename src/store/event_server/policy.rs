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
    /// Have the server delete indices this long after they were made, if it can.
    pub(crate) async fn keep_for(&self, age: Duration) -> Result<Policy, StoreError> {
        self.set_up().await?;
        let days = format!("{}d", age.as_secs().div_ceil(86_400).max(1));
        let opensearch = self.state.lock().product.as_ref().is_some_and(|known| known.opensearch);
        let policy = if opensearch { self.ism(&days).await? } else { self.ilm(&days).await? };
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

    async fn ilm(&self, days: &str) -> Result<Policy, StoreError> {
        let path = format!("/_ilm/policy/{}", self.index);
        let body = json!({"policy": {"phases": {
            "hot": {"actions": {}},
            "delete": {"min_age": days, "actions": {"delete": {}}},
        }}});
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

    async fn ism(&self, days: &str) -> Result<Policy, StoreError> {
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
        if known.status.is_success() && known.body.pointer(AGE).and_then(Json::as_str) == Some(days)
        {
            return Ok(Policy::Ism);
        }
        let body = json!({"policy": {
            "description": "Events of Watchfloor",
            "default_state": "kept",
            "states": [
                {"name": "kept", "actions": [], "transitions": [
                    {"state_name": "gone", "conditions": {"min_index_age": days}},
                ]},
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
        Ok(Policy::Ism)
    }

    fn verify(&self, age: Option<&Json>, days: &str) -> Result<(), StoreError> {
        if age.and_then(Json::as_str) == Some(days) {
            return Ok(());
        }
        Err(self.error(
            WHAT,
            format!("it was asked for {days} and says {}", age.unwrap_or(&Json::Null)),
        ))
    }
}

/// Servers without the endpoint refuse its name or its method.
fn is_absent(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}
