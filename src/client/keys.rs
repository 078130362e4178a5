//! Keys of the programs that send to the daemon.

use reqwest::Method;

use crate::client::request::{model, models};
use crate::client::{Client, REQUEST_TIME_MAX};
use crate::model::desk::Problem;
use crate::model::key::{ApiKey, KeyRequest, MadeKey};
use crate::wire::keys_v1::{Key, Made, Wanted};

impl Client {
    /// Every key, the oldest first.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Problem> {
        let keys: Vec<Key> = self.get(&["keys"], &[], REQUEST_TIME_MAX).await?;
        models(keys)
    }

    /// Make a key.
    pub async fn key_create(&self, request: &KeyRequest) -> Result<MadeKey, Problem> {
        let wanted = Wanted::from(request);
        let made: Made = self.send(Method::POST, &["keys"], Some(&wanted)).await?;
        model(made)
    }

    /// Revoke a key.
    pub async fn key_revoke(&self, id: &str) -> Result<(), Problem> {
        self.send::<(), ()>(Method::POST, &["keys", id, "revoke"], None).await
    }
}
