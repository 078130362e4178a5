//! The middle of the path of a process that collects and does not analyse: batches in, raw records to Kafka, commits out.
//!
//! A batch is acknowledged when the brokers have all of it. In between, three things happen in order: what the commit will
//! say is noted in the store under a number (it is *pending*), the records go to the topic in a transaction that carries the
//! number, and the commit follows. After a crash the brokers say whether the last number stands: then its commit is made
//! now, else it is forgotten and the records come again from where they came. So a record is in the topic once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use super::pending::{self, Pending, TOO_LONG};
use crate::config::Config;
use crate::config::limits::LimitsConfig;
use crate::export::SinkError;
use crate::export::raw::{RawMessage, RawTopic, Wrote};
use crate::model::ledger::LedgerDelta;
use crate::model::record::{Batch, Flush, Framing, Position, Record, Reject, Shape, Stream};
use crate::normalise::Settings;
use crate::normalise::linux::header;
use crate::pipeline::analyst::with_waiting;
use crate::pipeline::committer::Ready;
use crate::pipeline::reject::reject;
use crate::pipeline::repeats::Repeats;
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::gauges::Gauges;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::queue::{self, Received};
use crate::stdx::stop::StopToken;
use crate::stdx::ticket::{Outcome, Ticket};
use crate::stdx::time::Timestamp;
use crate::store::{Commit, Delivered, Store};
use crate::wire::collected_v1::{self, Part};

/// How often an idle collector looks up.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// First and last pause between tries.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long after a stop the brokers are still tried.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The key of the problem in the health report, and the name of the numbers.
const NAME: &str = "collect";

/// Sources begin behind this: where they were is not known until the brokers said what became of the last transaction.
pub(crate) struct Gate {
    store: Arc<Store>,
    runtime: Handle,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }

    /// Wait, then the positions of a source. `None`: a stop came first, or the store cannot be read.
    pub(crate) fn positions(&self, source: &str, stop: &StopToken) -> Option<Vec<Position>> {
        let mut open = self.open.lock();
        while !*open {
            if stop.is_stopped() {
                return None;
            }
            self.opened.wait_for(&mut open, IDLE_LOOK);
        }
        drop(open);
        let rows = self.runtime.block_on(self.store.positions(source));
        rows.inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, source, "cannot read positions");
        })
        .ok()
    }
}

/// In the place of the analyst.
pub(crate) struct Collector {
    store: Arc<Store>,
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    runtime: Handle,
    stop: StopToken,
    limits: LimitsConfig,
    gauges: Arc<Gauges>,
    gate: Arc<Gate>,
    repeats: Repeats,
    topic: RawTopic,
    /// The last transaction that stands.
    number: u64,
    /// When the stop was seen while the brokers did not answer.
    stopping: Option<Instant>,
    troubled: bool,
}

/// What follows from the batches of a cycle.
#[derive(Default)]
struct Cycle {
    commit: Commit,
    tickets: Vec<(Ticket, Outcome)>,
    books: BTreeMap<Arc<str>, LedgerDelta>,
}

impl Collector {
    /// Set it up, before anything runs. Call on a runtime.
    ///
    /// # Errors
    /// The topic is not there, or the store cannot be read.
    pub(crate) async fn open(
        config: &Config,
        store: &Arc<Store>,
        shared: &Arc<Shared>,
        settings: &Arc<Settings>,
        stop: &StopToken,
    ) -> anyhow::Result<Collector> {
        let id = pending::id(store).await?;
        let mut topic = RawTopic::new(&config.collect, &id);
        let gauges = Arc::new(Gauges::default());
        shared.add_gauges(NAME, Arc::clone(&gauges));
        let gate = Arc::new(Gate {
            store: Arc::clone(store),
            runtime: Handle::current(),
            open: Mutex::new(false),
            opened: Condvar::new(),
        });
        let number = match topic.open() {
            Ok(reached) => reached.unwrap_or(0),
            Err(error @ SinkError::Start { .. }) => return Err(error.into()),
            // It is tried again until somebody answers.
            Err(_) => 0,
        };
        Ok(Collector {
            store: Arc::clone(store),
            shared: Arc::clone(shared),
            settings: Arc::clone(settings),
            runtime: Handle::current(),
            stop: stop.clone(),
            limits: config.limits.clone(),
            gauges,
            gate,
            repeats: Repeats::default(),
            topic,
            number,
            stopping: None,
            troubled: false,
        })
    }

    /// What sources wait at.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// Work until the sources are gone and the queue is empty, or the committer is gone.
    pub(crate) fn run(mut self, batches: &queue::Receiver<Batch>, commits: &queue::Sender<Ready>) {
        let Some(keys) = self.recover(commits) else { return };
        self.repeats = Repeats::restore(keys);
        self.gate.open();
        loop {
            let first = match batches.receive_timeout(IDLE_LOOK) {
                Received::Item(first) => first,
                Received::Nothing => {
                    self.tell_own();
                    continue;
                }
                Received::Closed => return,
            };
            let waiting = with_waiting(first, batches, self.limits.batch_records_max);
            let Some(ready) = self.take(waiting) else { return };
            if !commits.send(ready) {
                return;
            }
            self.tell_own();
        }
    }

    /// Findings about the program itself have no analyst here.
    fn tell_own(&self) {
        for finding in self.shared.take_told() {
            let (rule, host) = (&*finding.rule.title, &*finding.host);
            tracing::warn!(rule, host, "found by a process that judges nothing");
        }
    }

    /// Make real what stands and was not committed when we died. `None`: a stop came first.
    fn recover(&mut self, commits: &queue::Sender<Ready>) -> Option<Vec<Delivered>> {
        let rows =
            self.until_done("read what was pending", |store| Box::pin(pending::rows(store)))?;
        if !rows.is_empty() {
            let mut pause = RETRY.0;
            while !self.topic.is_open() {
                self.connect(&mut pause)?;
            }
        }
        let mut last = None;
        for (number, found) in rows {
            let mut commit = Commit { at: Timestamp::now(), ..Commit::default() };
            if number <= self.number {
                tracing::info!(number, "the brokers have what was under way when we died");
                found.into_commit(&mut commit);
            }
            commit.positions.push(pending::row(number, None));
            let (ticket, end) = Ticket::pair();
            let ready = Ready { commit, tickets: vec![(ticket, Outcome::Durable)] };
            if !commits.send(ready) {
                return None;
            }
            last = Some(end);
        }
        if let Some(end) = last
            && !end.blocking_recv().is_ok_and(Outcome::is_safe)
        {
            return None;
        }
        self.until_done("read keys of deliveries", |store| Box::pin(store.deliveries()))
    }

    /// Try something with the store until it is done. `None`: a stop came first.
    fn until_done<T>(
        &mut self,
        what: &str,
        mut work: impl for<'s> FnMut(&'s Store) -> pending::Work<'s, T>,
    ) -> Option<T> {
        let mut pause = RETRY.0;
        loop {
            match self.runtime.block_on(work(&self.store)) {
                Ok(done) => return Some(done),
                Err(error) => self.say(&format!("cannot {what}: {error}")),
            }
            self.wait(&mut pause)?;
        }
    }

    /// Pause before the next try. `None`: there is no more time.
    fn wait(&mut self, pause: &mut Duration) -> Option<()> {
        if self.stop.is_stopped() {
            let since = *self.stopping.get_or_insert_with(Instant::now);
            if since.elapsed() > STOP_GRACE {
                return None;
            }
        }
        std::thread::sleep(*pause);
        *pause = (*pause * 2).min(RETRY.1);
        Some(())
    }

    fn say(&mut self, text: &str) {
        if !self.troubled {
            tracing::error!("{text}; nothing is acknowledged until it works");
        }
        self.troubled = true;
        self.shared.set_problem(NAME, Some((Health::Unhealthy, text.to_owned())));
    }

    /// One try to connect, with a pause behind one that failed. `None`: there is no more time.
    fn connect(&mut self, pause: &mut Duration) -> Option<()> {
        match self.topic.open() {
            Ok(reached) => {
                self.number = self.number.max(reached.unwrap_or(0));
                Some(())
            }
            Err(error) => {
                self.say(&format!("the topic of collected records: {error}"));
                self.wait(pause)
            }
        }
    }

    /// Everything that follows from these batches, when the brokers have the records. `None`: there is no more time.
    fn take(&mut self, mut batches: Vec<Batch>) -> Option<Ready> {
        let mut cycle = Cycle::default();
        cycle.commit.at = Timestamp::now();
        batches.retain_mut(|batch| self.note(batch, &mut cycle));
        let mut sent: u64 = batches.iter().map(|batch| batch.records.len() as u64).sum();
        if sent > 0 {
            self.write(&mut batches, &mut cycle)?;
            sent = batches.iter().map(|batch| batch.records.len() as u64).sum();
            self.gauges.add("records_sent", i64::try_from(sent).unwrap_or(i64::MAX));
            self.gauges.add("transactions", 1);
        }
        cycle.commit.ledger = cycle.books.into_values().collect();
        Some(Ready { commit: cycle.commit, tickets: cycle.tickets })
    }

    /// Count a batch. `false`: it has no records that are to be sent.
    fn note(&mut self, batch: &mut Batch, cycle: &mut Cycle) -> bool {
        let commit = &mut cycle.commit;
        commit.positions.append(&mut batch.positions);
        let source = &batch.stream.source;
        let is_new = batch.delivery.key.is_none_or(|key| self.repeats.is_new(source, key));
        if let Some(ticket) = batch.delivery.ticket.take() {
            cycle.tickets.push((ticket, if is_new { Outcome::Durable } else { Outcome::Repeated }));
        }
        if let Some(key) = batch.delivery.key.filter(|_| is_new) {
            commit.delivered.push(Delivered { source: Arc::clone(source), key });
        }
        if batch.records.is_empty() && batch.flush == Flush::No && !batch.delivery.counts() {
            return false;
        }
        let delta = cycle.books.entry(Arc::clone(source)).or_insert_with(|| LedgerDelta {
            source: source.to_string(),
            ..LedgerDelta::default()
        });
        let records = batch.records.len() as u64;
        let (shed, repeated) = (batch.delivery.shed, batch.delivery.repeated);
        delta.received += records + shed + repeated;
        delta.shed += shed;
        delta.duplicate += repeated;
        if is_new {
            delta.stored += records;
        } else {
            delta.duplicate += records;
        }
        if batch.delivery.key.is_some() && records > 1 {
            // What stands together in its partition is known again as a whole.
            let (stream, data) = (&batch.stream, &batch.data);
            batch.records.sort_by_cached_key(|record| key(stream, data, record));
        }
        is_new && records > 0
    }

    /// Until the brokers have every record, or have said that they never take it.
    fn write(&mut self, batches: &mut [Batch], cycle: &mut Cycle) -> Option<()> {
        let mut pause = RETRY.0;
        let mut number = None;
        loop {
            while !self.topic.is_open() {
                self.connect(&mut pause)?;
            }
            match number {
                // The answer was lost, the records were not.
                Some(number) if self.number >= number => break,
                _ => {}
            }
            let next = self.number + 1;
            if number != Some(next) {
                if let Some(old) = number.replace(next) {
                    cycle.commit.positions.push(pending::row(old, None));
                }
                self.prepare(next, cycle)?;
            }
            let streams: Vec<String> =
                batches.iter().map(|batch| collected_v1::write_stream(&batch.stream)).collect();
            let keys: Vec<Vec<String>> = batches.iter().map(keys).collect();
            let messages = messages(batches, &streams, &keys);
            let (stop, stopping) = (self.stop.clone(), std::cell::Cell::new(None));
            let give_up = || {
                let since: Instant = match stopping.get() {
                    None if !stop.is_stopped() => return false,
                    None => Instant::now(),
                    Some(since) => since,
                };
                stopping.set(Some(since));
                since.elapsed() > STOP_GRACE
            };
            let wrote = self.topic.write(next, &messages, &give_up);
            drop(messages);
            match wrote {
                Ok(Wrote::All) => {
                    self.number = next;
                    break;
                }
                Ok(Wrote::Refused(places)) => {
                    self.refuse(batches, &places, cycle);
                    // What is pending says other numbers now.
                    self.prepare(next, cycle)?;
                }
                Err(error) => {
                    self.say(&format!("the topic of collected records: {error}"));
                    self.wait(&mut pause)?;
                }
            }
        }
        cycle.commit.positions.extend(number.map(|number| pending::row(number, None)));
        if std::mem::take(&mut self.troubled) {
            tracing::warn!("the brokers take records again");
            self.shared.set_problem(NAME, None);
        }
        Some(())
    }

    /// Note what the commit will say, before anything is sent.
    fn prepare(&mut self, number: u64, cycle: &Cycle) -> Option<()> {
        let text = Pending::of(&cycle.commit, cycle.books.values()).write();
        let row = Arc::new(pending::row(number, Some(text)));
        // Not a commit: those are numbered, and made by one thread.
        self.until_done("note what is under way", move |store| {
            let row = Arc::clone(&row);
            Box::pin(async move { store.save_positions(std::slice::from_ref(&*row)).await })
        })
    }

    /// Records that no broker takes are kept here, with the reason.
    fn refuse(&self, batches: &mut [Batch], places: &[usize], cycle: &mut Cycle) {
        let mut place = 0;
        for batch in batches {
            let mut records = std::mem::take(&mut batch.records);
            let source = &batch.stream.source;
            records.retain(|record| {
                let taken = !places.contains(&place);
                place += 1;
                if !taken {
                    cycle.commit.rejects.push(self.reject(batch, record, cycle.commit.at));
                    if let Some(delta) = cycle.books.get_mut(source) {
                        delta.stored -= 1;
                        delta.rejected += 1;
                    }
                    self.gauges.add("records_refused", 1);
                }
                taken
            });
            batch.records = records;
        }
    }

    fn reject(&self, batch: &Batch, record: &Record, at: Timestamp) -> Reject {
        let why = format!("the brokers take no message of {} bytes", record.len);
        reject(batch, record, &self.settings, at, (TOO_LONG, why))
    }
}

/// The message keys of the records of a batch.
fn keys(batch: &Batch) -> Vec<String> {
    batch.records.iter().map(|record| key(&batch.stream, &batch.data, record)).collect()
}

/// The message key of a record: what comes from one host stays in order.
fn key(stream: &Stream, data: &[u8], record: &Record) -> String {
    if let Some(host) = &stream.host {
        return key_of(&stream.tenant, host);
    }
    let start = record.start as usize;
    let bytes = data.get(start..start + record.len as usize).unwrap_or_default();
    match named_host(bytes, record) {
        Some(host) => key_of(&stream.tenant, &host.to_lowercase()),
        None => stream.id.to_string(),
    }
}

fn key_of(tenant: &str, host: &str) -> String {
    format!("{tenant}/{host}")
}

/// The host that the head of a syslog line names.
fn named_host<'b>(bytes: &'b [u8], record: &Record) -> Option<&'b str> {
    if record.shape != Shape::Line || record.framing != Framing::Whole {
        return None;
    }
    header::parse(std::str::from_utf8(bytes).ok()?)?.host
}

/// One message a record, in order.
fn messages<'b>(
    batches: &'b [Batch],
    streams: &'b [String],
    keys: &'b [Vec<String>],
) -> Vec<RawMessage<'b>> {
    let mut messages = Vec::new();
    for ((batch, stream), keys) in batches.iter().zip(streams).zip(keys) {
        let mut parts = parts(batch.delivery.key, keys);
        for (record, key) in batch.records.iter().zip(keys) {
            let record_header = collected_v1::write_record(record, parts.next());
            messages.push(RawMessage {
                key,
                payload: batch.bytes(record),
                stream,
                record: record_header,
            });
        }
    }
    messages
}

/// Which part of its delivery each record is: records of one message key stand together, so they are counted together.
fn parts(key: Option<Id128>, keys: &[String]) -> impl Iterator<Item = Part> {
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    if key.is_some() {
        keys.iter().for_each(|key| counts.entry(key).or_default().1 += 1);
    }
    let parts: Vec<Part> = keys
        .iter()
        .filter_map(|name| {
            let (index, count) = counts.get_mut(name.as_str())?;
            let own = IdHasher::new("part").bytes(key?.as_bytes()).text(name).finish();
            let part = Part { key: own, index: *index, count: *count };
            *index += 1;
            Some(part)
        })
        .collect();
    parts.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_host_share_a_key_and_a_delivery_is_counted_by_key() {
        let stream = Stream { tenant: "acme".into(), ..Stream::of_path("s", "p") };
        let mut batch = Batch::new(Arc::new(stream), Flush::No);
        let lines: [&[u8]; 4] = [
            b"<13>Nov 26 10:00:00 Web01 app[1]: a",
            b"type=SYSCALL msg=audit(1.000:1): x",
            b"2026-11-26T10:00:00Z web01 app[1]: b",
            b"<13>1 2026-11-26T10:00:00Z db01 app - - - c",
        ];
        batch.extend(lines.map(|line| (Shape::Line, line)));
        let own = keys(&batch);
        assert_eq!(own, ["acme/web01", &batch.stream.id.to_string(), "acme/web01", "acme/db01"]);
        let key = Id128([7; 16]);
        let counted: Vec<(u32, u32)> =
            parts(Some(key), &own).map(|part| (part.index, part.count)).collect();
        assert_eq!(counted, [(0, 2), (0, 1), (1, 2), (0, 1)]);
        let names: Vec<Id128> = parts(Some(key), &own).map(|part| part.key).collect();
        assert!(names[0] == names[2] && names[0] != names[1] && names[1] != names[3]);
        assert_eq!(parts(None, &own).count(), 0);
    }
}
