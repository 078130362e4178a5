//! What people decided about models' alerts: accepted attacks leave the histories that scores are compared with. It changes
//! calibration only, never a model, and goes back when the verdict does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::infer::calibrate::Changed;
use crate::infer::window::short;
use crate::model::alert::Alert;
use crate::model::inference::RULE_PREFIX;
use crate::model::verdict::VerdictKind;
use crate::pipeline::infer::KEY_PREFIX;
use crate::pipeline::infer::stage::Stage;
use crate::stdx::id::Id128;
use crate::store::Commit;

/// What the keys of these rows begin with, behind that of the stage.
const FEEDBACK: &str = "feedback/";

/// An alert that was accepted as an attack, and the windows it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    tenant: String,
    host: String,
    /// Event time of the first and the last match, in seconds.
    first: i64,
    last: i64,
}

/// Is the alert a model's, and accepted as an attack?
pub(crate) fn is_accepted(alert: &Alert) -> bool {
    let attack = alert.verdict.as_ref().is_some_and(|it| it.kind == VerdictKind::TruePositive);
    attack && alert.rule_id.starts_with(RULE_PREFIX)
}

impl Stage {
    /// Has it not heard what is accepted now?
    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Alerts that are accepted as attacks.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// What is accepted changed.
    pub(crate) fn deafen(&mut self) {
        self.deaf = true;
    }

    /// Take over what is accepted now; what is not any more goes back.
    pub(crate) fn hear(&mut self, alerts: &[Alert], commit: &mut Commit) {
        let accepted: BTreeMap<Id128, Accepted> = alerts
            .iter()
            .filter(|alert| {
                self.calibrations.endpoint(&alert.tenant, &short(&alert.host)).is_some()
            })
            .map(|alert| {
                let one = Accepted {
                    tenant: alert.tenant.clone(),
                    host: short(&alert.host),
                    first: alert.first_seen.seconds(),
                    last: alert.last_seen.seconds(),
                };
                (alert.id, one)
            })
            .collect();
        for (id, one) in &accepted {
            if self.accepted.get(id) != Some(one) {
                self.exclude(one, false);
                let row = serde_json::to_vec(one).unwrap_or_default();
                commit.detection.push((format!("{KEY_PREFIX}{FEEDBACK}{id}"), Some(row)));
            }
        }
        self.deaf = false;
        let before = std::mem::replace(&mut self.accepted, accepted);
        for (id, one) in before {
            if !self.accepted.contains_key(&id) {
                self.exclude(&one, true);
                commit.detection.push((format!("{KEY_PREFIX}{FEEDBACK}{id}"), None));
            }
        }
    }

    /// Every block that a window of the alert may have ended in.
    fn exclude(&mut self, one: &Accepted, back: bool) {
        let step = i64::try_from(self.settings.window_s.max(1)).unwrap_or(i64::MAX);
        // A match lies within its window, which ends up to a window later.
        let mut end = one.first;
        while end <= one.last.saturating_add(step) {
            let changed = self.calibrations.verdict(&one.tenant, &one.host, end, back);
            if changed == Changed::Refused {
                tracing::warn!(
                    host = one.host,
                    "too many changes of one endpoint's history by verdicts in a day: this one is left out"
                );
                return;
            }
            end = end.saturating_add(step);
        }
    }

    /// Take a row of the last run. `false`: it is none of these, or cannot be read.
    pub(super) fn restore_feedback(&mut self, own: &str, value: &[u8]) -> bool {
        let id = own.strip_prefix(FEEDBACK).and_then(Id128::parse);
        let one = serde_json::from_slice(value).ok();
        id.zip(one).map(|(id, one)| self.accepted.insert(id, one)).is_some()
    }
}
