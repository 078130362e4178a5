//! Matches that nodes hand each other: out before the commit of their events, in as batches of a source of their own.

use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Config;
use crate::config::regroup::{self, SOURCE};
use crate::detect::Detector;
use crate::export::SinkError;
use crate::export::regroup::RegroupTopic;
use crate::model::correlation_match::{CorrelationMatch, FORMAT};
use crate::model::finding::Finding;
use crate::model::ledger::LedgerDelta;
use crate::model::record::{Batch, Framing};
use crate::normalise::Settings;
use crate::pipeline::reject::reject;
use crate::pipeline::shared::Shared;
use crate::stdx::gauges::Gauges;
use crate::store::Commit;
use crate::wire::correlation_match_v1 as form;

/// The reason of rejects.
const NO_MATCH: &str = "not_a_match";

/// The way out; belongs to the committer.
pub(crate) struct Sender {
    topic: RegroupTopic,
    gauges: Arc<Gauges>,
}

impl Sender {
    /// The way out, if there is one. Connects to nothing yet.
    pub(crate) fn open(config: &Config, shared: &Shared) -> anyhow::Result<Option<Sender>> {
        let Some(section) = regroup::in_force(config) else { return Ok(None) };
        let topic = RegroupTopic::new(section).context("cannot set up [regroup]")?;
        Ok(Some(Sender { topic, gauges: shared.gauges_of(SOURCE) }))
    }

    /// Hand on what a commit found. The events of the same commit may only become real behind it.
    pub(crate) fn send(&mut self, matches: &[CorrelationMatch]) -> Result<(), SinkError> {
        let refused = self.topic.send(matches)?;
        if refused > 0 {
            tracing::warn!(refused, "matches of correlations are too long for the brokers");
            self.gauges.add("matches_refused", counted(refused));
        }
        self.gauges.add("matches_sent", counted(matches.len() as u64 - refused));
        Ok(())
    }
}

fn counted(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Does a batch hold matches?
pub(crate) fn holds_matches(batch: &Batch) -> bool {
    &*batch.stream.format == FORMAT && &*batch.stream.source == SOURCE
}

/// The way in; belongs to the analyst.
pub(crate) struct Receiver {
    gauges: Arc<Gauges>,
}

impl Receiver {
    pub(crate) fn new(shared: &Shared) -> Receiver {
        Receiver { gauges: shared.gauges_of(SOURCE) }
    }

    /// Count the matches of a batch; what follows is added to `findings`. Their events are stored where they were read, so
    /// the books hold only what cannot be read here.
    pub(crate) fn take(
        &self,
        batch: &Batch,
        settings: &Settings,
        detector: &mut Detector,
        (commit, delta): (&mut Commit, &mut LedgerDelta),
        findings: &mut Vec<Finding>,
    ) {
        let (mut joined, mut unknown) = (0, 0);
        for record in &batch.records {
            let read = match record.framing {
                Framing::Whole => form::read(batch.bytes(record)).map_err(|it| it.to_string()),
                Framing::TooLong | Framing::Damaged => Err("longer than any match".to_owned()),
            };
            match read {
                Ok(one) => match detector.join(&one, findings) {
                    true => joined += 1,
                    false => unknown += 1,
                },
                Err(why) => {
                    delta.received += 1;
                    delta.rejected += 1;
                    commit.rejects.push(reject(
                        batch,
                        record,
                        settings,
                        commit.at,
                        (NO_MATCH, why),
                    ));
                }
            }
        }
        self.gauges.add("matches_joined", joined);
        if unknown > 0 {
            self.gauges.add("matches_of_unknown_rules", unknown);
        }
    }
}
