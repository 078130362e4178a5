//! Where events are: in the data folder, or in a search server. One question and one answer for both.

use std::sync::Arc;
use std::time::Duration;

use crate::config::retention::RetentionConfig;
use crate::config::store::StoreConfig;
use crate::model::event::{Event, EventId};
use crate::model::query::EventFilter;
use crate::model::retention::EventKind;
use crate::stdx::task;
use crate::stdx::time::{Timestamp, micros};
use crate::store::event_server::{EventServer, Policy, Whose};
use crate::store::frame::{self, Hosts};
use crate::store::{EventReader, EventScan, Found, IndexStatus, StoreError};

/// The events' place. Cheap to clone.
#[derive(Clone, Debug)]
pub enum EventStore {
    /// The event log in the data folder, with its index.
    Embedded(EventReader),
    /// Elasticsearch or OpenSearch.
    Server(Arc<EventServer>),
}

/// What the event store says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventStatus {
    /// `embedded`, or what the server is and its version.
    pub kind: String,
    /// How fresh the index is, where it is ours.
    pub index: Option<IndexStatus>,
    /// What a server counted: events that were there already, and those stored in another form, by name.
    pub numbers: Vec<(&'static str, u64)>,
}

impl EventStore {
    pub(crate) fn of(config: &StoreConfig, events: &EventReader) -> Result<EventStore, StoreError> {
        Ok(match &config.events {
            None => EventStore::Embedded(events.clone()),
            Some(server) => EventStore::Server(Arc::new(EventServer::new(server)?)),
        })
    }

    /// Store the events of a commit, if they go elsewhere than into the log: what they tell of their endpoints comes
    /// back. Repeating it changes nothing.
    pub(crate) async fn append(&self, events: &[Event]) -> Result<Option<Hosts>, StoreError> {
        let EventStore::Server(server) = self else { return Ok(None) };
        server.append(events).await?;
        Ok(Some(frame::hosts_of(events)))
    }

    /// The newest events that the filter lets through, newest first. `scan` bounds time, host and number.
    pub async fn find(
        &self,
        scan: EventScan,
        filter: EventFilter,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        match self {
            EventStore::Embedded(reader) => {
                let reader = reader.clone();
                let found =
                    task::blocking("search events", move || reader.find(&scan, &filter, now));
                found.await.map_err(|panic| StoreError::Invalid(panic.to_string()))?
            }
            EventStore::Server(server) => server.find(&scan, &filter, now).await,
        }
    }

    /// The events of one endpoint within `minutes` before and after `at`, oldest first.
    pub async fn around(
        &self,
        host: &str,
        at: Timestamp,
        minutes: u32,
        limit: usize,
    ) -> Result<Found, StoreError> {
        match self {
            EventStore::Embedded(reader) => {
                let (reader, host) = (reader.clone(), host.to_owned());
                let work = move || reader.around(&host, at, minutes, limit);
                let found = task::blocking("events around", work);
                found.await.map_err(|panic| StoreError::Invalid(panic.to_string()))?
            }
            EventStore::Server(server) => {
                let scan = EventScan::around(host, at, minutes, limit);
                let mut found = server.find(&scan, &EventFilter::all(), at).await?;
                found.events.reverse();
                Ok(found)
            }
        }
    }

    /// Events by id, where they are on a server.
    pub(crate) async fn elsewhere_by_ids(
        &self,
        ids: &[EventId],
    ) -> Result<Option<Vec<Event>>, StoreError> {
        match self {
            EventStore::Embedded(_) => Ok(None),
            EventStore::Server(server) => server.by_ids(ids).await.map(Some),
        }
    }

    /// Events stored, and bytes of them in the data folder. On a server: as far as it was asked.
    pub fn totals(&self) -> (u64, u64) {
        match self {
            EventStore::Embedded(reader) => reader.totals(),
            EventStore::Server(server) => (server.events(), 0),
        }
    }

    /// Forget events by the ages in force, where that is for the store to do: on a server. How many whole days went, and
    /// how many single events with a shorter age.
    pub async fn forget_old(
        &self,
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<(u64, u64), StoreError> {
        // The log's segments go by the books; the index follows.
        let EventStore::Server(server) = self else { return Ok((0, 0)) };
        let until = |age: Duration| (!age.is_zero()).then(|| now.plus_micros(-micros(age)));
        let longest = config.events_longest();
        let days = match until(longest) {
            Some(until) => server.drop_days_before(until, until).await?,
            None => 0,
        };
        let tenants: Vec<&str> = config.tenants.iter().map(|one| one.tenant.as_str()).collect();
        let mut events = 0;
        let own = config.tenants.iter().map(|one| Whose::Tenant(&one.tenant));
        for whose in own.chain([Whose::AllBut(&tenants)]) {
            for kind in EventKind::ALL {
                let age = match whose {
                    Whose::Tenant(tenant) => config.events_of(tenant, kind),
                    // Of nobody who is named.
                    Whose::AllBut(_) => config.events_of("", kind),
                };
                if let Some(until) = until(age).filter(|_| age != longest) {
                    events += server.drop_events_before(whose, kind, until).await?;
                }
            }
        }
        Ok((days, events))
    }

    /// Forget whole days of events that happened before a time and were stored before another, where that is for the
    /// store to do: on a server. How many days went.
    pub async fn drop_days_before(
        &self,
        happened: Timestamp,
        stored: Timestamp,
    ) -> Result<u64, StoreError> {
        match self {
            // The log's segments go by the books; the index follows.
            EventStore::Embedded(_) => Ok(0),
            EventStore::Server(server) => server.drop_days_before(happened, stored).await,
        }
    }

    /// Have the server delete days by itself as well, if it can. `None`: no server.
    pub async fn keep_for(&self, age: Duration) -> Result<Option<Policy>, StoreError> {
        match self {
            EventStore::Embedded(_) => Ok(None),
            EventStore::Server(server) => server.keep_for(age).await.map(Some),
        }
    }

    /// How it is.
    pub fn status(&self) -> EventStatus {
        match self {
            EventStore::Embedded(reader) => EventStatus {
                kind: "embedded".to_owned(),
                index: reader.index_status(),
                numbers: Vec::new(),
            },
            EventStore::Server(server) => {
                EventStatus { kind: server.kind(), index: None, numbers: server.numbers() }
            }
        }
    }
}
