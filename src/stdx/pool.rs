//! Work on a list with a few threads and take the results in the order of the list.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel as channel;

/// How many workers to use when nobody says: one a core.
pub fn workers_default() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Run `work` over `items` on `workers` threads; `done` gets every result in the order of `items`, on the
/// calling thread. When `done` breaks, items not yet begun are left. Results that wait for an earlier
/// one are held in memory.
/// A panic in `work` is re-raised on the calling thread.
pub fn ordered<I: Sync, T: Send>(
    workers: usize,
    items: &[I],
    work: impl Fn(&I) -> T + Sync,
    mut done: impl FnMut(T) -> ControlFlow<()>,
) {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = channel::bounded::<(usize, T)>(workers.max(1) * 8);
    std::thread::scope(|scope| {
        for number in 0..workers.clamp(1, items.len().max(1)) {
            let (sender, next, stop, work) = (sender.clone(), &next, &stop, &work);
            let builder = std::thread::Builder::new().name(format!("worker-{number}"));
            let started = builder.spawn_scoped(scope, move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    if sender.send((index, work(item))).is_err() {
                        break;
                    }
                }
            });
            if let Err(error) = started {
                tracing::warn!(%error, "cannot start a worker thread, going on with fewer");
            }
        }
        drop(sender);
        // Owned here, so that leaving early closes the channel and frees workers that wait to send.
        let receiver = receiver;
        let mut waiting: BTreeMap<usize, T> = BTreeMap::new();
        let mut wanted = 0;
        for (index, result) in receiver.iter() {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&wanted) {
                wanted += 1;
                if done(result).is_break() {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_a_break_stops() {
        let items: Vec<u64> = (0..200).collect();
        let mut seen = Vec::new();
        ordered(
            4,
            &items,
            |n| n * 2,
            |n| {
                seen.push(n);
                ControlFlow::Continue(())
            },
        );
        assert_eq!(seen, items.iter().map(|n| n * 2).collect::<Vec<_>>());
        let mut few = 0;
        ordered(
            4,
            &items,
            |n| *n,
            |_| {
                few += 1;
                if few == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(few, 3);
    }
}
