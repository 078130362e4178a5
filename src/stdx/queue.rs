//! Bounded, named queues between threads. When a queue is full the sender waits: pressure goes back
//! to the source, nothing is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel as channel;
use parking_lot::{Condvar, Mutex};

/// Small items may be many, large ones few: what the items in a queue weigh together.
struct Scale<T> {
    max: usize,
    weigh: fn(&T) -> usize,
    state: Mutex<Load>,
    lighter: Condvar,
}

#[derive(Default)]
struct Load {
    weight: usize,
    /// The receiver is gone.
    closed: bool,
}

impl<T> Scale<T> {
    /// Wait until an item of this weight may be added. `false`: it is still too heavy at `until`.
    fn add(&self, weight: usize, until: Option<Instant>) -> bool {
        let mut load = self.state.lock();
        // One item fits however heavy it is.
        while load.weight > 0 && load.weight + weight > self.max && !load.closed {
            match until {
                None => self.lighter.wait(&mut load),
                Some(until) if self.lighter.wait_until(&mut load, until).timed_out() => {
                    return false;
                }
                Some(_) => {}
            }
        }
        load.weight += weight;
        true
    }

    fn take(&self, weight: usize) {
        let mut load = self.state.lock();
        load.weight = load.weight.saturating_sub(weight);
        self.lighter.notify_all();
    }
}

impl<T> std::fmt::Debug for Scale<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scale").field("max", &self.max).finish_non_exhaustive()
    }
}

/// How full a queue is, for whoever has neither half of it.
#[derive(Clone, Debug)]
pub struct Gauge {
    name: &'static str,
    waiting: Arc<AtomicUsize>,
    capacity: usize,
}

impl Gauge {
    /// The queue's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Items that wait now, and the bound.
    pub fn read(&self) -> (usize, usize) {
        // Who waits for room has counted its item already.
        (self.waiting.load(Ordering::Relaxed).min(self.capacity), self.capacity)
    }
}

/// The sending half.
#[derive(Debug)]
pub struct Sender<T> {
    name: &'static str,
    inner: channel::Sender<T>,
    scale: Option<Arc<Scale<T>>>,
    waiting: Arc<AtomicUsize>,
}

/// The receiving half.
#[derive(Debug)]
pub struct Receiver<T> {
    inner: channel::Receiver<T>,
    scale: Option<Arc<Scale<T>>>,
    waiting: Arc<AtomicUsize>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender {
            name: self.name,
            inner: self.inner.clone(),
            scale: self.scale.clone(),
            waiting: Arc::clone(&self.waiting),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Some(scale) = &self.scale {
            scale.state.lock().closed = true;
            scale.lighter.notify_all();
        }
    }
}

/// What a timed receive brought.
#[derive(Debug)]
pub enum Received<T> {
    /// An item.
    Item(T),
    /// Nothing came in time.
    Nothing,
    /// Every sender is gone and the queue is empty.
    Closed,
}

/// What became of an item that was offered.
#[derive(Debug)]
pub enum Offered<T> {
    /// It is in the queue.
    Taken,
    /// The queue stayed full; here it is again.
    Full(T),
    /// The receiver is gone.
    Closed,
}

/// A queue of at most `capacity` items.
pub fn bounded<T>(name: &'static str, capacity: usize) -> (Sender<T>, Receiver<T>) {
    made(name, capacity, None)
}

/// A queue of at most `capacity` items that weigh no more than `max` together.
pub fn weighed<T>(
    name: &'static str,
    capacity: usize,
    max: usize,
    weigh: fn(&T) -> usize,
) -> (Sender<T>, Receiver<T>) {
    let (state, lighter) = (Mutex::default(), Condvar::new());
    made(name, capacity, Some(Arc::new(Scale { max, weigh, state, lighter })))
}

fn made<T>(
    name: &'static str,
    capacity: usize,
    scale: Option<Arc<Scale<T>>>,
) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel::bounded(capacity);
    let waiting = Arc::new(AtomicUsize::new(0));
    let receiver =
        Receiver { inner: receiver, scale: scale.clone(), waiting: Arc::clone(&waiting) };
    (Sender { name, inner: sender, scale, waiting }, receiver)
}

impl<T> Sender<T> {
    /// The queue's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Hand an item on, waiting while the queue is full. `false`: the receiver is gone.
    #[must_use]
    pub fn send(&self, item: T) -> bool {
        if let Some(scale) = &self.scale {
            scale.add((scale.weigh)(&item), None);
        }
        self.count();
        self.inner.send(item).is_ok()
    }

    /// Hand an item on, waiting at most `limit` while the queue is full.
    pub fn offer(&self, item: T, limit: Duration) -> Offered<T> {
        let until = Instant::now() + limit;
        let weight = self.scale.as_ref().map_or(0, |scale| (scale.weigh)(&item));
        if self.scale.as_ref().is_some_and(|scale| !scale.add(weight, Some(until))) {
            return Offered::Full(item);
        }
        self.count();
        match self.inner.send_deadline(item, until) {
            Ok(()) => Offered::Taken,
            Err(channel::SendTimeoutError::Timeout(item)) => {
                self.take_back(weight);
                Offered::Full(item)
            }
            Err(channel::SendTimeoutError::Disconnected(_)) => Offered::Closed,
        }
    }

    /// Before it is in, so that it is never taken out uncounted.
    fn count(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    fn take_back(&self, weight: usize) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Some(scale) = &self.scale {
            scale.take(weight);
        }
    }

    /// Hand an item on if there is room now; a full queue gives it back. To a closed queue it is lost, like with
    /// `send`.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        let weight = self.scale.as_ref().map_or(0, |scale| (scale.weigh)(&item));
        if self.scale.as_ref().is_some_and(|scale| !scale.add(weight, Some(Instant::now()))) {
            return Err(item);
        }
        self.count();
        match self.inner.try_send(item) {
            Ok(()) | Err(channel::TrySendError::Disconnected(_)) => Ok(()),
            Err(channel::TrySendError::Full(item)) => {
                self.take_back(weight);
                Err(item)
            }
        }
    }

    /// How full it is, readable by others.
    pub fn gauge(&self) -> Gauge {
        let (waiting, capacity) = (Arc::clone(&self.waiting), self.capacity());
        Gauge { name: self.name, waiting, capacity }
    }

    /// The bound.
    pub fn capacity(&self) -> usize {
        self.inner.capacity().unwrap_or(0)
    }
}

impl<T> Receiver<T> {
    /// Wait for the next item; `None` when every sender is gone and the queue is empty.
    pub fn receive(&self) -> Option<T> {
        self.inner.recv().ok().map(|item| self.lift(item))
    }

    fn lift(&self, item: T) -> T {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Some(scale) = &self.scale {
            scale.take((scale.weigh)(&item));
        }
        item
    }

    /// Wait at most `limit` for the next item.
    pub fn receive_timeout(&self, limit: Duration) -> Received<T> {
        match self.inner.recv_timeout(limit) {
            Ok(item) => Received::Item(self.lift(item)),
            Err(channel::RecvTimeoutError::Timeout) => Received::Nothing,
            Err(channel::RecvTimeoutError::Disconnected) => Received::Closed,
        }
    }

    /// Take an item only if one is there.
    pub fn try_receive(&self) -> Option<T> {
        self.inner.try_recv().ok().map(|item| self.lift(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_items_are_many_large_ones_few_and_a_heavy_one_passes_alone() {
        let (sender, receiver) = weighed("t", 10, 8, |item: &Vec<u8>| item.len());
        assert!(sender.send(vec![0; 100]));
        assert!(sender.try_send(vec![0]).is_err(), "a heavy one fills it");
        assert_eq!(receiver.receive().map(|item| item.len()), Some(100));
        (0..8).for_each(|_| assert!(sender.try_send(vec![0]).is_ok()));
        let offered = sender.offer(vec![0], Duration::from_millis(1));
        assert!(matches!(offered, Offered::Full(_)));
        assert!(receiver.try_receive().is_some());
        assert!(matches!(sender.offer(vec![0], Duration::from_millis(1)), Offered::Taken));
        let gauge = sender.gauge();
        assert_eq!((gauge.name(), gauge.read()), ("t", (8, 10)));
        assert!(receiver.try_receive().is_some());
        assert!(sender.try_send(vec![0; 9]).is_err());
        assert_eq!(gauge.read(), (7, 10), "what found no room is not counted");
        assert!(sender.try_send(vec![0]).is_ok());
        let waiting = std::thread::spawn(move || sender.send(vec![0; 4]));
        drop(receiver);
        assert!(!waiting.join().unwrap(), "nobody waits for a receiver that is gone");
    }
}
