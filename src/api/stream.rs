//! `GET /stream`: changes as server-sent events. The id is `RUN-NUMBER`; a reader that comes back with it
//! gets what it missed, or a `gap` when that is no longer kept.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};

use crate::api::extract::{Bench, Refusal};
use crate::api::{Api, busy};
use crate::model::desk;
use crate::service::{Numbered, NumberedFeed};
use crate::stdx::stop::StopToken;
use crate::wire::desk_v1::Change;

/// A comment is sent when nothing else was for this long.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn stream(
    State(api): State<Api>,
    Bench(bench): Bench,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let permit = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| busy("streams"))?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let feed = bench.subscribe_after(last.map(last_seen));
    // Something at once: the reader knows that the connection stands, and how things are.
    let status = bench.status().await?;
    let first = plain(&desk::Change::Status(Box::new(status))).into_iter().collect();
    let reader = Reader { feed, first, stop: api.stop.clone() };
    let events = stream::unfold((reader, permit), |(mut reader, permit)| async move {
        let event = reader.next().await?;
        Some((Ok(event), (reader, permit)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

struct Reader {
    feed: NumberedFeed,
    first: VecDeque<Event>,
    stop: StopToken,
}

impl Reader {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        loop {
            let numbered = tokio::select! {
                () = self.stop.stopped() => return None,
                numbered = self.feed.next() => numbered?,
            };
            let Numbered { run, number, change } = numbered;
            let Some(event) = plain(&change) else {
                continue;
            };
            return Some(match number {
                Some(number) => event.id(format!("{run}-{number}")),
                None => event,
            });
        }
    }
}

/// `RUN-NUMBER`; anything else is the id of no run.
fn last_seen(text: &str) -> (i64, u64) {
    let parts = text.rsplit_once('-');
    let read = parts.and_then(|(run, number)| Some((run.parse().ok()?, number.parse().ok()?)));
    read.unwrap_or((i64::MIN, 0))
}

fn plain(change: &desk::Change) -> Option<Event> {
    let wire = Change::from(change);
    let name = match wire {
        Change::Alert { .. } => "alert",
        Change::Status { .. } => "status",
        Change::Gap => "gap",
    };
    // JSON has no raw line ends, so the data is always one line.
    Event::default().event(name).json_data(wire).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        assert_eq!(last_seen("1795334400000000-17"), (1_795_334_400_000_000, 17));
        assert_eq!(last_seen("-5-17"), (-5, 17));
        for text in ["", "x", "1-", "-", "1-2-x", "1_2"] {
            assert_eq!(last_seen(text), (i64::MIN, 0), "{text}");
        }
    }
}
