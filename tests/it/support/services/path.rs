//! A path of a test: takes what a source hands on, answers the tickets, and keeps the rows, as the commit would.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use watchfloor::config::check::{Written, check};
use watchfloor::config::limits::LimitsConfig;
use watchfloor::model::record::{Batch, Position};
use watchfloor::source::{self, Context, Source, SourceError};
use watchfloor::stdx::queue::{self, Received};
use watchfloor::stdx::stop::StopToken;
use watchfloor::stdx::ticket::Outcome;

/// What came down.
#[derive(Default)]
pub struct Taken {
    /// Path of the stream, offset, bytes, of every record in order.
    pub records: Vec<(String, u64, Vec<u8>)>,
    /// All batches, without their bytes' owners.
    pub batches: Vec<Batch>,
    /// Rows as they stand.
    pub rows: BTreeMap<(String, String), Position>,
    /// Keys of deliveries, and how many records came under a known one.
    pub keys: std::collections::HashSet<watchfloor::stdx::id::Id128>,
    /// Records under a key that came before.
    pub repeats: usize,
}

/// The books of a test, which outlive the sources that write them.
pub type Books = Arc<Mutex<Taken>>;

/// A source that runs.
pub struct Running {
    /// Its numbers.
    pub context: Context,
    /// What it complains of now.
    pub trouble: Arc<Mutex<Option<String>>>,
    /// Nothing is taken while this is set.
    pub blocked: Arc<AtomicBool>,
    stop: StopToken,
    threads: Vec<JoinHandle<()>>,
}

/// The source that a section describes.
pub fn source(section: &str) -> Box<dyn Source> {
    let text = format!("[[sources]]\nname = \"s\"\n{section}\n");
    let checked = check(&Written { file: Some(("w.toml".into(), text)), ..Written::default() });
    assert_eq!(checked.problems, []);
    source::build(&checked.config.sources[0], &LimitsConfig::default()).unwrap()
}

/// Open and run a source on these books. Call on a runtime.
pub fn run(section: &str, books: &Books) -> Result<Running, SourceError> {
    let mut source = source(section);
    let trouble = Arc::new(Mutex::new(None));
    let told = Arc::clone(&trouble);
    let recalled = Arc::clone(books);
    let context = Context::new(std::env::temp_dir(), move |text| *told.lock().unwrap() = text)
        .with_positions(move |_| recalled.lock().unwrap().rows.values().cloned().collect());
    source.open(&context)?;
    let (sender, receiver) = queue::bounded("test", 2);
    let stop = StopToken::new();
    let (inner, saved) = (stop.clone(), books.lock().unwrap().rows.values().cloned().collect());
    let reader = std::thread::spawn(move || source.run(saved, sender, inner).unwrap());
    let blocked = Arc::new(AtomicBool::new(false));
    let (shut, kept) = (Arc::clone(&blocked), Arc::clone(books));
    let taker = std::thread::spawn(move || take(&receiver, &shut, &kept));
    Ok(Running { context, trouble, blocked, stop, threads: vec![reader, taker] })
}

fn take(receiver: &queue::Receiver<Batch>, shut: &AtomicBool, books: &Books) {
    loop {
        if shut.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        match receiver.receive_timeout(Duration::from_millis(20)) {
            Received::Closed => return,
            Received::Nothing => {}
            Received::Item(batch) => {
                let outcome = enter(&batch, books);
                if let Some(ticket) = &batch.delivery.ticket {
                    ticket.answer(outcome);
                }
            }
        }
    }
}

fn enter(batch: &Batch, books: &Books) -> Outcome {
    let mut books = books.lock().unwrap();
    for row in &batch.positions {
        books.rows.insert((row.source.to_string(), row.key.clone()), row.clone());
    }
    if batch.delivery.key.is_some_and(|key| !books.keys.insert(key)) {
        books.repeats += batch.records.len();
        return Outcome::Repeated;
    }
    for record in &batch.records {
        let path = batch.stream.path.to_string();
        books.records.push((path, record.offset, batch.bytes(record).to_vec()));
    }
    let mut copy = batch.clone();
    copy.delivery.ticket = None;
    books.batches.push(copy);
    Outcome::Durable
}

/// Wait for something; `what` names it.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Running {
    /// Ask it to stop and wait for the end.
    pub fn stop(mut self) {
        self.stop.stop();
        self.blocked.store(false, Ordering::Release);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }

    /// What it complains of now.
    pub fn said(&self) -> String {
        self.trouble.lock().unwrap().clone().unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        self.blocked.store(false, Ordering::Release);
    }
}

/// Every record once, in order within its stream, `count` of them.
pub fn assert_whole(books: &Books, count: usize) {
    let books = books.lock().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let twice: Vec<_> =
        books.records.iter().filter(|(path, offset, _)| !seen.insert((path, *offset))).collect();
    assert!(twice.is_empty(), "{} came twice, first {:?}", twice.len(), twice.first());
    assert_eq!(seen.len(), count);
}
