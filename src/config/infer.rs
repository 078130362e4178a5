//! `[infer]`: which models judge endpoints, what runs them, and how many alerts they may make.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::infer_llm::{self, LlmConfig};
use crate::config::reader::Reader;

/// Alerts of an endpoint in a day, where nobody says otherwise.
const BUDGET_DEFAULT: u64 = 1;
/// More alerts a day than this are no budget.
const BUDGET_MAX: u64 = 48;
/// Windows are at most this long.
const WINDOW_MAX: Duration = Duration::from_secs(3_600);
/// Threads that score at most.
const THREADS_MAX: u64 = 64;
/// Event times are at most this much late.
const LATENESS_MAX: Duration = Duration::from_secs(3_600);
/// Intervals of a window at most: each is kept apart.
const INTERVALS_MAX: u64 = 32;

/// What runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// ONNX Runtime where a library is found, else tract.
    Auto,
    /// tract, which is part of the program.
    Tract,
    /// ONNX Runtime, from a library.
    OnnxRuntime,
}

/// Where a model runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// On the processor.
    Cpu,
    /// On the first graphics card, by ONNX Runtime.
    Cuda,
}

/// Which events models are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackWanted {
    /// All.
    Full,
    /// Without PowerShell's own logs.
    Reduced,
}

/// May a model raise an alert where no rule hit?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// Where it is as sure as in half of the attacks that were held out in training.
    Sure,
    /// Never: such windows go to the watch list.
    Never,
}

/// Models, their runtime, windows and budget.
#[derive(Clone, Debug, PartialEq)]
pub struct InferConfig {
    /// Are endpoints judged at all?
    pub enabled: bool,
    /// `builtin`, or a folder.
    pub models: String,
    /// Which events they are given, where there is a model for each.
    pub track: TrackWanted,
    /// What runs them.
    pub runtime: Runtime,
    /// The library of ONNX Runtime, or the folder it lies in.
    pub library: Option<PathBuf>,
    /// Where they run.
    pub device: Device,
    /// Threads that score; 0: as many as [`InferConfig::threads`] finds right.
    pub threads: u64,
    /// Event time of one window.
    pub window: Duration,
    /// Event time between two windows.
    pub interval: Duration,
    /// How long a window waits for late events, in event time.
    pub lateness: Duration,
    /// Model alerts of an endpoint in a day of event time.
    pub budget: u64,
    /// May they raise one where no rule hit?
    pub alone: Alone,
    /// Deaths of the program while it scores the same windows that leave inference off.
    pub deaths_max: u64,
    /// Who gives a second opinion about them.
    pub llm: Option<LlmConfig>,
}

impl Default for InferConfig {
    fn default() -> InferConfig {
        InferConfig {
            enabled: true,
            models: "builtin".to_owned(),
            track: TrackWanted::Reduced,
            runtime: Runtime::Auto,
            library: None,
            device: Device::Cpu,
            threads: 0,
            window: Duration::from_secs(180),
            interval: Duration::from_secs(30),
            lateness: Duration::from_millis(500),
            budget: BUDGET_DEFAULT,
            alone: Alone::Sure,
            deaths_max: 2,
            llm: None,
        }
    }
}

impl InferConfig {
    /// Threads that score: as many as were named, else what [`threads_on`] says of this machine.
    pub fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        match usize::try_from(self.threads) {
            Ok(named) if named > 0 => named,
            _ => threads_on(cores),
        }
    }
}

/// Half of the cores, at most four; but two where there are two, because one explanation after the other holds up the windows
/// behind them.
fn threads_on(cores: usize) -> usize {
    (cores / 2).clamp(cores.min(2), 4)
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> InferConfig {
    let default = InferConfig::default();
    let enabled = reader.truth(
        "infer.enabled",
        default.enabled,
        "Models judge the last minutes of endpoints. Without it rules and signals go on as ever.",
    );
    let models = reader.text(
        "infer.models",
        &default.models,
        "`builtin`, or a folder: one model with its manifest.toml, or one folder a model. `watchfloor model check` tells what is wrong with it.",
    );
    let mut config = InferConfig { enabled, models, ..default };
    let tracks = [("full", TrackWanted::Full), ("reduced", TrackWanted::Reduced)];
    let doc = "`reduced` judges without what PowerShell writes about itself: its mere amount gives attacks away in the labs that models were trained in, and nowhere else. A platform with one model has that.";
    config.track =
        reader.choice("infer.track", "reduced", &tracks, doc).unwrap_or(TrackWanted::Reduced);
    runtime(reader, &mut config);
    windows(reader, &mut config);
    let doc = "Alerts that models may make about one endpoint in a day of event time. What is over it is kept, counted and listed, and makes no alert.";
    config.budget = reader.number("infer.budget", BUDGET_DEFAULT, 1, doc);
    let ways = [("sure", Alone::Sure), ("never", Alone::Never)];
    let doc = "May a model raise an alert where no rule hit in the window? `sure`: where it is as sure as in half of the attacks that were held out in training, and its manifest lets it (`alone`; the built-in model of the reduced track may not). `never`: such windows go to the watch list; in the laboratories no idle background then makes an alert.";
    config.alone = reader.choice("infer.alone", "sure", &ways, doc).unwrap_or(Alone::Sure);
    let doc = "So many deaths of the program while it scores the same windows leave inference off at the next start: a library may have killed it. A hundred times as many in a day do so in any case.";
    config.deaths_max = reader.number("infer.deaths_max", config.deaths_max, 1, doc);
    config.llm = infer_llm::read(reader);
    if config.budget > BUDGET_MAX {
        let message = format!("{} is more than {BUDGET_MAX}", config.budget);
        reader.complain("infer.budget", message, format!("1 to {BUDGET_MAX}"));
    }
    config
}

fn runtime(reader: &mut Reader, config: &mut InferConfig) {
    let runtimes =
        [("auto", Runtime::Auto), ("tract", Runtime::Tract), ("onnxruntime", Runtime::OnnxRuntime)];
    let doc = "What runs models: `tract` is part of the program, `onnxruntime` is a library and faster, `auto` takes the library where one is found. What is named here and cannot be had stops the start.";
    config.runtime =
        reader.choice("infer.runtime", "auto", &runtimes, doc).unwrap_or(Runtime::Auto);
    let doc = "The library of ONNX Runtime (1.17 or newer) or its folder. Without it: ORT_DYLIB_PATH, beside the program, the system's folders.";
    config.library = reader.optional_text("infer.library", doc).map(PathBuf::from);
    let devices = [("cpu", Device::Cpu), ("cuda", Device::Cuda)];
    let doc = "`cuda` runs models on the first graphics card, with a library of ONNX Runtime that was built for it.";
    config.device = reader.choice("infer.device", "cpu", &devices, doc).unwrap_or(Device::Cpu);
    if config.runtime == Runtime::Tract && config.device == Device::Cuda {
        let hint = "infer.runtime = \"onnxruntime\", or infer.device = \"cpu\"".to_owned();
        reader.complain("infer.device", "tract runs on the processor only".to_owned(), hint);
    }
    if config.runtime == Runtime::Tract && config.library.is_some() {
        let hint = "infer.runtime = \"onnxruntime\" or \"auto\", or leave the library out";
        let message = "a library is named and would not be used".to_owned();
        reader.complain("infer.library", message, hint.to_owned());
    }
    let doc = "Threads that score windows and explain those that stand out, each with models of its own. 0: half of the cores, at least two where there are two and at most four. Results do not depend on it.";
    config.threads = reader.number("infer.threads", config.threads, 0, doc);
    if config.threads > THREADS_MAX {
        let message = format!("{} is more than {THREADS_MAX}", config.threads);
        reader.complain("infer.threads", message, format!("0 to {THREADS_MAX}"));
    }
}

fn windows(reader: &mut Reader, config: &mut InferConfig) {
    let doc = "Event time that one window spans, in whole seconds. A model is made for one length.";
    config.window = reader.duration("infer.window", config.window, doc);
    let doc = "Event time from one window to the next; it divides infer.window. A model is made for one interval.";
    config.interval = reader.duration("infer.interval", config.interval, doc);
    let doc = "How much event time must pass after a window's end before it is judged: later events are not in it.";
    config.lateness = reader.duration("infer.lateness", config.lateness, doc);
    let whole = |time: Duration| time.subsec_nanos() == 0 && !time.is_zero();
    let (window, interval) = (config.window, config.interval);
    if !whole(window) || window > WINDOW_MAX {
        let message = "a window is 1 second to 1 hour, in whole seconds".to_owned();
        reader.complain("infer.window", message, "infer.window = \"3m\"".to_owned());
        config.window = InferConfig::default().window;
    }
    if !whole(interval) || !window.as_secs().is_multiple_of(interval.as_secs().max(1)) {
        let message = "an interval is whole seconds and divides infer.window".to_owned();
        reader.complain("infer.interval", message, "infer.interval = \"30s\"".to_owned());
        config.interval = config.window;
    }
    if config.window.as_secs() / config.interval.as_secs().max(1) > INTERVALS_MAX {
        let message = format!("infer.window is more than {INTERVALS_MAX} intervals");
        reader.complain("infer.interval", message, "infer.interval = \"30s\"".to_owned());
    }
    if config.lateness > LATENESS_MAX {
        let message = "nothing waits longer than an hour".to_owned();
        reader.complain("infer.lateness", message, "infer.lateness = \"500ms\"".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::Origin;

    fn config_of(keys: &[(&str, &str)]) -> (InferConfig, Vec<String>) {
        let mut reader = Reader::default();
        for (key, value) in keys {
            reader.set(key, value, Origin::Default);
        }
        let config = read(&mut reader);
        (config, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn two_threads_score_wherever_there_are_two_cores() {
        assert_eq!([1, 2, 3, 4, 6, 8, 64].map(threads_on), [1, 2, 2, 2, 3, 4, 4]);
    }

    #[test]
    fn an_empty_section_is_the_default() {
        let (config, problems) = config_of(&[]);
        assert_eq!((config, problems), (InferConfig::default(), Vec::new()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_key() {
        let refused = |keys: &[(&str, &str)], key: &str| {
            let (_, problems) = config_of(keys);
            assert!(problems.len() == 1 && problems[0].contains(key), "{keys:?}: {problems:?}");
        };
        refused(&[("infer.runtime", "torch")], "infer.runtime");
        refused(&[("infer.runtime", "tract"), ("infer.device", "cuda")], "infer.device");
        refused(&[("infer.runtime", "tract"), ("infer.library", "/x.so")], "infer.library");
        refused(&[("infer.interval", "50s")], "infer.interval");
        refused(&[("infer.interval", "0s")], "infer.interval");
        refused(&[("infer.window", "90m")], "infer.window");
        refused(&[("infer.budget", "1000")], "infer.budget");
        refused(&[("infer.threads", "65")], "infer.threads");
        refused(&[("infer.window", "1h"), ("infer.interval", "30s")], "infer.interval");
        refused(&[("infer.lateness", "2h")], "infer.lateness");
    }
}
