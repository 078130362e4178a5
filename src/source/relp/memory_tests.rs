//! The memory of sessions against a model of librelp.

use proptest::prelude::*;

use super::*;

fn memory(window: usize) -> Memory {
    Memory::restore(&Arc::from("relp"), window, &[])
}

/// Saved rows as the store would hold them.
fn apply(rows: &mut BTreeMap<String, String>, positions: Vec<Position>) {
    for row in positions {
        match row.value {
            Some(value) => drop(rows.insert(row.key, value)),
            None => drop(rows.remove(&row.key)),
        }
    }
}

fn restored(rows: &BTreeMap<String, String>, window: usize) -> Memory {
    let source: Arc<str> = Arc::from("relp");
    let row = |(key, value): (&String, &String)| Position {
        source: Arc::clone(&source),
        key: key.clone(),
        value: Some(value.clone()),
    };
    Memory::restore(&source, window, &rows.iter().map(row).collect::<Vec<_>>())
}

/// How many of these are repeats.
fn repeats(memory: &Memory, head: &[u64]) -> usize {
    let mut matching = memory.matching("192.0.2.1");
    for digest in head {
        if matching.is_decided() {
            break;
        }
        matching.see(*digest);
    }
    matching.found().map_or(0, |found| found.repeats)
}

fn with(messages: &[u64]) -> Memory {
    let mut memory = memory(100);
    let (lane, _) = memory.open("192.0.2.1", 1, &StopToken::new());
    memory.add(lane, 1, messages.to_vec()).unwrap();
    memory
}

#[test]
fn a_head_repeats_a_session_only_up_to_its_end() {
    let memory = with(&[1, 2, 3, 4]);
    for (head, expected) in [
        (&[3, 4, 5][..], 2),
        (&[4, 9], 1),
        (&[1, 2, 3, 4], 4),
        (&[3, 9], 0),
        (&[9, 3, 4], 0),
        (&[], 0),
    ] {
        assert_eq!(repeats(&memory, head), expected, "{head:?}");
    }
    // The same messages within: the earliest place counts, if the head goes on to the end.
    assert_eq!(repeats(&with(&[7, 8, 7]), &[7, 8, 7, 9]), 3);
    assert_eq!(repeats(&with(&[7, 8, 7]), &[7, 9]), 1);
    assert_eq!(memory.matching("192.0.2.2").found(), None);
    assert!(memory.matching("192.0.2.2").is_decided());
}

#[test]
fn a_lane_goes_on_and_its_old_owner_is_stopped() {
    let mut memory = memory(3);
    let mut rows = BTreeMap::new();
    let (old, new) = (StopToken::new(), StopToken::new());
    let (lane, _) = memory.open("192.0.2.1", 1, &old);
    apply(&mut rows, memory.add(lane, 1, vec![1, 2]).unwrap().positions);
    let mut matching = memory.matching("192.0.2.1");
    matching.see(2);
    let found = matching.found().cloned().unwrap();
    assert!(matching.is_decided() && memory.adopt(&found, 2, &new));
    assert!(old.is_stopped() && !new.is_stopped());
    assert!(memory.add(lane, 1, vec![9]).is_none(), "the lane is another's now");
    let added = memory.add(lane, 2, vec![3, 4, 5]).unwrap();
    assert_eq!(added.first, 2);
    apply(&mut rows, added.positions);
    assert!(!memory.adopt(&found, 3, &StopToken::new()), "it has gone on");
    memory.leave(lane, 2);
    // Three are remembered at least, in whole batches.
    let mut again = restored(&rows, 3);
    assert_eq!(
        (again.count(), repeats(&again, &[4, 5]), repeats(&again, &[2, 3, 4, 5])),
        (1, 2, 0)
    );
    let (other, _) = again.open("192.0.2.1", 7, &StopToken::new());
    assert!(other > lane);
    apply(&mut rows, memory.forget(lane));
    assert!(rows.is_empty(), "{rows:?}");
}

#[test]
fn lanes_of_one_peer_are_bounded_and_a_closed_one_is_gone() {
    let mut memory = memory(10);
    let mut rows = BTreeMap::new();
    for session in 0..40 {
        let (lane, forgotten) = memory.open("192.0.2.1", session, &StopToken::new());
        apply(&mut rows, forgotten);
        apply(&mut rows, memory.add(lane, session, vec![session]).unwrap().positions);
        memory.leave(lane, session);
    }
    assert_eq!((memory.count(), rows.len()), (LANES_PEER_MAX, LANES_PEER_MAX));
    let (lane, forgotten) = memory.open("192.0.2.1", 99, &StopToken::new());
    apply(&mut rows, forgotten);
    apply(&mut rows, memory.add(lane, 99, vec![1]).unwrap().positions);
    apply(&mut rows, memory.close(lane, 99));
    assert_eq!(rows.len(), LANES_PEER_MAX - 1);
}

proptest! {
    /// A sender with a window, whose messages differ, against us: cut anywhere, or we are killed with only some of what
    /// was sent committed. Every message is stored once.
    #[test]
    fn whatever_breaks_every_message_is_taken_once(
        steps in proptest::collection::vec((1_usize..30, 0_usize..30, 0_usize..30, any::<bool>()), 1..20),
        window in 1_usize..20,
    ) {
        let stop = StopToken::new();
        let mut rows = BTreeMap::new();
        let mut ours = memory(32);
        let (mut stored, mut unacked, mut next) = (Vec::new(), VecDeque::new(), 0_u64);
        for (session, (fresh, read, answered, killed)) in steps.into_iter().enumerate() {
            let session = session as u64;
            // What the sender writes in this session: first what it got no answer for.
            let mut sent: Vec<u64> = unacked.iter().copied().collect();
            while sent.len() < fresh.min(window).max(unacked.len()) {
                sent.push(next);
                unacked.push_back(next);
                next += 1;
            }
            let sent = &sent[..read.min(sent.len())];
            let mut matching = ours.matching("192.0.2.1");
            let head = sent.iter().take_while(|digest| {
                let open = !matching.is_decided();
                if open { matching.see(**digest); }
                open
            }).count();
            prop_assert!(head <= sent.len());
            let decided = matching.is_decided();
            let found = matching.found().cloned();
            let known = found.as_ref().map_or(0, |found| found.repeats);
            // Undecided when the connection ends: nothing beyond what is known was taken.
            let until = if decided { sent.len() } else { known };
            let (lane, forgotten) = match &found {
                Some(found) => { prop_assert!(ours.adopt(found, session, &stop)); (found.lane, Vec::new()) }
                None => ours.open("192.0.2.1", session, &stop),
            };
            apply(&mut rows, forgotten);
            let new = &sent[known..until];
            if !new.is_empty() {
                apply(&mut rows, ours.add(lane, session, new.to_vec()).unwrap().positions);
                stored.extend_from_slice(new);
            }
            for _ in 0..answered.min(until) { unacked.pop_front(); }
            if killed { ours = restored(&rows, 32); } else { ours.leave(lane, session); }
        }
        let mut once = stored.clone();
        once.dedup();
        prop_assert_eq!(&once, &stored, "stored twice");
        let expected: Vec<u64> = (0..stored.len() as u64).collect();
        prop_assert_eq!(stored, expected);
    }
}
