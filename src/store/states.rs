//! What stages remember between runs, read as a whole: of the node, or of a shard.

use sqlx::AssertSqlSafe;

use crate::model::bundle::OpenBundle;
use crate::model::episode::{OpenEpisode, RuleCount};
use crate::model::noise::Release;
use crate::stdx::id::Id128;
use crate::store::sql::{self, Target};
use crate::store::{Store, StoreError, bundles, noise, rows};
use crate::wire::stored_v1;

/// Everything that is remembered.
#[derive(Debug, Default)]
pub struct Saved {
    /// Rows of rules, signals and missing numbers (key, value), by key.
    pub detection: Vec<(String, Vec<u8>)>,
    /// Open episodes, those of parked rules too.
    pub episodes: Vec<OpenEpisode>,
    /// Open bundles.
    pub bundles: Vec<OpenBundle>,
    /// How many alerts there are of each rule on each endpoint.
    pub rule_counts: Vec<RuleCount>,
    /// Rows about noise.
    pub noise: Vec<(String, Vec<u8>)>,
    /// Decoder states by stream.
    pub decoders: Vec<(Id128, Vec<u8>)>,
    /// Releases of parked rules that were not carried out here, oldest first.
    pub releases: Vec<Release>,
}

impl Saved {
    /// Read it from where the statements find the tables.
    pub(crate) async fn read(mut from: Target<'_>) -> Result<Saved, StoreError> {
        let mut episodes = episodes_of(from.again(), "").await?;
        episodes.extend(noise::held_episodes(from.again()).await?);
        Ok(Saved {
            detection: detection_rows(from.again()).await?,
            episodes,
            bundles: bundles::read(from.again()).await?,
            rule_counts: bundles::read_counts(from.again()).await?,
            noise: noise::read_rows(from.again()).await?,
            decoders: decoder_states(from.again()).await?,
            releases: noise::releases(from).await?,
        })
    }
}

impl Store {
    /// State rows (key, value) whose keys begin with `prefix`, of the node and of every shard, by key.
    pub async fn detection_rows_under(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        for place in self.places().await? {
            // A name of ours.
            let text = format!(
                "SELECT key, value FROM {place}detection WHERE key >= $1 AND key < $2 ORDER BY key"
            );
            let rows = sql::query(AssertSqlSafe(text))
                .bind(prefix)
                .bind(format!("{prefix}\u{10ffff}"))
                .fetch_all(&self.readers)
                .await
                .map_err(|source| StoreError::sql("read saved state", source))?;
            found.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
        }
        Ok(found)
    }

    /// Open episodes, of the node and of every shard.
    pub(super) async fn all_episodes(&self) -> Result<Vec<OpenEpisode>, StoreError> {
        let mut found = Vec::new();
        for place in self.places().await? {
            found.extend(episodes_of(Target::Pool(&self.readers), &place).await?);
        }
        Ok(found)
    }
}

async fn episodes_of(from: Target<'_>, place: &str) -> Result<Vec<OpenEpisode>, StoreError> {
    // A name of ours.
    let texts: Vec<String> =
        sql::scalar(AssertSqlSafe(format!("SELECT value FROM {place}episodes")))
            .fetch_all(from)
            .await
            .map_err(|source| StoreError::sql("read episodes", source))?;
    let episodes = texts.iter().map(|text| stored_v1::read_episode(text));
    episodes.collect::<Result<_, _>>().map_err(StoreError::Row)
}

async fn detection_rows(from: Target<'_>) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let rows = sql::query("SELECT key, value FROM detection ORDER BY key")
        .fetch_all(from)
        .await
        .map_err(|source| StoreError::sql("read detection state", source))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn decoder_states(from: Target<'_>) -> Result<Vec<(Id128, Vec<u8>)>, StoreError> {
    let rows = sql::query("SELECT stream, value FROM decoders")
        .fetch_all(from)
        .await
        .map_err(|source| StoreError::sql("read decoder state", source))?;
    Ok(rows.iter().map(|row| (rows::id_at(row, "stream"), row.get("value"))).collect())
}
