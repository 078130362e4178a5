//! Keys of the programs that send to us.

use crate::model::desk::{Problem, ProblemKind};
use crate::model::key::{ApiKey, KeyRequest, MadeKey};
use crate::service::Workbench;
use crate::service::problem::{failed, not_done};
use crate::stdx::time::Timestamp;
use crate::stdx::{api_key, task};
use crate::store::KeyRow;

impl Workbench {
    /// Every key, the oldest first.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Problem> {
        let rows = self.core.store.keys().await.map_err(|error| not_done(&error))?;
        Ok(rows.into_iter().map(|row| row.key).collect())
    }

    /// Make a key. Its text is nowhere but in the answer.
    pub async fn key_create(&self, request: &KeyRequest) -> Result<MadeKey, Problem> {
        let made = task::blocking("make a key", api_key::make).await;
        let made = made.map_err(|panic| failed(&panic))?.map_err(|error| {
            Problem::new(ProblemKind::Internal, "no key could be made").detail(error.to_string())
        })?;
        let key = ApiKey {
            id: made.id,
            name: request.name.trim().to_owned(),
            scope: request.scope,
            source: request.source.clone(),
            created: Timestamp::now(),
            creator: self.actor(),
            revoked: None,
            revoker: None,
        };
        let row = KeyRow { key, hash: made.hash };
        self.core.store.add_key(&row, self.by()).await.map_err(|error| not_done(&error))?;
        Ok(MadeKey { key: row.key, text: made.text })
    }

    /// Revoke a key.
    pub async fn key_revoke(&self, id: &str) -> Result<(), Problem> {
        let done = self.core.store.revoke_key(id, self.by(), Timestamp::now()).await;
        if done.map_err(|error| not_done(&error))? {
            return Ok(());
        }
        if self.keys().await?.iter().any(|key| key.id == id) {
            return Ok(());
        }
        Err(Problem::new(ProblemKind::NotFound, format!("there is no key {id}"))
            .hint("watchfloor keys list shows the ids"))
    }
}
