//! Bytes that an endpoint takes in the windows of models, counted at the allocator: `cargo bench --bench memory`. Active: the
//! last three minutes hold ten events a second. Idle: it was active once, and all its windows have closed.
#![allow(clippy::print_stdout, clippy::unwrap_used, unsafe_code, missing_docs)]

#[path = "support/sysmon.rs"]
mod sysmon;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use watchfloor::infer::window::{EndpointKey, Take, Timing, Window, Windows};
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::stdx::time::Timestamp;

/// Counts the bytes in use.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// Nothing but counting is added to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Endpoints that are counted together.
const ENDPOINTS: usize = 200;
/// Ten a second, for four minutes: the first windows have closed.
const EVENTS: u64 = 2_400;
const START_US: i64 = 1_700_000_000_000_000;

/// Lets windows go.
#[derive(Default)]
struct Counted {
    windows: usize,
    nodes: usize,
}

impl Take for Counted {
    fn window(&mut self, window: Window) {
        self.windows += 1;
        self.nodes = self.nodes.max(window.graph.nodes.len());
    }
}

fn at(number: u64, host: usize) -> Event {
    let mut made = sysmon::event(number);
    made.timestamp = Timestamp(START_US + number as i64 * 100_000);
    made.set_str(field::HOST_NAME, &format!("pc-{host:05}.example.org"));
    made
}

fn main() {
    let mut all = Windows::new(Timing::default(), None);
    let mut taken = Counted::default();
    let empty = LIVE.load(Ordering::Relaxed);
    for host in 0..ENDPOINTS {
        for number in 0..EVENTS {
            all.see(&at(number, host), &mut taken);
        }
    }
    let active = LIVE.load(Ordering::Relaxed) - empty;
    println!(
        "{} windows of up to {} nodes; an active endpoint: {} bytes",
        taken.windows,
        taken.nodes,
        active / ENDPOINTS
    );
    let keys: Vec<EndpointKey> = all.endpoints().map(|(key, _)| (**key).clone()).collect();
    let names = LIVE.load(Ordering::Relaxed) - empty - active;
    for (after, hours) in [("an hour", 1), ("a day", 24)] {
        let now_ms = START_US / 1_000 + hours * 3_600_000;
        for key in &keys {
            all.close_until(key, now_ms, &mut taken);
        }
        all.rest(now_ms);
        let idle = LIVE.load(Ordering::Relaxed) - empty - names;
        println!("after {after} without events: {} bytes", idle / ENDPOINTS);
    }
}
