//! How far behind the index says it is.

use std::time::Duration;

use super::*;

#[test]
fn while_a_little_always_comes_the_index_is_as_old_as_its_last_step() {
    let mut log = Log::new(1 << 20);
    log.append(&[numbered(1)]);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(1_000)).unwrap();
    log.reader.index().unwrap().level_at(long_ago);
    let behind = |log: &Log| {
        let status = log.reader.index_status().unwrap();
        (status.events_behind, status.seconds_behind)
    };
    let (events, seconds) = behind(&log);
    assert!(events == 1 && seconds >= 1_000, "{seconds}");
    log.follow();
    // What came since then is behind, and nobody asked before it came.
    log.append(&[numbered(2)]);
    let (events, seconds) = behind(&log);
    assert!(events == 1 && seconds < 1_000, "{seconds}");
    log.follow();
    assert_eq!(behind(&log), (0, 0));
}
