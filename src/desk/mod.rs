//! Layer 7: one face of the workbench for every front end, whether the store is here or behind a daemon.

use std::path::Path;

use crate::client::{self, Client};
use crate::model::alert::{Action, AlertId, Pending};
use crate::model::desk::{
    Acted, AlertDetail, AlertPage, AlertQuery, AuditReport, Change, Problem, StatusReport, Undone,
};
use crate::model::disagreement::Disagreements;
use crate::model::endpoint::Endpoint;
use crate::model::endpoint_view::EndpointView;
use crate::model::event::Event;
use crate::model::explanation::Explanation;
use crate::model::finding::RuleInfo;
use crate::model::gap::GapReport;
use crate::model::key::{ApiKey, KeyRequest, MadeKey};
use crate::model::record::StoredReject;
use crate::model::retention::RetentionReport;
use crate::model::rule_life::{RuleChange, RuleRequest, RuleView};
use crate::service::{self, Workbench};
use crate::stdx::time::Timestamp;

/// The desk. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Desk {
    /// The store is ours.
    Local(Workbench),
    /// The store is somebody else's.
    Remote(Client),
}

/// Changes as they happen.
#[derive(Debug)]
pub enum Feed {
    /// Of our own workbench.
    Local(service::Feed),
    /// Pushed by a daemon.
    Remote(Box<client::feed::Feed>),
}

impl Feed {
    /// The next change; `None`: there will be none, the program stops. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Change> {
        match self {
            Feed::Local(feed) => feed.next().await,
            Feed::Remote(feed) => Some(feed.next().await),
        }
    }
}

/// The same method on whichever it is.
macro_rules! forward {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Desk::Local(desk) => desk.$method($($argument),*).await,
            Desk::Remote(desk) => desk.$method($($argument),*).await,
        }
    };
}

impl Desk {
    /// A desk on the daemon that listens on `socket`.
    pub async fn attach(socket: &Path) -> Result<Desk, Problem> {
        Client::connect(socket).await.map(Desk::Remote)
    }

    /// Who acts here.
    pub fn actor(&self) -> String {
        match self {
            Desk::Local(bench) => bench.actor(),
            Desk::Remote(client) => client.actor(),
        }
    }

    /// A page of alerts.
    pub async fn alerts(&self, query: &AlertQuery) -> Result<AlertPage, Problem> {
        forward!(self.alerts(query))
    }

    /// Everything about one alert.
    pub async fn alert(&self, id: AlertId) -> Result<AlertDetail, Problem> {
        forward!(self.alert(id))
    }

    /// Why an alert's rule held for the alert's first event.
    pub async fn alert_why(&self, id: AlertId) -> Result<Explanation, Problem> {
        forward!(self.alert_why(id))
    }

    /// Do something to alerts, each with the revision that was seen (`None`: whatever it is now).
    pub async fn act(
        &self,
        alerts: &[(AlertId, Option<u64>)],
        action: Action,
    ) -> Result<Acted, Problem> {
        forward!(self.act(alerts, action))
    }

    /// Take back this action, or the actor's last.
    pub async fn undo(&self, pending_id: Option<u64>) -> Result<Undone, Problem> {
        forward!(self.undo(pending_id))
    }

    /// The actor's actions that are not yet applied for others.
    pub async fn pending(&self) -> Result<Vec<Pending>, Problem> {
        forward!(self.pending())
    }

    /// Carry out the actor's waiting actions now, without waiting for their deadlines: scripts do not undo.
    pub async fn settle(&self) -> Result<(), Problem> {
        forward!(self.settle())
    }

    /// Stored events that the filter lets through, newest first.
    pub async fn events_search(
        &self,
        query: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Event>, Problem> {
        forward!(self.events_search(query, from, to, limit))
    }

    /// A host's events around a time, oldest first.
    pub async fn events_around(
        &self,
        host: &str,
        at: Timestamp,
        minutes: u32,
    ) -> Result<Vec<Event>, Problem> {
        forward!(self.events_around(host, at, minutes))
    }

    /// The endpoints.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, Problem> {
        forward!(self.endpoints())
    }

    /// Everything about one endpoint.
    pub async fn endpoint_view(&self, host: &str) -> Result<EndpointView, Problem> {
        forward!(self.endpoint_view(host))
    }

    /// Where models and analysts do not agree.
    pub async fn disagreements(&self) -> Result<Disagreements, Problem> {
        forward!(self.disagreements())
    }

    /// The state of the program.
    pub async fn status(&self) -> Result<StatusReport, Problem> {
        forward!(self.status())
    }

    /// Records that could not be read, newest first.
    pub async fn rejects(&self, limit: usize, offset: usize) -> Result<Vec<StoredReject>, Problem> {
        forward!(self.rejects(limit, offset))
    }

    /// Which numbered records are missing.
    pub async fn gaps(&self) -> Result<GapReport, Problem> {
        forward!(self.gaps())
    }

    /// What a run of retention would take away now.
    pub async fn retention_plan(&self) -> Result<RetentionReport, Problem> {
        forward!(self.retention_plan())
    }

    /// Take it away now.
    pub async fn retention_run(&self) -> Result<RetentionReport, Problem> {
        forward!(self.retention_run())
    }

    /// The rules and, where one is off, who said so and why.
    pub async fn rules(&self) -> Result<Vec<(RuleInfo, Option<String>)>, Problem> {
        forward!(self.rules())
    }

    /// Switch a rule off.
    pub async fn rule_off(&self, id: &str, reason: &str) -> Result<(), Problem> {
        forward!(self.rule_off(id, reason))
    }

    /// Switch a rule on.
    pub async fn rule_on(&self, id: &str) -> Result<(), Problem> {
        forward!(self.rule_on(id))
    }

    /// What was decided about rules, with what was counted under it.
    pub async fn rule_view(&self) -> Result<RuleView, Problem> {
        forward!(self.rule_view())
    }

    /// The newest changes of rules, newest first.
    pub async fn rule_history(&self, limit: usize) -> Result<Vec<RuleChange>, Problem> {
        forward!(self.rule_history(limit))
    }

    /// Change something about rules, with the reason. `None`: it was that way already.
    pub async fn rule_change(
        &self,
        request: RuleRequest,
        reason: &str,
    ) -> Result<Option<RuleChange>, Problem> {
        forward!(self.rule_change(request, reason))
    }

    /// The actor's draft note about an alert.
    pub async fn draft(&self, alert: AlertId) -> Result<Option<String>, Problem> {
        forward!(self.draft(alert))
    }

    /// Keep the actor's draft note about an alert, or drop it.
    pub async fn save_draft(&self, alert: AlertId, text: Option<String>) -> Result<(), Problem> {
        forward!(self.save_draft(alert, text))
    }

    /// The keys of programs, the oldest first.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Problem> {
        forward!(self.keys())
    }

    /// Make a key. Its text cannot be had again.
    pub async fn key_create(&self, request: &KeyRequest) -> Result<MadeKey, Problem> {
        forward!(self.key_create(request))
    }

    /// Revoke a key.
    pub async fn key_revoke(&self, id: &str) -> Result<(), Problem> {
        forward!(self.key_revoke(id))
    }

    /// Check the chain of hashes of the audit log.
    pub async fn audit_verify(&self) -> Result<AuditReport, Problem> {
        forward!(self.audit_verify())
    }

    /// Changes from now on. Subscribe first, then read: no change falls between.
    pub async fn subscribe(&self) -> Feed {
        match self {
            Desk::Local(bench) => Feed::Local(bench.subscribe()),
            Desk::Remote(client) => Feed::Remote(Box::new(client.subscribe().await)),
        }
    }
}
