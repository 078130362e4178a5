//! Layer 6: the operations of the workbench against a remote daemon, over its Unix socket and `/api/v1`.
//! It holds no state but a connection pool: every answer is the daemon's.

pub mod feed;
mod keys;
mod request;
mod sse;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;

use crate::client::feed::Feed;
use crate::model::alert::{Action, AlertId, Pending};
use crate::model::desk::{
    Acted, AlertDetail, AlertPage, AlertQuery, AuditReport, Problem, StatusReport, Undone,
};
use crate::model::disagreement::Disagreements;
use crate::model::endpoint::Endpoint;
use crate::model::endpoint_view::EndpointView;
use crate::model::event::Event;
use crate::model::explanation::Explanation;
use crate::model::finding::RuleInfo;
use crate::model::gap::GapReport;
use crate::model::record::StoredReject;
use crate::model::retention::RetentionReport;
use crate::model::rule_life::{RuleChange, RuleRequest, RuleView};
use crate::stdx::time::Timestamp;
use crate::wire::{
    alert_v1, desk_v1, disagreement_v1, endpoint_view_v1, explain_v1, gaps_v1, retention_v1,
    rules_v1, status_v1,
};

/// How long an ordinary request may take.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(15);
/// How long a search or a check of the whole audit log may take.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(120);
/// A longer answer is refused.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A daemon, as one actor sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    socket: Arc<PathBuf>,
    actor: Arc<str>,
}

impl Client {
    /// Connect to the daemon that listens on `socket`, and ask who it takes us for.
    pub async fn connect(socket: &Path) -> Result<Client, Problem> {
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("watchfloor/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| request::internal("the client could not be built", &error))?;
        let socket = Arc::new(socket.to_owned());
        let nameless = Client { http, socket, actor: Arc::from("") };
        let health: desk_v1::Health = nameless.get(&["health"], &[], REQUEST_TIME_MAX).await?;
        Ok(Client { actor: Arc::from(health.actor), ..nameless })
    }

    /// Who the daemon takes us for.
    pub fn actor(&self) -> String {
        self.actor.to_string()
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A page of alerts.
    pub async fn alerts(&self, query: &AlertQuery) -> Result<AlertPage, Problem> {
        let query = [
            ("filter", query.filter.clone()),
            ("sort", query.sort.clone()),
            ("limit", query.limit.to_string()),
            ("offset", query.offset.to_string()),
        ];
        let page: desk_v1::AlertPage = self.get(&["alerts"], &query, REQUEST_TIME_MAX).await?;
        request::model(page)
    }

    /// Everything about one alert.
    pub async fn alert(&self, id: AlertId) -> Result<AlertDetail, Problem> {
        let path = ["alerts", &id.to_string()];
        let detail: desk_v1::AlertDetail = self.get(&path, &[], REQUEST_TIME_MAX).await?;
        request::model(detail)
    }

    /// Why an alert's rule held for the alert's first event.
    pub async fn alert_why(&self, id: AlertId) -> Result<Explanation, Problem> {
        let path = ["alerts", &id.to_string(), "why"];
        let found: explain_v1::Explanation = self.get(&path, &[], REQUEST_TIME_MAX).await?;
        request::model(found)
    }

    /// Do something to alerts, with the revisions that were seen.
    pub async fn act(
        &self,
        alerts: &[(AlertId, Option<u64>)],
        action: Action,
    ) -> Result<Acted, Problem> {
        let seen = |(id, revision): &(AlertId, Option<u64>)| desk_v1::Seen {
            id: id.to_string(),
            revision: *revision,
        };
        let body = desk_v1::ActRequest {
            alerts: alerts.iter().map(seen).collect(),
            action: alert_v1::Action::from(&action),
        };
        let acted: desk_v1::Acted =
            self.send(Method::POST, &["alerts", "act"], Some(&body)).await?;
        request::model(acted)
    }

    /// Take back this action, or the actor's last.
    pub async fn undo(&self, pending_id: Option<u64>) -> Result<Undone, Problem> {
        let body = desk_v1::UndoRequest { pending_id };
        let undone: desk_v1::Undone = self.send(Method::POST, &["undo"], Some(&body)).await?;
        request::model(undone)
    }

    /// The actor's actions that are not yet applied for others.
    pub async fn pending(&self) -> Result<Vec<Pending>, Problem> {
        let pending: Vec<alert_v1::Pending> = self.get(&["pending"], &[], REQUEST_TIME_MAX).await?;
        request::models(pending)
    }

    /// Carry out the actor's waiting actions now, without waiting for their deadlines: scripts do not undo.
    pub async fn settle(&self) -> Result<(), Problem> {
        self.send(Method::POST, &["pending", "settle"], None::<&()>).await
    }

    /// Stored events that the filter lets through, newest first.
    pub async fn events_search(
        &self,
        query: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Event>, Problem> {
        let mut parameters = vec![("query", query.to_owned()), ("limit", limit.to_string())];
        parameters.extend(from.map(|from| ("from", from.to_string())));
        parameters.extend(to.map(|to| ("to", to.to_string())));
        let events: Vec<desk_v1::Event> =
            self.get(&["events"], &parameters, SEARCH_TIME_MAX).await?;
        request::models(events)
    }

    /// A host's events around a time, oldest first.
    pub async fn events_around(
        &self,
        host: &str,
        at: Timestamp,
        minutes: u32,
    ) -> Result<Vec<Event>, Problem> {
        let query =
            [("host", host.to_owned()), ("at", at.to_string()), ("minutes", minutes.to_string())];
        let events: Vec<desk_v1::Event> =
            self.get(&["events", "around"], &query, SEARCH_TIME_MAX).await?;
        request::models(events)
    }

    /// The endpoints.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, Problem> {
        let endpoints: Vec<status_v1::Endpoint> =
            self.get(&["endpoints"], &[], REQUEST_TIME_MAX).await?;
        request::models(endpoints)
    }

    /// Everything about one endpoint.
    pub async fn endpoint_view(&self, host: &str) -> Result<EndpointView, Problem> {
        let query = [("host", host.to_owned())];
        let view: endpoint_view_v1::EndpointView =
            self.get(&["endpoints", "view"], &query, SEARCH_TIME_MAX).await?;
        request::model(view)
    }

    /// Where models and analysts do not agree.
    pub async fn disagreements(&self) -> Result<Disagreements, Problem> {
        let found: disagreement_v1::Disagreements =
            self.get(&["disagreements"], &[], SEARCH_TIME_MAX).await?;
        request::model(found)
    }

    /// The state of the program.
    pub async fn status(&self) -> Result<StatusReport, Problem> {
        let status: status_v1::Status = self.get(&["status"], &[], REQUEST_TIME_MAX).await?;
        request::model(status)
    }

    /// Records that could not be read, newest first.
    pub async fn rejects(&self, limit: usize, offset: usize) -> Result<Vec<StoredReject>, Problem> {
        let query = [("limit", limit.to_string()), ("offset", offset.to_string())];
        let rows: Vec<desk_v1::Reject> = self.get(&["rejects"], &query, REQUEST_TIME_MAX).await?;
        request::models(rows)
    }

    /// Which numbered records are missing.
    pub async fn gaps(&self) -> Result<GapReport, Problem> {
        let gaps: gaps_v1::Gaps = self.get(&["gaps"], &[], REQUEST_TIME_MAX).await?;
        request::model(gaps)
    }

    /// What a run of retention would take away now.
    pub async fn retention_plan(&self) -> Result<RetentionReport, Problem> {
        let plan: retention_v1::Retention = self.get(&["retention"], &[], SEARCH_TIME_MAX).await?;
        request::model(plan)
    }

    /// Take it away now.
    pub async fn retention_run(&self) -> Result<RetentionReport, Problem> {
        let done: retention_v1::Retention =
            self.send(Method::POST, &["retention", "run"], None::<&()>).await?;
        request::model(done)
    }

    /// The rules and, where one is off, who said so and why.
    pub async fn rules(&self) -> Result<Vec<(RuleInfo, Option<String>)>, Problem> {
        let rules: Vec<desk_v1::Rule> = self.get(&["rules"], &[], REQUEST_TIME_MAX).await?;
        let split = rules.into_iter().map(desk_v1::Rule::split);
        split.collect::<Result<_, _>>().map_err(|error| request::misread(&error))
    }

    /// Switch a rule off.
    pub async fn rule_off(&self, id: &str, reason: &str) -> Result<(), Problem> {
        let body = desk_v1::RuleOff { reason: reason.to_owned() };
        self.send(Method::POST, &["rules", id, "off"], Some(&body)).await
    }

    /// Switch a rule on.
    pub async fn rule_on(&self, id: &str) -> Result<(), Problem> {
        self.send(Method::POST, &["rules", id, "on"], None::<&()>).await
    }

    /// What was decided about rules, with what was counted under it.
    pub async fn rule_view(&self) -> Result<RuleView, Problem> {
        let view: rules_v1::View = self.get(&["rules", "book"], &[], REQUEST_TIME_MAX).await?;
        request::model(view)
    }

    /// The newest changes of rules, newest first.
    pub async fn rule_history(&self, limit: usize) -> Result<Vec<RuleChange>, Problem> {
        let query = [("limit", limit.to_string())];
        let rows: Vec<rules_v1::Change> =
            self.get(&["rules", "history"], &query, REQUEST_TIME_MAX).await?;
        request::models(rows)
    }

    /// Change something about rules, with the reason. `None`: it was that way already.
    pub async fn rule_change(
        &self,
        request: RuleRequest,
        reason: &str,
    ) -> Result<Option<RuleChange>, Problem> {
        let change = rules_v1::Request::from(&request);
        let body = rules_v1::Asked { change, reason: reason.to_owned() };
        let done: Option<rules_v1::Change> =
            self.send(Method::POST, &["rules", "change"], Some(&body)).await?;
        done.map(self::request::model).transpose()
    }

    /// The actor's draft note about an alert.
    pub async fn draft(&self, alert: AlertId) -> Result<Option<String>, Problem> {
        let path = ["drafts", &alert.to_string()];
        let draft: desk_v1::Draft = self.get(&path, &[], REQUEST_TIME_MAX).await?;
        Ok(draft.text)
    }

    /// Keep the actor's draft note about an alert, or drop it.
    pub async fn save_draft(&self, alert: AlertId, text: Option<String>) -> Result<(), Problem> {
        let path = ["drafts", &alert.to_string()];
        self.send(Method::PUT, &path, Some(&desk_v1::Draft { text })).await
    }

    /// Check the chain of hashes of the audit log.
    pub async fn audit_verify(&self) -> Result<AuditReport, Problem> {
        let audit: desk_v1::Audit = self.get(&["audit", "verify"], &[], SEARCH_TIME_MAX).await?;
        Ok(audit.into())
    }

    /// Changes from now on. Connects again by itself.
    pub async fn subscribe(&self) -> Feed {
        Feed::open(self.clone()).await
    }
}
