//! The life cycle of an alert as pure functions: what an action does, and what a repeat does to an
//! alert that somebody already closed. The store applies them; front ends may preview with them.

use crate::model::alert::{Action, Alert, Status};
use crate::model::episode::OpenEpisode;
use crate::model::verdict::VerdictKind;
use crate::stdx::time::Timestamp;

/// What taking in an episode did to its alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absorbed {
    /// There was no such alert: it was raised.
    Created,
    /// It has the same values already.
    Unchanged,
    /// Its count, times, evidence or severity moved.
    Repeated,
    /// It was closed and is open again.
    Reopened,
}

/// Carry out an action of `actor`. Raises the revision.
pub fn apply(alert: &mut Alert, action: &Action, actor: &str, at: Timestamp) {
    match action {
        Action::Status(status) => set_status(alert, *status),
        Action::Verdict(verdict) => {
            alert.verdict = Some(verdict.clone());
            alert.changed_since_closed = false;
            if let Some(status) = verdict.kind.status() {
                set_status(alert, status);
            }
        }
        Action::ClearVerdict => {
            alert.verdict = None;
            set_status(alert, Status::Open);
        }
        Action::Assign(who) => {
            let to_oneself = who.as_deref() == Some(actor);
            alert.assignee.clone_from(who);
            if to_oneself && alert.status == Status::Open {
                alert.status = Status::Acknowledged;
            }
        }
        Action::Note(_) => {}
        Action::Snooze(until) => alert.snoozed_until = *until,
    }
    alert.updated = at;
    alert.revision += 1;
}

/// Take the detected side of an episode into its alert, or raise the alert.
pub fn absorb(existing: Option<&Alert>, episode: &OpenEpisode, at: Timestamp) -> (Alert, Absorbed) {
    let Some(before) = existing else {
        return (raise(episode, at), Absorbed::Created);
    };
    let mut alert = before.clone();
    copy_detected(&mut alert, episode);
    if alert == *before {
        return (alert, Absorbed::Unchanged);
    }
    alert.updated = at;
    alert.revision += 1;
    if !before.status.is_closed() || episode.count == before.count {
        return (alert, Absorbed::Repeated);
    }
    alert.changed_since_closed = true;
    if alert.severity > before.severity || !closed_as_harmless(before) {
        alert.status = Status::Open;
        return (alert, Absorbed::Reopened);
    }
    (alert, Absorbed::Repeated)
}

fn raise(episode: &OpenEpisode, at: Timestamp) -> Alert {
    let mut alert = Alert {
        id: episode.alert,
        tenant: episode.tenant.clone(),
        status: Status::Open,
        severity: episode.severity,
        risk: 0,
        risk_parts: Vec::new(),
        rule_id: episode.rule_id.clone(),
        rule_name: episode.rule_name.clone(),
        tags: episode.tags.clone(),
        host: episode.host.clone(),
        user: String::new(),
        group: episode.group.clone(),
        count: 0,
        first_seen: episode.first_seen,
        last_seen: episode.last_seen,
        created: at,
        updated: at,
        matched: episode.matched.clone(),
        evidence: Vec::new(),
        assignee: None,
        verdict: None,
        snoozed_until: None,
        backfill: episode.backfill,
        bundle: episode.bundle,
        changed_since_closed: false,
        revision: 1,
    };
    copy_detected(&mut alert, episode);
    alert
}

fn copy_detected(alert: &mut Alert, episode: &OpenEpisode) {
    alert.severity = alert.severity.max(episode.severity);
    alert.first_seen = alert.first_seen.min(episode.first_seen);
    alert.last_seen = alert.last_seen.max(episode.last_seen);
    if episode.count < alert.count {
        // An old first event met again after its episode closed: what is known already is more.
        return;
    }
    alert.risk = episode.risk;
    alert.risk_parts.clone_from(&episode.risk_parts);
    alert.user.clone_from(&episode.user);
    alert.count = episode.count;
    alert.evidence.clone_from(&episode.evidence);
    alert.backfill = episode.backfill;
}

fn set_status(alert: &mut Alert, status: Status) {
    alert.status = status;
    alert.changed_since_closed = false;
}

/// Closed by somebody who said that it does not matter when it goes on.
fn closed_as_harmless(alert: &Alert) -> bool {
    match &alert.verdict {
        Some(verdict) => {
            matches!(verdict.kind, VerdictKind::FalsePositive | VerdictKind::BenignTruePositive)
        }
        None => alert.status == Status::FalsePositive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::severity::Severity;
    use crate::model::verdict::{Confidence, Verdict};
    use crate::stdx::id::Id128;

    fn episode(count: u64, severity: Severity) -> OpenEpisode {
        OpenEpisode {
            alert: Id128([1; 16]),
            key: Id128([2; 16]),
            tenant: "default".into(),
            rule_id: "r".into(),
            rule_name: "rule".into(),
            severity,
            tags: Vec::new(),
            host: "web01".into(),
            user: "root".into(),
            group: Vec::new(),
            matched: Vec::new(),
            count,
            first_seen: Timestamp(1),
            last_seen: Timestamp(1 + count as i64),
            evidence: vec![Id128([3; 16])],
            correlated: false,
            backfill: false,
            risk: 40,
            risk_parts: vec![("level medium".into(), 40)],
            bundle: None,
            near: 0,
            fixed_parts: Vec::new(),
            touched: count,
            noise: crate::model::noise::EpisodeNoise::default(),
        }
    }

    fn verdict(kind: VerdictKind) -> Action {
        Action::Verdict(Verdict {
            kind,
            reasons: Vec::new(),
            confidence: Confidence::High,
            note: String::new(),
        })
    }

    fn raised() -> Alert {
        absorb(None, &episode(1, Severity::Medium), Timestamp(9)).0
    }

    #[test]
    fn verdicts_set_the_status_and_clearing_opens() {
        let wanted = [
            (VerdictKind::FalsePositive, Status::FalsePositive),
            (VerdictKind::TruePositive, Status::Resolved),
            (VerdictKind::BenignTruePositive, Status::Resolved),
            (VerdictKind::Duplicate, Status::Resolved),
            (VerdictKind::Suspicious, Status::Investigating),
            (VerdictKind::InsufficientData, Status::Open),
        ];
        for (kind, status) in wanted {
            let mut alert = raised();
            apply(&mut alert, &verdict(kind), "ana", Timestamp(10));
            assert_eq!(alert.status, status, "{kind:?}");
            apply(&mut alert, &Action::ClearVerdict, "ana", Timestamp(11));
            assert_eq!((alert.status, alert.verdict), (Status::Open, None));
        }
    }

    #[test]
    fn only_assigning_to_oneself_acknowledges_and_only_an_open_alert() {
        let mut alert = raised();
        apply(&mut alert, &Action::Assign(Some("bob".into())), "ana", Timestamp(10));
        assert_eq!(alert.status, Status::Open);
        apply(&mut alert, &Action::Assign(Some("ana".into())), "ana", Timestamp(10));
        assert_eq!(alert.status, Status::Acknowledged);
        apply(&mut alert, &Action::Status(Status::Resolved), "ana", Timestamp(10));
        apply(&mut alert, &Action::Assign(Some("ana".into())), "ana", Timestamp(10));
        assert_eq!(alert.status, Status::Resolved);
        assert_eq!(alert.revision, 5);
    }

    #[test]
    fn a_repeat_on_a_closed_alert_reopens_by_verdict_and_severity() {
        let cases = [
            (verdict(VerdictKind::FalsePositive), Severity::Medium, false),
            (verdict(VerdictKind::BenignTruePositive), Severity::Medium, false),
            (verdict(VerdictKind::BenignTruePositive), Severity::High, true),
            (verdict(VerdictKind::TruePositive), Severity::Medium, true),
            (verdict(VerdictKind::Duplicate), Severity::Medium, true),
            (Action::Status(Status::Resolved), Severity::Medium, true),
            (Action::Status(Status::FalsePositive), Severity::Medium, false),
        ];
        for (action, severity, reopens) in cases {
            let mut alert = raised();
            apply(&mut alert, &action, "ana", Timestamp(10));
            let (after, what) = absorb(Some(&alert), &episode(2, severity), Timestamp(11));
            assert_eq!(what == Absorbed::Reopened, reopens, "{action:?} {severity}");
            assert_eq!(after.status == Status::Open, reopens);
            assert!(after.changed_since_closed);
            assert_eq!(after.count, 2);
        }
    }

    #[test]
    fn the_same_episode_again_changes_nothing() {
        let alert = raised();
        let (again, what) = absorb(Some(&alert), &episode(1, Severity::Medium), Timestamp(99));
        assert_eq!(what, Absorbed::Unchanged);
        assert_eq!(again, alert);
    }
}
