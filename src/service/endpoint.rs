//! Everything about one endpoint: bounded searches, put together once for every front end.

use hashbrown::HashSet;

use crate::infer::window::short;
use crate::model::alert::Alert;
use crate::model::desk::{AlertPage, Problem, ProblemKind};
use crate::model::endpoint::Endpoint;
use crate::model::endpoint_view::{
    self as view, ALERTS_MAX, EVENTS_MAX, EndpointView, JUDGEMENTS_MAX, Judgement, LAST_MAX,
    Looked, STARTS_HOURS, STARTS_MAX,
};
use crate::model::event::Event;
use crate::model::inference::{self, Inference};
use crate::model::query::quote;
use crate::model::{process_tree, sort};
use crate::service::{Workbench, problem};
use crate::stdx::task;
use crate::stdx::time::Timestamp;

impl Workbench {
    /// Everything about the endpoint of this name, full or short.
    pub async fn endpoint_view(&self, host: &str) -> Result<EndpointView, Problem> {
        let wanted = host.to_lowercase();
        let endpoint = named(self.endpoints().await?, &wanted);
        let host = endpoint.as_ref().map_or(wanted, |row| row.host.clone());
        let own = format!("host:{}", quote(&host));
        // Models know an endpoint by its short name.
        let model_host = quote(&short(&host));
        let judged = format!("host:{model_host} event.dataset:{}", inference::DATASET);
        let rest = format!("{own} -event.dataset:{}", inference::DATASET);
        let events = self.bounded(&rest, None, EVENTS_MAX).await?;
        let from = events.0.first().map(|last| before(last.timestamp, STARTS_HOURS));
        let starts = format!("{own} class:process_start");
        let (starts, judged) = tokio::try_join!(
            self.bounded(&starts, from, STARTS_MAX),
            self.bounded(&judged, None, JUDGEMENTS_MAX)
        )?;
        let alerts = self.alerts_of(&host).await?;
        if endpoint.is_none() && events.0.is_empty() && judged.0.is_empty() && alerts.total == 0 {
            let message = format!("no endpoint has reported as {host}");
            return Err(Problem::new(ProblemKind::NotFound, message)
                .hint("g e on the desk lists those that have"));
        }
        let work = move || put_together(host, endpoint, events, starts, judged, alerts);
        let done = task::blocking("put an endpoint together", work);
        done.await.map_err(|panic| problem::failed(&panic))
    }

    /// The newest events that a filter lets through, at most `most`, and whether there are more.
    async fn bounded(
        &self,
        filter: &str,
        from: Option<Timestamp>,
        most: usize,
    ) -> Result<(Vec<Event>, bool), Problem> {
        let mut events = self.events_search(filter, from, None, most + 1).await?;
        let more = events.len() > most;
        events.truncate(most);
        Ok((events, more))
    }

    /// The alerts of an endpoint under its full and its short name, the newest first; `total` is how many there are.
    async fn alerts_of(&self, host: &str) -> Result<AlertPage, Problem> {
        let (bench, host, short) = (self.clone(), host.to_owned(), short(host));
        task::blocking("list an endpoint's alerts", move || {
            let keys = sort::parse("-last_seen").unwrap_or_default();
            let matches = |alert: &Alert| {
                let of_model = alert.rule_id.starts_with(inference::RULE_PREFIX);
                alert.host == host || (of_model && alert.host == short)
            };
            let store = &bench.core.store;
            let mut page = store.alerts_page(&bench.actor, &matches, &keys, ALERTS_MAX, 0);
            page.total = page.matching;
            page
        })
        .await
        .map_err(|panic| problem::failed(&panic))
    }
}

/// Models know an endpoint by its short name. Where only they told of that name, it is no endpoint of its own: what is open
/// under it belongs to those whose short name it is.
pub(super) fn one_row_each(rows: Vec<Endpoint>) -> Vec<Endpoint> {
    let full = |row: &Endpoint| row.events > 0 && short(&row.host) != row.host;
    let shorts: HashSet<String> =
        rows.iter().filter(|row| full(row)).map(|row| short(&row.host)).collect();
    let (models, mut rows): (Vec<Endpoint>, Vec<Endpoint>) =
        rows.into_iter().partition(|row| row.events == 0 && shorts.contains(&row.host));
    for of_model in models {
        for row in rows.iter_mut().filter(|row| short(&row.host) == of_model.host) {
            row.alerts_open += of_model.alerts_open;
            row.worst = row.worst.max(of_model.worst);
        }
    }
    rows
}

/// The row of this name, else the only one of which it is the short form.
fn named(rows: Vec<Endpoint>, host: &str) -> Option<Endpoint> {
    if let Some(row) = rows.iter().find(|row| row.host == host) {
        return Some(row.clone());
    }
    let mut like = rows.into_iter().filter(|row| short(&row.host) == host);
    let first = like.next();
    if like.next().is_some() { None } else { first }
}

fn before(at: Timestamp, hours: i64) -> Timestamp {
    at.plus_micros(-hours * 3_600 * 1_000_000)
}

fn put_together(
    host: String,
    endpoint: Option<Endpoint>,
    (events, events_more): (Vec<Event>, bool),
    (starts, starts_more): (Vec<Event>, bool),
    (judged, judgements_more): (Vec<Event>, bool),
    alerts: AlertPage,
) -> EndpointView {
    let looked = Looked {
        events: events.len() as u64,
        events_more,
        oldest: events.last().map(|event| event.timestamp),
        starts: starts.len() as u64,
        starts_more,
        judgements_more,
        alerts: alerts.total as u64,
    };
    EndpointView {
        host,
        at: Timestamp::now(),
        endpoint,
        judgements: judged
            .iter()
            .filter_map(Inference::of_event)
            .map(|inference| Judgement::of(&inference))
            .collect(),
        alerts: alerts.rows,
        recent: view::recent(&events),
        processes: process_tree::all(&starts),
        habits: view::habits(&events),
        last: events.into_iter().take(LAST_MAX).collect(),
        looked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::severity::Severity;

    fn row(host: &str) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            os: String::new(),
            events: 1,
            first_seen: Timestamp::default(),
            last_seen: Timestamp::default(),
            alerts_open: 1,
            worst: Some(Severity::Low),
            score: None,
            scored: None,
            highest: None,
        }
    }

    #[test]
    fn a_name_that_only_models_use_is_no_endpoint_of_its_own() {
        let mut of_model = row("web");
        (of_model.events, of_model.worst) = (0, Some(Severity::High));
        let rows = one_row_each(vec![of_model.clone(), row("web.a.example"), row("db")]);
        let told: Vec<(&str, u64, Option<Severity>)> =
            rows.iter().map(|row| (&*row.host, row.alerts_open, row.worst)).collect();
        let high = Some(Severity::High);
        assert_eq!(told, [("web.a.example", 2, high), ("db", 1, Some(Severity::Low))]);
        assert_eq!(one_row_each(vec![of_model]).len(), 1, "nobody else has the name");
    }

    #[test]
    fn a_short_name_finds_the_only_endpoint_that_it_can_mean() {
        let rows = || vec![row("web.a.example"), row("db.a.example"), row("db.b.example")];
        assert_eq!(named(rows(), "web").map(|row| row.host), Some("web.a.example".to_owned()));
        assert_eq!(named(rows(), "db"), None, "it may mean either");
        assert_eq!(named(rows(), "db.b.example").map(|row| row.host), Some("db.b.example".into()));
    }
}
