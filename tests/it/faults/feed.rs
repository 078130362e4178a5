//! A feeder at work on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::feeders::Feeder;
use super::record;

/// Sends record after record until it is dropped.
pub struct Feed {
    /// The source's name.
    pub name: &'static str,
    /// What it sends by.
    pub feeder: Arc<dyn Feeder>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    sent: AtomicU64,
    pause: AtomicBool,
    parked: AtomicBool,
    end: AtomicBool,
}

impl Feed {
    /// Begin.
    pub fn start(feeder: Arc<dyn Feeder>) -> Feed {
        let state = Arc::<State>::default();
        let own = (Arc::clone(&feeder), Arc::clone(&state));
        let thread = std::thread::spawn(move || own.1.work(&*own.0));
        Feed { name: feeder.name(), feeder, state, thread: Some(thread) }
    }

    /// Records that were acknowledged.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// Send nothing more once the answer that is waited for is there; or go on.
    pub fn pause(&self, pause: bool) {
        // What the last pause left behind says nothing about this one.
        self.state.parked.store(false, Ordering::SeqCst);
        self.state.pause.store(pause, Ordering::SeqCst);
    }

    /// It is paused, and nothing is under way.
    pub fn is_parked(&self) -> bool {
        self.state.parked.load(Ordering::SeqCst)
    }
}

impl State {
    fn work(&self, feeder: &dyn Feeder) {
        while !self.end.load(Ordering::SeqCst) {
            if self.pause.load(Ordering::SeqCst) {
                self.parked.store(true, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            self.parked.store(false, Ordering::SeqCst);
            let first = self.sent.load(Ordering::SeqCst);
            let count = 1 + first % 7;
            let records: Vec<String> =
                (first..first + count).map(|number| record(feeder.name(), number)).collect();
            // Until it is acknowledged: that is what a sender does.
            while !feeder.send(first, &records) {
                if self.end.load(Ordering::SeqCst) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            self.sent.fetch_add(count, Ordering::SeqCst);
            std::thread::sleep(feeder.rest());
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.state.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
