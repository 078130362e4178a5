//! Where models and analysts do not agree: alerts with verdicts beside what models said of their endpoints at that time.

use std::sync::Arc;

use crate::model::alert::{Alert, AuditEntry};
use crate::model::desk::{AlertPage, Problem};
use crate::model::disagreement::{ALERTS_MAX, AROUND_MINUTES, Disagreement, Disagreements, Side};
use crate::model::event::Event;
use crate::model::inference::{self, Inference, Prediction};
use crate::model::query::quote;
use crate::model::sort;
use crate::model::verdict::{Verdict, VerdictKind};
use crate::service::problem::not_done;
use crate::service::{Workbench, problem};
use crate::stdx::task;

/// Judgements of one alert's time that are read.
const WINDOWS_MAX: usize = 200;

impl Workbench {
    /// The newest disagreements, with counts of what was looked at.
    pub async fn disagreements(&self) -> Result<Disagreements, Problem> {
        let page = self.judged_alerts().await?;
        let mut found =
            Disagreements { more: page.matching > page.rows.len(), ..Default::default() };
        for alert in &page.rows {
            let Some(verdict) = &alert.verdict else { continue };
            if let Some((side, score)) = self.side(alert, verdict, &mut found).await? {
                let row = self.row(alert, verdict, side, score).await?;
                found.rows.push(row);
            }
        }
        Ok(found)
    }

    async fn judged_alerts(&self) -> Result<AlertPage, Problem> {
        let bench = self.clone();
        task::blocking("list alerts with a verdict", move || {
            let keys = sort::parse("-last_seen").unwrap_or_default();
            let store = Arc::clone(&bench.core.store);
            store.alerts_page(&bench.actor, &|alert| alert.verdict.is_some(), &keys, ALERTS_MAX, 0)
        })
        .await
        .map_err(|panic| problem::failed(&panic))
    }

    /// Which kind of disagreement it is, if it is one; counts what it looked at.
    async fn side(
        &self,
        alert: &Alert,
        verdict: &Verdict,
        found: &mut Disagreements,
    ) -> Result<Option<(Side, Option<f64>)>, Problem> {
        use VerdictKind::{BenignTruePositive, FalsePositive, TruePositive};
        let of_model = alert.rule_id.starts_with(inference::RULE_PREFIX);
        match (of_model, verdict.kind) {
            (true, kind) => {
                found.model_judged += 1;
                found.model_right += u64::from(kind == TruePositive);
                if !matches!(kind, FalsePositive | BenignTruePositive) {
                    return Ok(None);
                }
                let score = highest(&self.windows(alert).await?);
                Ok(Some((Side::ModelOnly, score)))
            }
            (false, TruePositive) => {
                let windows = self.windows(alert).await?;
                let Some(score) = highest(&windows) else {
                    found.unseen += 1;
                    return Ok(None);
                };
                found.rule_true += 1;
                let attack = windows.iter().any(|one| one.prediction == Prediction::Attack);
                Ok((!attack).then_some((Side::AnalystOnly, Some(score))))
            }
            _ => Ok(None),
        }
    }

    /// Judgements of windows about the time of an alert.
    async fn windows(&self, alert: &Alert) -> Result<Vec<Inference>, Problem> {
        let reach = i64::from(AROUND_MINUTES) * 60 * 1_000_000;
        let (from, to) = (alert.first_seen.plus_micros(-reach), alert.last_seen.plus_micros(reach));
        let host = quote(&alert.host);
        let filter = format!("host:{host} event.dataset:{}", inference::DATASET);
        let events: Vec<Event> =
            self.events_search(&filter, Some(from), Some(to), WINDOWS_MAX).await?;
        Ok(events.iter().filter_map(Inference::of_event).collect())
    }

    async fn row(
        &self,
        alert: &Alert,
        verdict: &Verdict,
        side: Side,
        score: Option<f64>,
    ) -> Result<Disagreement, Problem> {
        let history = self.core.store.history("alert", &alert.id.to_string()).await;
        let history: Vec<AuditEntry> = history.map_err(|error| not_done(&error))?;
        let last = history.iter().rev().find(|entry| entry.action == "verdict");
        // Within the time to undo it is the asker's own, and not yet in the log.
        let pending = self.core.store.pending(&self.actor);
        let own = pending
            .iter()
            .any(|one| one.alerts.contains(&alert.id) && one.action.kind() == "verdict");
        let who = if own { Some(self.actor()) } else { last.map(|entry| entry.actor.clone()) };
        Ok(Disagreement {
            side,
            alert: alert.id,
            title: alert.rule_name.clone(),
            host: alert.host.clone(),
            at: alert.last_seen,
            score,
            verdict: verdict.kind,
            who: who.unwrap_or_default(),
            note: verdict.note.clone(),
        })
    }
}

fn highest(windows: &[Inference]) -> Option<f64> {
    windows.iter().filter_map(|one| one.score).max_by(f64::total_cmp)
}
