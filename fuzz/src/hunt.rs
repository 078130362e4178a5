//! The loop: take a seed, change it, run it, keep what shows something new, save what breaks.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::mutate::Mutator;
use crate::seeds;
use crate::target::{Seen, Target};

/// One execution that takes longer has found something, too.
pub const SLOW: Duration = Duration::from_secs(2);
/// And one that takes longer than this will not come back.
const STUCK: Duration = Duration::from_secs(20);
/// The run ends at this many different breaks.
const BREAKS_MAX: usize = 20;
/// How often an input is also tried very long, so that what takes quadratic time shows.
const STRETCH_ONE_IN: usize = 500;
const STRETCHED_BYTES: usize = 400 << 10;
/// Inputs kept because they showed something new.
const KEPT_MAX: usize = 2_000;

/// One run.
pub struct Plan {
    /// What is run.
    pub target: &'static Target,
    /// For how long.
    pub time: Duration,
    /// Files and folders to start from.
    pub seeds: Vec<PathBuf>,
    /// Where inputs that showed something new are kept, below it what broke.
    pub corpus: PathBuf,
    /// An execution that takes longer is reported.
    pub slow: Duration,
    /// The same number gives the same run.
    pub random: u64,
}

/// Milliseconds since the start at which the execution in progress began; 0 for none.
static BEGAN: AtomicU64 = AtomicU64::new(0);
/// The input in progress, for the case that nobody comes back.
static CURRENT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// What the panic said and where.
static SAID: Mutex<String> = Mutex::new(String::new());

/// Run the plan; failure when something broke.
pub fn run(plan: &Plan) -> ExitCode {
    let target = plan.target;
    let kept_in = plan.corpus.join("corpus").join(target.name);
    let broken_in = plan.corpus.join("broken").join(target.name);
    for folder in [&kept_in, &broken_in] {
        if let Err(error) = std::fs::create_dir_all(folder) {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::from(2);
        }
    }
    let mut inputs = seeds::gather(target, &plan.seeds, &kept_in);
    if inputs.is_empty() {
        inputs.push(Vec::new());
    }
    quiet_panics();
    let started = Instant::now();
    watch(started, broken_in.clone());
    println!("{}: {} seeds, {} s", target.name, inputs.len(), plan.time.as_secs());
    let mut state = Hunt {
        target,
        started,
        broken_in,
        slow: plan.slow,
        seen: HashSet::new(),
        breaks: HashSet::new(),
        executions: 0,
        slowest: Duration::ZERO,
    };
    // Seeds first, unchanged: they must all be fine, and they say what is not new.
    for input in inputs.clone() {
        if started.elapsed() > plan.time {
            break;
        }
        state.execute(&input);
    }
    let mut mutator = Mutator::new(plan.random);
    let mut kept = 0;
    while started.elapsed() < plan.time && state.breaks.len() < BREAKS_MAX {
        // What was kept last is changed more often.
        let len = inputs.len();
        let index = if mutator.below(2) == 0 {
            mutator.below(len)
        } else {
            len - 1 - mutator.below(len.min(200))
        };
        let mut input = inputs[index].clone();
        let other = mutator.below(len);
        mutator.mutate(&mut input, &inputs[other], target.words, target.bytes_max);
        if mutator.below(STRETCH_ONE_IN) == 0 {
            let mut long = input.clone();
            mutator.stretch(&mut long, STRETCHED_BYTES);
            state.execute(&long);
        }
        if state.execute(&input) && kept < KEPT_MAX {
            let path = kept_in.join(format!("{:016x}", hash(&input)));
            let _ = std::fs::write(path, &input);
            inputs.push(input);
            kept += 1;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}: {} executions in {seconds:.1} s ({:.0}/s), {kept} inputs kept, {} facts seen, slowest {:.1} ms, {} broke",
        target.name,
        state.executions,
        state.executions as f64 / seconds,
        state.seen.len(),
        state.slowest.as_secs_f64() * 1e3,
        state.breaks.len()
    );
    if state.breaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Run the inputs of files once each and let panics speak.
pub fn replay(target: &'static Target, files: &[String]) -> ExitCode {
    for file in files {
        let Ok(input) = std::fs::read(file) else {
            eprintln!("{file}: cannot be read");
            return ExitCode::from(2);
        };
        let started = Instant::now();
        let mut seen = Seen::default();
        (target.run)(&input, &mut seen);
        println!(
            "{file}: {} bytes, {} facts, {:.1} ms",
            input.len(),
            seen.0.len(),
            started.elapsed().as_secs_f64() * 1e3
        );
    }
    ExitCode::SUCCESS
}

struct Hunt {
    target: &'static Target,
    started: Instant,
    broken_in: PathBuf,
    slow: Duration,
    seen: HashSet<u64>,
    /// Where it broke: a place is reported once.
    breaks: HashSet<String>,
    executions: u64,
    slowest: Duration,
}

impl Hunt {
    /// Run one input. True if it showed something new.
    fn execute(&mut self, input: &[u8]) -> bool {
        {
            let mut current = CURRENT.lock().unwrap_or_else(|held| held.into_inner());
            current.clear();
            current.extend_from_slice(input);
        }
        let began = Instant::now();
        BEGAN.store(self.started.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
        let mut seen = Seen::default();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input, &mut seen)));
        BEGAN.store(0, Ordering::Relaxed);
        let took = began.elapsed();
        self.executions += 1;
        self.slowest = self.slowest.max(took);
        if outcome.is_err() {
            let said = SAID.lock().unwrap_or_else(|held| held.into_inner()).clone();
            self.broke(&said, input);
            return false;
        }
        if took > self.slow {
            self.broke(&format!("slow, over {:?}", self.slow), input);
            return false;
        }
        // Every fact has to be put in: no short cut.
        seen.0.into_iter().filter(|fact| self.seen.insert(*fact)).count() > 0
    }

    fn broke(&mut self, said: &str, input: &[u8]) {
        // The place, without the values that the message holds.
        let place = said.lines().next().unwrap_or("").to_owned();
        if self.breaks.insert(place) {
            let path = save(&self.broken_in, input);
            println!("BROKE {}: {said}\n  input: {}", self.target.name, path.display());
        }
    }
}

fn save(folder: &Path, input: &[u8]) -> PathBuf {
    let path = folder.join(format!("{:016x}", hash(input)));
    let _ = std::fs::write(&path, input);
    path
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let text = info.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| info.payload().downcast_ref::<String>().cloned());
        if BEGAN.load(Ordering::Relaxed) == 0 {
            eprintln!("the fuzzer itself: {info}");
        }
        if let Ok(mut said) = SAID.lock() {
            *said = format!("{}\n  {}", place.unwrap_or_default(), text.unwrap_or_default());
        }
    }));
}

/// An execution that does not come back is saved by somebody else.
fn watch(started: Instant, broken_in: PathBuf) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let began = BEGAN.load(Ordering::Relaxed);
            let now = started.elapsed().as_millis() as u64;
            if began > 0 && now.saturating_sub(began) > STUCK.as_millis() as u64 {
                let input = CURRENT.lock().map(|input| input.clone()).unwrap_or_default();
                let path = save(&broken_in, &input);
                println!("BROKE: stuck for {STUCK:?}\n  input: {}", path.display());
                std::process::exit(1);
            }
        }
    });
}
