//! Panics, stalls, exchange: with scorers that misbehave on purpose.

use super::*;
use crate::infer::scorer::guard::DEATHS_MAX;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stdx::time::Timestamp;

/// Says its own name; does what the first feature of a window asks for.
struct Odd {
    name: String,
    /// A stalled run ends when this is closed.
    hold: Arc<Mutex<()>>,
}

const PANIC: f32 = 1.0;
const STALL: f32 = 2.0;
const FAIL: f32 = 3.0;

impl Scorer for Odd {
    fn model(&self) -> &str {
        &self.name
    }

    fn runtime(&self) -> &str {
        "odd"
    }

    fn score(&mut self, window: &Tensors, _: Wants) -> Result<Scores, ScoreError> {
        let asked = window.node_features.first().copied().unwrap_or(0.0);
        if asked == PANIC {
            panic!("asked to");
        }
        if asked == STALL {
            drop(self.hold.lock());
        }
        if asked == FAIL {
            return Err(ScoreError::Answer("no".to_owned()));
        }
        Ok(Scores { score: asked, ..Scores::default() })
    }
}

fn engine(name: &'static str, hold: &Arc<Mutex<()>>, made: &Arc<AtomicUsize>) -> Engine {
    let (hold, made) = (Arc::clone(hold), Arc::clone(made));
    Engine::new(name, move || {
        made.fetch_add(1, Ordering::SeqCst);
        let odd = Odd { name: name.to_owned(), hold: Arc::clone(&hold) };
        Ok(BTreeMap::from([(Platform::Windows, Box::new(odd) as Box<dyn Scorer>)]))
    })
}

fn window(at: usize, asked: f32) -> Window {
    Window {
        id: format!("w{at}"),
        platform: Platform::Windows,
        tensors: Tensors { node_features: vec![asked], ..Tensors::default() },
        wants: Wants::default(),
    }
}

fn windows(asked: &[f32]) -> Vec<Window> {
    asked.iter().enumerate().map(|(at, asked)| window(at, *asked)).collect()
}

fn free() -> (Arc<Mutex<()>>, Arc<AtomicUsize>) {
    Default::default()
}

#[test]
fn results_stand_in_the_order_of_the_windows_and_a_panic_costs_one() {
    let (hold, made) = free();
    let pool = Pool::start(engine("m 1", &hold, &made), 3, None).unwrap();
    let asked: Vec<f32> =
        (0..200).map(|at| if at == 77 { PANIC } else { at as f32 + 10.0 }).collect();
    let mut all = windows(&asked);
    all[5].platform = Platform::Linux;
    all[6].tensors.node_features[0] = FAIL;
    let scored = pool.score(all);
    assert_eq!(scored.len(), 200);
    for (at, scored) in scored.iter().enumerate() {
        match at {
            5 => assert_eq!(scored.result, Err(Failure::NoModel(Platform::Linux))),
            6 => assert!(matches!(scored.result, Err(Failure::Score(_)))),
            77 => assert_eq!(scored.result, Err(Failure::Panic("asked to".to_owned()))),
            _ => {
                assert_eq!(scored.result.as_ref().unwrap().score, at as f32 + 10.0);
                assert_eq!(&*scored.model, "m 1");
            }
        }
    }
    let state = pool.state();
    assert_eq!((state.scored, state.failed, state.panics, state.retired), (197, 3, 1, 0));
    assert!(pool.score(Vec::new()).is_empty());
}

#[test]
fn a_stall_costs_its_window_and_its_thread_and_the_third_switches_off() {
    let (hold, made) = free();
    let stalled = hold.lock();
    let limit = Duration::from_millis(50);
    let pool = Pool::start_with(engine("m 1", &hold, &made), 1, None, limit).unwrap();
    for round in 1..RETIRED_MAX {
        let scored = pool.score(windows(&[10.0, STALL, 11.0]));
        assert_eq!(scored[1].result, Err(Failure::Stalled(limit)));
        assert_eq!(scored[2].result.as_ref().unwrap().score, 11.0, "another thread went on");
        assert_eq!((pool.state().retired, pool.state().off), (round, None));
    }
    let scored = pool.score(windows(&[STALL, 11.0]));
    assert_eq!(scored[0].result, Err(Failure::Stalled(limit)));
    let off = pool.state().off.unwrap();
    assert!(off.starts_with("inference is off: 3 threads were given up"), "{off}");
    assert!(matches!(scored[1].result, Err(Failure::Off(_))));
    assert!(matches!(pool.score(windows(&[11.0]))[0].result, Err(Failure::Off(_))));
    pool.swap(engine("m 2", &hold, &made)).unwrap();
    assert_eq!(pool.state().off, None);
    assert_eq!(pool.score(windows(&[12.0]))[0].result.as_ref().unwrap().score, 12.0);
    drop(stalled);
}

#[test]
fn a_model_is_exchanged_between_windows_and_taken_back() {
    let (hold, made) = free();
    let pool = Pool::start(engine("m 1", &hold, &made), 2, None).unwrap();
    let model = |pool: &Pool| pool.score(windows(&[9.0]))[0].model.to_string();
    assert_eq!(model(&pool), "m 1");
    assert!(!pool.roll_back().unwrap(), "there was none before");
    pool.swap(engine("m 2", &hold, &made)).unwrap();
    assert_eq!((model(&pool), pool.state().engine), ("m 2".to_owned(), "m 2".to_owned()));
    let broken = Engine::new("m 3", || Err(Fault::new("m.onnx", "is broken", "mend it")));
    assert_eq!(pool.swap(broken).unwrap_err().to_string(), "m.onnx: is broken (mend it)");
    let panicking = Engine::new("m 4", || panic!("no library"));
    assert!(pool.swap(panicking).unwrap_err().to_string().contains("no library"));
    assert_eq!(model(&pool), "m 2", "what cannot be made changes nothing");
    assert!(pool.roll_back().unwrap());
    assert_eq!(model(&pool), "m 1");
    assert!(pool.roll_back().unwrap());
    assert_eq!(model(&pool), "m 2");
}

#[test]
fn batches_of_two_callers_do_not_mix() {
    let (hold, made) = free();
    let pool = Pool::start(engine("m 1", &hold, &made), 2, None).unwrap();
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                let asked: Vec<f32> =
                    (0..100).map(|at| (caller * 1_000 + at + 10) as f32).collect();
                let said: Vec<f32> = pool
                    .score(windows(&asked))
                    .into_iter()
                    .map(|s| s.result.unwrap().score)
                    .collect();
                assert_eq!(said, asked);
            });
        }
    });
}

#[test]
fn the_marker_names_windows_while_they_are_scored_and_those_of_threads_given_up() {
    let (hold, made) = free();
    let folder = tempfile::tempdir().unwrap();
    let (guard, _) = Guard::open(folder.path(), "m", DEATHS_MAX, Timestamp::now()).unwrap();
    let stalled = hold.lock();
    let limit = Duration::from_millis(50);
    let pool = Pool::start_with(engine("m 1", &hold, &made), 1, Some(guard), limit).unwrap();
    pool.score(windows(&[10.0, STALL]));
    let marker = || std::fs::read_to_string(folder.path().join("infer.guard")).unwrap();
    assert!(marker().contains("\"inside\":[\"w1\"]"), "{}", marker());
    drop(stalled);
    drop(pool);
    assert!(marker().contains("\"inside\":[]"), "an orderly end: {}", marker());
}
