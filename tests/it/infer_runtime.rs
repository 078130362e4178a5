//! Both runtimes in one process, held to each other; libraries that are none, too old, or deadly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use watchfloor::config::infer::{Device, InferConfig, Runtime};
use watchfloor::infer::Tensors;
use watchfloor::infer::artifact::load::{Expected, Source, load};
use watchfloor::infer::artifact::{Manifest, Model};
use watchfloor::infer::scorer::compare::{compare, made_up};
use watchfloor::infer::scorer::guard::{DEATHS_MAX, Guard, Start};
use watchfloor::infer::scorer::onnxruntime::Library;
use watchfloor::infer::scorer::pool::{Engine, Pool, Scorers, Window};
use watchfloor::infer::scorer::{Backend, GraphScorer, Scorer, Wants, choose};
use watchfloor::model::platform::Platform;
use watchfloor::stdx::time::Timestamp;

use crate::support::onnxruntime::library;
use crate::support::tiny_model::{Spec, window};

/// How far the two runtimes may be apart.
const AGREEMENT: f32 = 1e-5;

fn onnxruntime() -> Option<Backend> {
    let library = Library::load(&library()?, Device::Cpu);
    Some(Backend::OnnxRuntime(library.unwrap_or_else(|error| panic!("{error}"))))
}

fn model(spec: &Spec) -> (tempfile::TempDir, Arc<Model>) {
    let folder = tempfile::tempdir().unwrap();
    spec.write(folder.path());
    let models = load(&Source::Folder(folder.path().to_owned()), &spec.expected()).unwrap();
    (folder, Arc::new(models.into_iter().next().unwrap()))
}

fn sizes() -> Vec<Spec> {
    let linux = Spec { attack: false, platform: "linux", ..Spec::default() };
    let next = Spec { opset: 17, hidden: 32, heads: 4, members: 3, ..Spec::default() };
    vec![Spec::default(), linux, next, Spec { members: 1, ..Spec::full_size() }]
}

/// Models that somebody else wants to be held to this too: `WATCHFLOOR_TEST_MODELS` names a folder, and what they say of their
/// widths is believed.
fn others() -> Vec<Arc<Model>> {
    let Some(folder) = std::env::var_os("WATCHFLOOR_TEST_MODELS").map(PathBuf::from) else {
        return Vec::new();
    };
    let mut models = Vec::new();
    for inner in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(text) = std::fs::read_to_string(inner.join("manifest.toml")) else { continue };
        let manifest = Manifest::parse("manifest.toml", &text).unwrap();
        let expected = Expected {
            feature_version: manifest.feature_version.0.clone(),
            inputs: manifest.inputs,
            window_s: manifest.window_s,
            interval_s: manifest.interval_s,
        };
        let loaded = load(&Source::Folder(inner), &expected);
        models
            .extend(loaded.unwrap_or_else(|faults| panic!("{faults:?}")).into_iter().map(Arc::new));
    }
    models
}

#[test]
fn both_runtimes_agree_on_every_model_and_every_size_of_window() {
    let Some(onnxruntime) = onnxruntime() else { return };
    let backends = [Backend::Tract, onnxruntime];
    let shipped = load(&Source::Builtin, &Expected::of(&InferConfig::default())).unwrap();
    let mut models: Vec<Arc<Model>> = shipped.into_iter().map(Arc::new).collect();
    models.extend(others());
    let made: Vec<_> = sizes().iter().map(model).collect();
    models.extend(made.iter().map(|(_, model)| Arc::clone(model)));
    for model in models {
        let compared = compare(&model, &backends).unwrap_or_else(|fault| panic!("{fault}"));
        let [tract, other] = &compared[..] else { panic!("{compared:?}") };
        eprintln!(
            "{} ({} members): {} and {} differ by at most {:e}; {:.2} and {:.2} ms for 100 nodes",
            model.manifest.id(),
            model.members.len(),
            tract.runtime,
            other.runtime,
            other.difference,
            tract.milliseconds,
            other.milliseconds,
        );
        assert!(other.difference <= AGREEMENT, "{}: {}", model.place, other.difference);
        assert!(other.difference > 0.0, "two runtimes that never differ are one");
    }
}

#[test]
fn scores_of_both_runtimes_are_the_same_and_in_range() {
    let Some(onnxruntime) = onnxruntime() else { return };
    for spec in sizes() {
        let (_folder, model) = model(&spec);
        let mut tract = GraphScorer::open(Arc::clone(&model), &Backend::Tract).unwrap();
        let mut other = GraphScorer::open(Arc::clone(&model), &onnxruntime).unwrap();
        for (nodes, forward) in [(2, 0), (2, 1), (3, 2), (40, 100), (256, 2_048)] {
            let window = window(&spec, nodes, forward, 5);
            let wants = Wants { anomaly: true };
            let (a, b) =
                (tract.score(&window, wants).unwrap(), other.score(&window, wants).unwrap());
            assert!((a.score - b.score).abs() <= AGREEMENT, "{a:?} {b:?}");
            assert!((a.anomaly.unwrap() - b.anomaly.unwrap()).abs() <= AGREEMENT);
            assert_eq!(a.members.len() as u64, spec.members);
            assert!(a.members.iter().all(|score| (0.0..=1.0).contains(score)));
            assert_eq!(a.embedding.len(), spec.hidden);
            assert!(forward > 0 || a.anomaly == Some(0.0), "no edge is no surprise");
        }
    }
}

#[test]
fn windows_that_are_none_are_errors_on_both_runtimes() {
    let backends = std::iter::once(Backend::Tract).chain(onnxruntime());
    let spec = Spec::default();
    let (_folder, model) = model(&spec);
    for backend in backends {
        let mut scorer = GraphScorer::open(Arc::clone(&model), &backend).unwrap();
        let good = window(&spec, 10, 20, 1);
        let mut refused = |window: Tensors, said: &str| {
            let error = scorer.score(&window, Wants::default()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        };
        refused(Tensors::default(), "too few nodes");
        refused(window(&spec, 1, 0, 1), "too few nodes");
        let mut bad = good.clone();
        bad.node_features[7] = f32::NAN;
        refused(bad, "not finite");
        let mut bad = good.clone();
        bad.edge_index[3] = 10;
        refused(bad, "edge_index holds 10");
        assert!(scorer.score(&good, Wants::default()).is_ok(), "the next window is scored");
    }
}

#[test]
fn the_order_of_nodes_does_not_matter_and_an_edge_does() {
    let spec = Spec::default();
    let (_folder, model) = model(&spec);
    let mut scorer = GraphScorer::open(model, &Backend::Tract).unwrap();
    let inputs = spec.inputs();
    let one = made_up(&inputs, 20, 40);
    let score = scorer.score(&one, Wants::default()).unwrap().score;
    // Node i becomes node 19 - i.
    let turned = Tensors {
        node_features: one
            .node_features
            .chunks(spec.node_features)
            .rev()
            .flatten()
            .copied()
            .collect(),
        node_type: one.node_type.iter().rev().copied().collect(),
        edge_index: one.edge_index.iter().map(|at| 19 - at).collect(),
        ..one.clone()
    };
    let other = scorer.score(&turned, Wants::default()).unwrap().score;
    assert!((score - other).abs() < 1e-6, "{score} {other}");
    let mut moved = one;
    moved.edge_type[0] = (moved.edge_type[0] + 1) % 11;
    let other = scorer.score(&moved, Wants::default()).unwrap().score;
    assert!((score - other).abs() > 1e-6, "{score} {other}");
}

#[test]
fn the_runtime_is_chosen_by_configuration() {
    let Some(path) = library() else { return };
    let config = |runtime, library: Option<&Path>| InferConfig {
        runtime,
        library: library.map(Path::to_owned),
        ..InferConfig::default()
    };
    let chosen = |config: &InferConfig| choose(config).unwrap_or_else(|error| panic!("{error}"));
    let by_file = chosen(&config(Runtime::OnnxRuntime, Some(&path)));
    assert!(
        by_file.line.starts_with("models run on onnxruntime 1.31.1 on cpu"),
        "{}",
        by_file.line
    );
    assert!(by_file.line.ends_with("(infer.library)") && !by_file.fell_back);
    let by_folder = chosen(&config(Runtime::Auto, path.parent()));
    assert!(matches!(by_folder.backend, Backend::OnnxRuntime(_)));
    let tract = chosen(&config(Runtime::Tract, None));
    assert!(matches!(tract.backend, Backend::Tract));
    let cuda = InferConfig { device: Device::Cuda, ..config(Runtime::Auto, Some(&path)) };
    let Err(refused) = choose(&cuda) else { panic!("this library knows no graphics card") };
    assert!(refused.to_string().contains("infer.device = \"cuda\" cannot be had"), "{refused}");
    // A process has one library.
    let copy = tempfile::tempdir().unwrap();
    let other = copy.path().join("libonnxruntime.so");
    std::fs::copy(&path, &other).unwrap();
    let Err(refused) = choose(&config(Runtime::OnnxRuntime, Some(&other))) else { panic!() };
    assert!(refused.to_string().contains("start again to use another library"), "{refused}");
}

#[test]
fn models_are_exchanged_in_a_running_pool_and_taken_back() {
    let backend = onnxruntime().unwrap_or(Backend::Tract);
    let engine = |version: &str| {
        let spec = Spec { version: version.to_owned(), ..Spec::default() };
        let (_folder, model) = model(&spec);
        let backend = backend.clone();
        Engine::new(&model.manifest.id(), move || {
            let scorer = GraphScorer::open(Arc::clone(&model), &backend)?;
            let scorers: Scorers =
                BTreeMap::from([(Platform::Windows, Box::new(scorer) as Box<dyn Scorer>)]);
            Ok(scorers)
        })
    };
    let windows = |from: u64| -> Vec<Window> {
        (from..from + 40)
            .map(|at| Window {
                id: format!("w{at}"),
                platform: Platform::Windows,
                tensors: window(&Spec::default(), 30, 60, at),
                wants: Wants::default(),
            })
            .collect()
    };
    let pool = Pool::start(engine("1"), 2, None).unwrap();
    let models = |scored: Vec<watchfloor::infer::scorer::pool::Scored>| {
        let mut names: Vec<String> = scored.iter().map(|s| s.model.to_string()).collect();
        names.dedup();
        assert!(scored.iter().all(|s| s.result.is_ok()), "{scored:?}");
        names
    };
    assert_eq!(models(pool.score(windows(0))), ["tiny 1"]);
    std::thread::scope(|scope| {
        let under_way =
            scope.spawn(|| pool.score((0..20).flat_map(|at| windows(at * 40)).collect()));
        pool.swap(engine("2")).unwrap();
        let names = models(under_way.join().unwrap());
        assert!(names.iter().all(|name| name == "tiny 1" || name == "tiny 2"), "{names:?}");
    });
    assert_eq!(models(pool.score(windows(0))), ["tiny 2"]);
    assert!(pool.roll_back().unwrap());
    assert_eq!(models(pool.score(windows(0))), ["tiny 1"]);
}

#[test]
fn both_runtimes_are_selected_by_configuration_from_end_to_end() {
    let Some(path) = library() else { return };
    let folder = tempfile::tempdir().unwrap();
    Spec::of_program().write(&folder.path().join("windows-1"));
    let linux = Spec { attack: false, platform: "linux", ..Spec::of_program() };
    linux.write(&folder.path().join("linux-1"));
    let check = |settings: &[String]| {
        let mut command = crate::support::watchfloor(folder.path());
        command.args(["model", "check", folder.path().to_str().unwrap(), "--format", "ndjson"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let output = command.env_remove("ORT_DYLIB_PATH").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let rows: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (rows, said)
    };
    let library = format!("infer.library={}", path.display());
    let (rows, said) = check(&["infer.runtime=onnxruntime".to_owned(), library]);
    assert!(said.contains("models run on onnxruntime 1.31.1 on cpu"), "{said}");
    let runtimes: Vec<&str> = rows.iter().map(|row| row["runtime"].as_str().unwrap()).collect();
    assert_eq!(runtimes.len(), 4, "two models on two runtimes: {rows:?}");
    assert!(runtimes[1].starts_with("onnxruntime 1.31.1") && runtimes[2] == "tract");
    for row in &rows {
        let difference: f32 = row["difference"].as_str().unwrap().parse().unwrap();
        assert!(difference <= AGREEMENT, "{row}");
    }
    let (rows, said) = check(&["infer.runtime=tract".to_owned()]);
    assert!(said.contains("models run on tract, as infer.runtime says"), "{said}");
    assert!(rows.iter().any(|row| row["platform"] == "linux"), "{rows:?}");
}

/// A library made of a few lines of C.
fn stub(folder: &Path, name: &str, code: &str) -> PathBuf {
    let source = folder.join(format!("{name}.c"));
    std::fs::write(&source, code).unwrap();
    let library = folder.join(format!("{name}.so"));
    let made =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(made.unwrap().success());
    library
}

const TOO_OLD: &str = "static const void *api(unsigned v) { return 0; }
static const char *version(void) { return \"1.9.0\"; }
static const struct { const void *(*a)(unsigned); const char *(*v)(void); } base = { api, version };
const void *OrtGetApiBase(void) { return &base; }";
const DEADLY: &str = "#include <stdlib.h>\nconst void *OrtGetApiBase(void) { abort(); }";

#[test]
fn files_that_are_no_library_or_an_old_one_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library at all, ".repeat(1_000)).unwrap();
    let other = stub(folder.path(), "other", "int nothing(void) { return 0; }");
    let old = stub(folder.path(), "old", TOO_OLD);
    for (path, said) in [
        (text, "invalid ELF header"),
        (other, "does not export `OrtGetApiBase`"),
        (old, "expected version >= '1.17.x', but got '1.9.0'"),
        (folder.path().join("missing.so"), "No such file"),
    ] {
        let Err(error) = Library::load(&path, Device::Cpu) else { panic!("{}", path.display()) };
        let error = error.to_string();
        assert!(error.contains(said) || error.contains("is loaded in this process"), "{error}");
        assert!(error.starts_with(&*path.to_string_lossy()), "{error}");
        // In a process of its own nothing is loaded already.
        let output = crate::support::watchfloor(folder.path())
            .args(["model", "check", "--set", &format!("infer.library={}", path.display())])
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains(said), "{printed}");
    }
}

const DIES: &str = "WATCHFLOOR_TEST_DIES";

/// Not a test of its own: the process that the next test starts.
#[test]
fn child_that_loads_a_library() {
    let Some(folder) = std::env::var_os(DIES).map(PathBuf::from) else { return };
    let (guard, start) =
        Guard::open(&folder, "tiny 1 on deadly", DEATHS_MAX, Timestamp::now()).unwrap();
    if let Start::Off(reason) = start {
        println!("OFF {reason}");
        return;
    }
    let library = folder.join("deadly.so");
    let engine = Engine::new("tiny 1 on deadly", move || {
        let loaded = Library::load(&library, Device::Cpu);
        panic!("it lives: {}", loaded.is_ok());
    });
    drop(Pool::start(engine, 1, Some(guard)).map(drop));
    println!("ALIVE");
}

#[test]
fn a_library_that_kills_the_process_is_left_alone_at_the_third_start() {
    let folder = tempfile::tempdir().unwrap();
    stub(folder.path(), "deadly", DEADLY);
    let start = || {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "infer_runtime::child_that_loads_a_library", "--nocapture"])
            .env(DIES, folder.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for _ in 0..2 {
        let (lived, said) = start();
        assert!(!lived && !said.contains("ALIVE"), "{said}");
    }
    let (lived, said) = start();
    assert!(lived, "{said}");
    assert!(said.contains("OFF inference is off: the program died 2 times"), "{said}");
    assert!(said.contains("infer.guard to try again"), "{said}");
}
