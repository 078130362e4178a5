//! The canary: a record that is sent down the path of a source at an interval and comes back with the commit it stood in.
//!
//! It enters the queue that the source hands its batches to, is decoded and judged by the rules in force, and stands in a
//! commit as a row of its own. It is no event: nothing is stored or counted of it, no finding, signal or number comes of
//! it. One is under way at a time. While none comes back for three intervals, the source is shown as degraded, and one
//! alert a day says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::config::sources::SourceConfig;
use crate::detect::RuleSet;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::origin::Origin;
use crate::model::record::{Batch, Flush, Shape, Stream};
use crate::model::severity::Severity;
use crate::normalise::{Decoder, Output, Settings};
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::gauges::Gauges;
use crate::stdx::id::IdHasher;
use crate::stdx::queue::{self, Offered};
use crate::stdx::stop::StopToken;
use crate::stdx::ticket::Ticket;
use crate::stdx::time::Timestamp;

/// What the keys of its rows in the commit begin with.
pub(crate) const KEY_PREFIX: &str = "canary/";
/// The id that its alert carries in place of a rule's.
pub const RULE_ID: &str = "watchfloor-canary-missing";
/// So many intervals may pass before something is wrong.
const PATIENCE: u32 = 3;
/// How often it is looked at, within these bounds.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Where the canary of one source is.
#[derive(Debug, Default)]
struct Flight {
    /// When the one that has not come back began, or should have.
    since: Option<Instant>,
    /// It is on the path.
    is_under_way: bool,
    took: Option<Duration>,
}

/// The canary of one source.
struct Bird {
    source: Arc<str>,
    every: Duration,
    next: Instant,
    flight: Arc<Mutex<Flight>>,
    gauges: Arc<Gauges>,
    is_late: bool,
}

/// Sends them and watches for them.
pub(crate) struct Job {
    birds: Vec<Bird>,
    shared: Arc<Shared>,
    out: queue::Sender<Batch>,
}

impl Job {
    /// The canaries of these sources; `None`: no source has one, and nothing runs.
    pub(crate) fn new(
        sources: &[SourceConfig],
        shared: &Arc<Shared>,
        out: &queue::Sender<Batch>,
    ) -> Option<Job> {
        let birds = sources.iter().filter_map(|source| {
            Some(Bird {
                source: source.name.as_str().into(),
                every: source.canary?,
                next: Instant::now(),
                flight: Arc::default(),
                gauges: shared.gauges_of(&source.name),
                is_late: false,
            })
        });
        let birds: Vec<Bird> = birds.collect();
        if birds.is_empty() {
            return None;
        }
        Some(Job { birds, shared: Arc::clone(shared), out: out.clone() })
    }

    /// Until a stop is asked for, or the path is gone.
    pub(crate) fn run(mut self, stop: &StopToken) {
        let shortest = self.birds.iter().map(|bird| bird.every).min().unwrap_or(LOOK.1);
        let pause = (shortest / 10).clamp(LOOK.0, LOOK.1);
        while !stop.wait(pause) {
            for bird in &mut self.birds {
                if !bird.fly(&self.out) {
                    return;
                }
                bird.look(&self.shared);
            }
        }
    }
}

impl Bird {
    /// Send it, if it is time. `false`: the path is gone.
    fn fly(&mut self, out: &queue::Sender<Batch>) -> bool {
        let now = Instant::now();
        {
            let mut flight = self.flight.lock();
            if flight.is_under_way || (flight.since.is_none() && now < self.next) {
                return true;
            }
            // A full queue is a part of the way.
            flight.since.get_or_insert(now);
            flight.is_under_way = true;
        }
        self.next = now + self.every;
        match out.offer(self.batch(), Duration::ZERO) {
            Offered::Taken => true,
            Offered::Full(batch) => {
                // Its ticket goes with it and says that it is not under way.
                drop(batch);
                true
            }
            Offered::Closed => false,
        }
    }

    fn batch(&self) -> Batch {
        let stream = Stream::of_path(&self.source, "canary");
        let mut batch = Batch::new(
            Arc::new(Stream { format: "json".into(), live: true, backfill: false, ..stream }),
            Flush::No,
        );
        let at = Timestamp::now();
        let record = serde_json::json!({
            "@timestamp": at.to_string(),
            "message": "canary",
            "watchfloor": {"canary": &*self.source, "sent_us": at.micros()},
        });
        batch.push(record.to_string().as_bytes(), at.micros().unsigned_abs(), Shape::Json);
        batch.delivery.canary = true;
        let flight = Arc::clone(&self.flight);
        batch.delivery.ticket = Some(Ticket::new(move |outcome| {
            let mut flight = flight.lock();
            flight.is_under_way = false;
            if outcome.is_safe() {
                flight.took = flight.since.take().map(|since| since.elapsed());
            }
        }));
        batch
    }

    /// Show how long it took, and say if it does not come.
    fn look(&mut self, shared: &Shared) {
        let (age, took) = {
            let flight = self.flight.lock();
            (flight.since.map(|since| since.elapsed()), flight.took)
        };
        if let Some(longest) = took.max(age.filter(|age| took.is_some() || *age > self.every)) {
            let micros = i64::try_from(longest.as_micros()).unwrap_or(i64::MAX);
            self.gauges.set("canary_us", micros);
        }
        let late = age.filter(|age| *age > self.every * PATIENCE);
        let key = format!("canary {}", self.source);
        let Some(age) = late else {
            if std::mem::take(&mut self.is_late) {
                shared.set_problem(&key, None);
            }
            return;
        };
        let text = format!(
            "source {}: its canary, sent every {} s, has not come through the path for {} s: its records wait as well; \
             look at the queues and the store in watchfloor status",
            self.source,
            self.every.as_secs_f64(),
            age.as_secs()
        );
        if !std::mem::replace(&mut self.is_late, true) {
            tracing::warn!(source = &*self.source, "{text}");
            shared.tell(finding(&self.source, age, Timestamp::now()));
        }
        shared.set_problem(&key, Some((Health::Degraded, text)));
    }
}

/// A canary is on its way through decoder and rules. The row that stands for it in the commit; `None`: it was not
/// recognised, and counts as lost.
pub(crate) fn pass(
    batch: &Batch,
    settings: &Arc<Settings>,
    rules: &RuleSet,
) -> Option<(String, Option<Vec<u8>>)> {
    let mut output = Output::default();
    Decoder::new(&batch.stream, Arc::clone(settings)).decode(batch, &mut output);
    let [event] = output.events.as_slice() else { return None };
    let mut matches = Vec::new();
    rules.judge(event, &mut matches);
    let key = format!("{KEY_PREFIX}{}", batch.stream.source);
    Some((key, Some(event.timestamp.micros().to_string().into_bytes())))
}

fn finding(source: &str, age: Duration, now: Timestamp) -> Finding {
    let day = now.seconds().div_euclid(DAY_S);
    let rule = RuleInfo {
        id: RULE_ID.to_owned(),
        title: format!("records of the source {source} do not come through"),
        level: Severity::Medium,
        tags: Vec::new(),
        description: "The record that is sent down the path of the source at an interval was not stored in time. Alerts of this \
                      source were late or are missing."
            .to_owned(),
        false_positives: vec!["A path that is busy with old logs".to_owned()],
        file: "builtin:canary".to_owned(),
        line: 1,
        group_by: Vec::new(),
    };
    Finding {
        rule: Arc::new(rule),
        timestamp: now,
        tenant: "default".into(),
        host: rustix::system::uname().nodename().to_string_lossy().to_lowercase(),
        user: String::new(),
        // One alert a source and day, however often it happens.
        event: IdHasher::new("canary").text(source).number(day.unsigned_abs()).finish(),
        contributing: Vec::new(),
        matched: vec![("waited".to_owned(), format!("{} s", age.as_secs()))],
        group: vec![("source".to_owned(), source.to_owned())],
        backfill: false,
        origin: Origin::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::stdx::ticket::Outcome;

    fn job(shared: &Arc<Shared>, every: Duration) -> (Job, queue::Receiver<Batch>) {
        let mut source = SourceConfig::files("auth", Vec::new());
        source.canary = Some(every);
        let (out, batches) = queue::bounded("test", 1);
        (Job::new(&[source], shared, &out).unwrap(), batches)
    }

    #[test]
    fn a_source_without_a_canary_costs_nothing() {
        let (out, _batches) = queue::bounded("test", 1);
        let sources = [SourceConfig::files("auth", Vec::new())];
        assert!(Job::new(&sources, &Arc::default(), &out).is_none());
    }

    #[test]
    fn what_comes_back_is_timed_and_what_does_not_is_said_once() {
        let shared: Arc<Shared> = Arc::default();
        let (mut job, batches) = job(&shared, Duration::from_millis(1));
        let bird = &mut job.birds[0];
        assert!(bird.fly(&job.out));
        let batch = batches.try_receive().unwrap();
        assert!(batch.delivery.canary && bird.fly(&job.out));
        assert!(batches.try_receive().is_none(), "one at a time");
        batch.delivery.ticket.unwrap().answer(Outcome::Durable);
        bird.look(&shared);
        assert!(shared.gauges_of("auth").get("canary_us") > 0);
        assert_eq!(shared.snapshot().health(), "ok");

        // The path is stuck: one is in the queue, and after it was given up there is no room for another.
        std::thread::sleep(Duration::from_millis(2));
        assert!(bird.fly(&job.out));
        std::thread::sleep(Duration::from_millis(20));
        (0..3).for_each(|_| bird.look(&shared));
        assert_eq!(shared.snapshot().health(), "degraded");
        let problem = shared.snapshot().problems["canary auth"].1.clone();
        assert!(problem.contains("source auth: its canary"), "{problem}");
        assert_eq!(shared.take_told().len(), 1);
        drop(batches.try_receive());
        assert!(job.out.send(Batch::new(Arc::new(Stream::of_path("auth", "x")), Flush::No)));
        assert!(bird.fly(&job.out), "a full queue is waited for");
        assert!(!bird.flight.lock().is_under_way);
        drop(batches.try_receive());
        assert!(bird.fly(&job.out));
        batches.try_receive().unwrap().delivery.ticket.unwrap().answer(Outcome::Durable);
        bird.look(&shared);
        assert_eq!((shared.snapshot().health(), shared.take_told().len()), ("ok", 0));
        drop(batches);
        std::thread::sleep(Duration::from_millis(2));
        assert!(!bird.fly(&job.out), "the path is gone");
    }

    #[test]
    fn it_is_recognised_behind_the_decoder() {
        let shared: Arc<Shared> = Arc::default();
        let (job, _batches) = job(&shared, Duration::from_secs(1));
        let settings = Arc::new(Settings::new(&Config::default()).unwrap());
        let rules = crate::detect::RuleSet::load(
            &crate::config::rules::RulesConfig::default(),
            &Default::default(),
        );
        let mut batch = job.birds[0].batch();
        let (key, value) = pass(&batch, &settings, &rules.rules).expect("an event");
        assert_eq!(key, "canary/auth");
        assert!(String::from_utf8(value.unwrap()).unwrap().parse::<i64>().unwrap() > 0);
        batch.data.fill(b'x');
        assert!(pass(&batch, &settings, &rules.rules).is_none());
    }
}
