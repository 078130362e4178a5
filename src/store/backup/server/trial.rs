//! Rows of a server tried without one: what all nodes share and what is the own node's goes into a SQLite database, as a
//! store that can be opened; every row of every other schema is read through and counted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::store::backup::load::Load;
use crate::store::backup::server::copy;
use crate::store::backup::{BackupError, ServerHead};
use crate::store::sql::SHARED;

/// A trial.
pub(crate) struct Trial {
    load: Load,
    own: String,
    archive: PathBuf,
    /// Tables of the database.
    known: Vec<String>,
    /// Rows by table, where they only were read.
    counts: BTreeMap<String, u64>,
}

impl Trial {
    /// Make the database at `path`.
    pub(crate) async fn create(
        path: &Path,
        version: i64,
        head: &ServerHead,
        archive: &Path,
    ) -> Result<Trial, BackupError> {
        let mut load = Load::create(path, version, archive).await?.of_server();
        let known = load.tables().await?;
        let (own, archive) = (head.own.clone(), archive.to_owned());
        Ok(Trial { load, own, archive, known, counts: BTreeMap::new() })
    }

    /// The table of the database for one of the archive.
    fn table<'k>(&self, key: &'k str) -> Option<&'k str> {
        let (schema, table) = key.split_once('.')?;
        let ours = schema == SHARED || schema == self.own;
        (ours && self.known.iter().any(|name| name == table)).then_some(table)
    }

    /// Put in a part of a table, or read it through.
    pub(crate) async fn part(
        &mut self,
        key: &str,
        from: &mut dyn Read,
    ) -> Result<u64, BackupError> {
        if let Some(table) = self.table(key) {
            return self.load.part(table, from).await;
        }
        let damaged = |what: &str| BackupError::Damaged {
            file: self.archive.clone(),
            what: format!("table {key}: {what}"),
        };
        let mut lines = BufReader::new(from).lines();
        let mut count = 0;
        if let Some(first) = lines.next() {
            let first = first.map_err(|_| damaged("it cannot be read"))?;
            let columns: Vec<String> = serde_json::from_str(&first)
                .map_err(|_| damaged("the names of its columns cannot be read"))?;
            let mut out = Vec::new();
            for line in lines {
                let line = line.map_err(|_| damaged("a row cannot be read"))?;
                out.clear();
                copy::line(&line, columns.len(), &mut out).map_err(damaged)?;
                count += 1;
            }
        }
        *self.counts.entry(key.to_owned()).or_default() += count;
        Ok(count)
    }

    /// Make it durable, and count the rows of each of `tables`.
    pub(crate) async fn finish(
        self,
        tables: &[String],
    ) -> Result<BTreeMap<String, u64>, BackupError> {
        let (mut counts, mut loaded) = (BTreeMap::new(), Vec::new());
        for key in tables {
            match self.table(key) {
                Some(table) => loaded.push((key.clone(), table.to_owned())),
                None => {
                    counts.insert(key.clone(), self.counts.get(key).copied().unwrap_or(0));
                }
            }
        }
        let names: Vec<String> = loaded.iter().map(|(_, table)| table.clone()).collect();
        let found = self.load.finish(&names).await?;
        counts.extend(loaded.into_iter().zip(found).map(|((key, _), (_, count))| (key, count)));
        Ok(counts)
    }
}
