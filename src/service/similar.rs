//! Model alerts whose windows lie near an alert's own among all windows, with what people decided about them.

use std::collections::BTreeSet;

use crate::alert::alert_id_of;
use crate::model::desk::Problem;
use crate::model::event::Event;
use crate::model::inference::similar::{SIMILAR_MAX, Similar, nearness};
use crate::model::inference::{Inference, RULE_PREFIX};
use crate::service::Workbench;

/// Windows that began an alert and are compared: the newest. Comparing is exact.
const COMPARED_MAX: usize = 2_000;
const QUERY: &str = "event.dataset:watchfloor.inference watchfloor.inference.outcome:alert";

impl Workbench {
    /// The nearest alerts of the same model to that of these evidence events; none where it is no model's.
    pub(super) async fn similar(&self, events: &[Event]) -> Result<Vec<Similar>, Problem> {
        let judged = || events.iter().filter_map(Inference::of_event);
        let Some(own) = judged().find(|one| !one.embedding.is_empty()) else {
            return Ok(Vec::new());
        };
        let mine: BTreeSet<_> = judged().map(|one| one.id).collect();
        let others = self.events_search(QUERY, None, None, COMPARED_MAX).await?;
        let others = others.iter().filter_map(Inference::of_event);
        let mut found: Vec<(f64, Inference)> = others
            .filter(|other| other.model == own.model && !mine.contains(&other.id))
            .filter_map(|other| Some((nearness(&own.embedding, &other.embedding)?, other)))
            .collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0));
        let rows = found.into_iter().filter_map(|(nearness, other)| {
            let rule = format!("{RULE_PREFIX}{}", other.platform);
            let id = alert_id_of(&other.tenant, &rule, &other.host, other.id);
            let alert = self.core.store.alert(&id, &self.actor)?;
            Some(Similar {
                alert: id,
                host: alert.host,
                at: other.end,
                nearness,
                shared: own.shares(&other),
                verdict: alert.verdict.map(|verdict| verdict.kind),
            })
        });
        Ok(rows.take(SIMILAR_MAX).collect())
    }
}
