//! Rates, floors, poison and drift, with scores from a seed.

use super::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

const SETTINGS: Settings = Settings { budget: 1, window_s: 180 };
const DAY: i64 = 480;

fn seen(block: i64, score: f32) -> Seen<'static> {
    Seen {
        tenant: "t",
        host: "pc",
        platform: Platform::Windows,
        role: "workstation",
        model: "m 1",
        threshold: 0.9,
        end: (block + 1) * 180,
        score,
        excluded: false,
    }
}

/// Uniform from 0 to 1.
fn uniform(chance: &mut ChaCha8Rng) -> f32 {
    (chance.next_u32() >> 8) as f32 / (1_u32 << 24) as f32
}

/// A history of ordinary scores, far below the threshold.
fn warm(calibrations: &mut Calibrations, blocks: i64, chance: &mut ChaCha8Rng) {
    for block in 0..blocks {
        calibrations.judge(&seen(block, uniform(chance) * 0.5));
    }
}

#[test]
fn exchangeable_scores_hold_the_rate() {
    for budget in [1, 4] {
        let settings = Settings { budget, ..SETTINGS };
        let (mut chance, mut stood_out) = (ChaCha8Rng::seed_from_u64(budget), 0);
        let (endpoints, warm, days) = (10, 960, 10_i64);
        for endpoint in 0..endpoints {
            let mut calibrations = Calibrations::new(settings);
            for block in 0..warm + days * DAY {
                // The model's threshold lets one in a hundred through: the calibration decides among those.
                let score = uniform(&mut chance);
                let one = Seen { threshold: 0.98, ..seen(block + endpoint * 7, score) };
                let judged = calibrations.judge(&one);
                stood_out += i64::from(block >= warm && judged.above);
            }
        }
        // Expected: the budget for each endpoint-day. Blocks of one endpoint share a history, so the rate of an endpoint varies
        // more than coins: the history of 959 blocks adds its own binomial variance over its two days.
        let expected = (endpoints * days) as f64 * budget as f64;
        let spread = 4.0 * (expected * 2.0).sqrt();
        let off = (stood_out as f64 - expected).abs();
        assert!(off < spread, "budget {budget}: {stood_out} stood out, {expected} expected");
    }
}

#[test]
fn an_endpoint_is_cold_until_its_own_history_can_say_so_much() {
    let mut calibrations = Calibrations::new(SETTINGS);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let first = calibrations.judge(&seen(0, 0.95));
    assert_eq!((first.basis, first.cold, first.n, first.p), (Basis::Trained, true, 0, 1.0));
    assert!(first.above, "nothing is known but the model's threshold");
    warm(&mut calibrations, 479, &mut chance);
    // The block under way is not in the history.
    let still = calibrations.judge(&seen(478, 0.95));
    assert!(still.cold && still.n == 478, "{still:?}");
    assert_eq!(still.floor, 1.0 / 479.0);
    let own = calibrations.judge(&seen(479, 0.999));
    assert_eq!((own.basis, own.cold, own.n), (Basis::Own, false, 479));
    assert_eq!((own.p, own.floor), (1.0 / 480.0, 1.0 / 480.0));
    assert!(own.above);
    let low = calibrations.judge(&seen(480, 0.6));
    assert!(!low.above, "what is rare here is still below the model's threshold");
    assert!(calibrations.reset("t", "pc"));
    assert!(calibrations.judge(&seen(481, 0.95)).cold, "reset returns to cold");
    assert_eq!(SETTINGS.needed(), 479);
    assert_eq!(Settings { budget: 4, ..SETTINGS }.needed(), 119);
}

#[test]
fn a_cold_endpoint_is_compared_with_those_of_its_platform_and_role() {
    let mut calibrations = Calibrations::new(SETTINGS);
    let mut chance = ChaCha8Rng::seed_from_u64(2);
    for host in ["a", "b", "c", "d", "e"] {
        for block in 0..200 {
            calibrations.judge(&Seen { host, ..seen(block, uniform(&mut chance) * 0.97) });
        }
    }
    let fresh = calibrations.judge(&Seen { host: "new", ..seen(0, 0.95) });
    assert_eq!((fresh.basis, fresh.cold, fresh.n), (Basis::Pooled, true, 995));
    assert!(!fresh.above, "many of its kind score as high: {fresh:?}");
    let high = calibrations.judge(&Seen { host: "new", ..seen(0, 0.999) });
    assert!(high.above && high.p <= SETTINGS.level(), "{high:?}");
    for other in [
        Seen { role: "server", ..seen(0, 0.95) },
        Seen { platform: Platform::Linux, ..seen(0, 0.95) },
        Seen { model: "m 2", ..seen(0, 0.95) },
    ] {
        let judged = calibrations.judge(&Seen { host: "other", ..other });
        assert_eq!(judged.basis, Basis::Trained, "{other:?}");
    }
}

#[test]
fn one_endpoint_never_speaks_for_all() {
    let mut pool = Pooled::default();
    pool.begin(1);
    (0..10_000).for_each(|_| pool.enter(7, Quantum::of(0.99)));
    assert_eq!(pool.len(), pooled::OF_ONE_MAX);
    (0..10_000_u64).for_each(|endpoint| pool.enter(100 + endpoint, Quantum::of(0.1)));
    assert_eq!(pool.len(), pooled::BLOCKS_MAX);
}

#[test]
fn a_poisoned_history_is_bounded() {
    let mut calibrations = Calibrations::new(SETTINGS);
    let mut chance = ChaCha8Rng::seed_from_u64(3);
    warm(&mut calibrations, 2 * DAY, &mut chance);
    // A whole day of scores that rise and rise.
    for step in 0..DAY {
        let score = 0.9 + 0.09 * step as f32 / DAY as f32;
        calibrations.judge(&seen(2 * DAY + step, score));
    }
    let history = calibrations.endpoint("t", "pc").unwrap();
    let high = history.as_high(Quantum::of(0.55));
    assert!(high as u64 <= history::intake(1), "{high} high values entered");
    assert!(history.clipped() > 400);
    let attack = calibrations.judge(&seen(3 * DAY, 0.995));
    assert!(attack.above, "what is higher than the poison stands out: {attack:?}");
    // Two days later the poison has left.
    for block in 3 * DAY + 1..5 * DAY + 10 {
        calibrations.judge(&seen(block, uniform(&mut chance) * 0.5));
    }
    let attack = calibrations.judge(&seen(5 * DAY + 10, 0.92));
    assert!(attack.above, "{attack:?}");
}

#[test]
fn attacks_and_high_rule_hits_never_enter_and_verdicts_are_reversible() {
    let mut calibrations = Calibrations::new(SETTINGS);
    let mut chance = ChaCha8Rng::seed_from_u64(4);
    warm(&mut calibrations, 2 * DAY, &mut chance);
    let high = |calibrations: &Calibrations| {
        calibrations.endpoint("t", "pc").unwrap().as_high(Quantum::of(0.9))
    };
    calibrations.judge(&Seen { excluded: true, ..seen(960, 0.99) });
    calibrations.judge(&seen(960, 0.99));
    calibrations.judge(&seen(961, 0.95));
    assert_eq!(high(&calibrations), 0, "its block had a high rule hit");
    calibrations.judge(&seen(962, 0.1));
    assert_eq!(high(&calibrations), 1);
    let end = 962 * 180;
    let version = calibrations.endpoint("t", "pc").unwrap().version();
    assert_eq!(calibrations.verdict("t", "pc", end, false), Changed::Done);
    assert_eq!(high(&calibrations), 0, "an accepted verdict takes it out");
    assert_eq!(calibrations.verdict("t", "pc", end, false), Changed::Nothing);
    assert_eq!(calibrations.verdict("t", "pc", end, true), Changed::Done);
    assert_eq!(high(&calibrations), 1, "a withdrawn one puts it back");
    assert_eq!(calibrations.endpoint("t", "pc").unwrap().version(), version + 2);
    assert_eq!(calibrations.verdict("t", "nobody", end, false), Changed::Nothing);
    let burst: Vec<Changed> =
        (0..100).map(|turn| calibrations.verdict("t", "pc", end, turn % 2 == 1)).collect();
    let count = |what| burst.iter().filter(|changed| **changed == what).count();
    assert_eq!(count(Changed::Done) as u32, history::CHANGES_A_DAY_MAX - 2, "a burst is stopped");
    assert!(count(Changed::Refused) > 0);
    assert_eq!(calibrations.counts().refused, count(Changed::Refused) as u64);
    assert_eq!(high(&calibrations), 1, "and nothing is half done");
}

#[test]
fn a_shift_moves_the_drift_meter_and_chance_does_not() {
    let mut calibrations = Calibrations::new(SETTINGS);
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    let mut moved = 0;
    for block in 0..2 * DAY {
        calibrations.judge(&seen(block, uniform(&mut chance) * 0.5));
        moved += calibrations.moved().count() as i64;
    }
    assert!(moved < DAY / 20, "{moved} blocks of {} without a shift", 2 * DAY);
    for block in 2 * DAY..2 * DAY + 60 {
        calibrations.judge(&seen(block, 0.3 + uniform(&mut chance) * 0.5));
    }
    calibrations.judge(&seen(2 * DAY + 60, 0.5));
    let moved: Vec<_> = calibrations.moved().collect();
    assert!(matches!(moved[..], [("t", "pc", _)]), "{moved:?}");
    let mut still = Calibrations::new(SETTINGS);
    for block in 0..DAY {
        still.judge(&seen(block, 0.25));
    }
    assert_eq!(still.moved().count(), 0, "the same score is no drift");
}

#[test]
fn time_that_goes_back_changes_nothing_and_is_counted() {
    let mut calibrations = Calibrations::new(SETTINGS);
    calibrations.judge(&seen(10, 0.1));
    calibrations.judge(&seen(11, 0.1));
    calibrations.judge(&seen(3, 0.99));
    calibrations.judge(&seen(12, 0.1));
    let history = calibrations.endpoint("t", "pc").unwrap();
    assert_eq!((history.len(), history.as_high(Quantum::of(0.9)), history.late()), (2, 0, 1));
}

#[test]
fn rows_come_back_as_they_were_and_endpoints_are_bounded() {
    let mut calibrations = Calibrations::new(SETTINGS);
    let mut chance = ChaCha8Rng::seed_from_u64(6);
    warm(&mut calibrations, 700, &mut chance);
    for block in 700..720 {
        calibrations.judge(&seen(block, 0.95));
    }
    calibrations.judge(&Seen { host: "b", ..seen(3, 0.2) });
    let rows = calibrations.take_rows();
    assert_eq!(rows.len(), 3, "two endpoints and a pool");
    assert!(calibrations.take_rows().is_empty());
    let own = rows.iter().find(|(key, _)| key == "own/t/pc").unwrap();
    assert!(own.1.as_ref().unwrap().len() < 4_096, "{}", own.1.as_ref().unwrap().len());
    let mut again = Calibrations::new(SETTINGS);
    for (key, value) in &rows {
        assert!(again.restore(key, value.as_ref().unwrap()), "{key}");
    }
    assert!(again.endpoints == calibrations.endpoints && again.pools == calibrations.pools);
    assert!(!again.restore("own/t/pc", b"{\"values\":\"x\"}"));
    assert!(!again.restore("pool/x", b"{") && !again.restore("y", b"{}"));
    again.endpoints_max = 10;
    for host in 0..50 {
        again.judge(&Seen { host: &format!("h{host}"), ..seen(800 + host, 0.1) });
    }
    assert!(again.endpoints.len() <= 11);
    assert!(again.endpoint("t", "h49").is_some() && again.endpoint("t", "b").is_none());
    assert!(again.counts().forgotten >= 40);
    let gone = again.take_rows().into_iter().filter(|(_, value)| value.is_none()).count();
    assert!(gone >= 40, "their rows go too");
}
