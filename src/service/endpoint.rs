//! Everything about one endpoint: bounded searches, put together once for every front end.

use hashbrown::HashMap;

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
use crate::pipeline::shared::{Score, Scores};
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
        let judged = format!("{own} event.dataset:{}", inference::DATASET);
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

    /// The alerts of an endpoint, the newest first; `total` is how many there are.
    async fn alerts_of(&self, host: &str) -> Result<AlertPage, Problem> {
        let (bench, host) = (self.clone(), host.to_owned());
        task::blocking("list an endpoint's alerts", move || {
            let keys = sort::parse("-last_seen").unwrap_or_default();
            let matches = |alert: &Alert| alert.host == host;
            let store = &bench.core.store;
            let mut page = store.alerts_page(&bench.actor, &matches, &keys, ALERTS_MAX, 0);
            page.total = page.matching;
            page
        })
        .await
        .map_err(|panic| problem::failed(&panic))
    }
}

/// What models said of each endpoint. They know it by its short name; of several that share it, it is the worst.
pub(super) fn add_scores(rows: &mut [Endpoint], scores: &Scores) {
    let worse = |one: Option<Score>, other: Option<Score>| {
        one.into_iter().chain(other).max_by(|one, other| one.1.total_cmp(&other.1))
    };
    let mut by_host: HashMap<&str, (Option<Score>, Option<Score>)> = HashMap::new();
    for ((_, host), (last, highest)) in scores {
        let worst = by_host.entry(host).or_default();
        *worst = (worse(worst.0, *last), worse(worst.1, *highest));
    }
    for row in rows {
        let Some((last, highest)) = by_host.get(&*short(&row.host)) else { continue };
        row.score = last.map(|(_, score)| score);
        row.scored = last.map(|(end_ms, _)| Timestamp(end_ms.saturating_mul(1_000)));
        row.highest = highest.map(|(_, score)| score);
    }
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

    fn row(host: &str) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            os: String::new(),
            events: 1,
            first_seen: Timestamp::default(),
            last_seen: Timestamp::default(),
            alerts_open: 1,
            worst: None,
            score: None,
            scored: None,
            highest: None,
        }
    }

    #[test]
    fn scores_come_to_the_endpoints_whose_short_name_they_have() {
        let score = |tenant: &str, host: &str, last: f32, highest: f32| {
            let key = (tenant.to_owned(), host.to_owned());
            (key, (Some((7, last)), Some((5, highest))))
        };
        let scores = Scores::from([score("", "web", 0.2, 0.4), score("other", "web", 0.9, 0.3)]);
        let mut rows = vec![row("web.a.example"), row("db.a.example")];
        add_scores(&mut rows, &scores);
        let told: Vec<_> = rows.iter().map(|row| (row.score, row.scored, row.highest)).collect();
        assert_eq!(told, [(Some(0.9), Some(Timestamp(7_000)), Some(0.4)), (None, None, None)]);
    }

    #[test]
    fn a_short_name_finds_the_only_endpoint_that_it_can_mean() {
        let rows = || vec![row("web.a.example"), row("db.a.example"), row("db.b.example")];
        assert_eq!(named(rows(), "web").map(|row| row.host), Some("web.a.example".to_owned()));
        assert_eq!(named(rows(), "db"), None, "it may mean either");
        assert_eq!(named(rows(), "db.b.example").map(|row| row.host), Some("db.b.example".into()));
    }
}
