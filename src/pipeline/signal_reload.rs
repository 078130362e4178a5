//! Signals that change while the program runs, as rules do: a new set is loaded beside the old one and taken up as a
//! whole, and only when nothing that worked is broken by it. Signals that stayed as they were keep their state.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::config::signals::SignalsConfig;
use crate::pipeline::shared::{Health, Shared};
use crate::pipeline::watch::{Next, Seen, TICK, refused, see};
use crate::signal::files::BUILTIN;
use crate::signal::load::Issue;
use crate::signal::{self, Loaded, SignalProblem, SignalSet};
use crate::stdx::stop::StopToken;

/// The key in the health report of signals that do not run.
const KEY: &str = "signals";
/// The key of a change that could not be taken up.
const KEY_KEPT: &str = "signals reload";

/// What is in force, to compare a new set with.
#[derive(Debug, Default)]
struct InForce {
    problems: BTreeSet<(String, String, String)>,
    files: BTreeSet<String>,
}

impl InForce {
    fn of(loaded: &Loaded) -> InForce {
        InForce {
            problems: loaded.problems.iter().map(about).collect(),
            files: loaded.set.signals().iter().map(|signal| signal.info.file.clone()).collect(),
        }
    }

    /// What is newly wrong with files as a whole, or with files that worked.
    fn broken<'p>(&self, problems: &'p [SignalProblem]) -> Vec<&'p SignalProblem> {
        let whole = |one: &SignalProblem| matches!(one.issue, Issue::File(_) | Issue::Yaml(_));
        let matters = |one: &SignalProblem| whole(one) || self.files.contains(&one.file);
        let news = problems.iter().filter(|one| !self.problems.contains(&about(one)));
        news.filter(|one| matters(one)).collect()
    }
}

/// A problem without its line: that moves when something above it changes.
fn about(problem: &SignalProblem) -> (String, String, String) {
    (problem.file.clone(), problem.key.clone(), problem.issue.to_string())
}

/// Loads signals at the start and whenever their files change.
pub(crate) struct Reloader {
    config: SignalsConfig,
    shared: Arc<Shared>,
    next: Arc<Next<SignalSet>>,
    in_force: InForce,
    /// What the set in force was loaded from; `None`: the files moved while they were read.
    loaded: Option<Seen>,
}

impl Reloader {
    /// Load what is there now. What does not run is listed, and the rest runs: there is nothing older to keep.
    pub(crate) fn start(
        config: SignalsConfig,
        shared: Arc<Shared>,
        next: Arc<Next<SignalSet>>,
    ) -> (Reloader, Arc<SignalSet>) {
        let mut reloader =
            Reloader { config, shared, next, in_force: InForce::default(), loaded: None };
        // Looked at before they are read: a change after that is seen as one.
        reloader.loaded = Some(reloader.look());
        let loaded = signal::load(&reloader.config);
        let set = reloader.show(loaded);
        (reloader, set)
    }

    /// Can anything change?
    pub(crate) fn has_files(&self) -> bool {
        !self.config.watch.is_zero() && self.config.paths.iter().any(|path| path != BUILTIN)
    }

    /// Look until the program stops.
    pub(crate) fn watch(mut self, stop: &StopToken) {
        let mut before = self.look();
        let mut last = Instant::now();
        while !stop.is_stopped() {
            std::thread::sleep(TICK);
            if last.elapsed() < self.config.watch {
                continue;
            }
            last = Instant::now();
            let now = self.look();
            let still = now == before;
            before = now;
            if still && self.loaded.as_ref() != Some(&before) {
                self.reload();
            }
        }
    }

    /// Load a set beside the one in force and offer it if nothing is broken by it. If the files moved meanwhile, the next
    /// two looks that agree try again.
    fn reload(&mut self) {
        let before = self.look();
        let started = Instant::now();
        let loaded = signal::load(&self.config);
        if self.look() != before {
            self.loaded = None;
            return;
        }
        self.loaded = Some(before);
        let broken = self.in_force.broken(&loaded.problems);
        if let Some(text) = refused("signals", &broken) {
            self.shared.set_problem(KEY_KEPT, Some((Health::Degraded, text)));
            return;
        }
        let set = self.show(loaded);
        self.shared.set_problem(KEY_KEPT, None);
        tracing::info!(
            signals = set.signals().len(),
            milliseconds = started.elapsed().as_millis(),
            "signals were read again"
        );
        self.next.put(set);
    }

    /// This is in force now: say what does not run.
    fn show(&mut self, loaded: Loaded) -> Arc<SignalSet> {
        for problem in &loaded.problems {
            tracing::warn!(problem = %problem, "signal does not run");
        }
        let number = loaded.problems.len();
        let text =
            format!("{number} problems in signal files: watchfloor signals check lists them");
        self.shared.set_problem(KEY, (number > 0).then_some((Health::Degraded, text)));
        self.in_force = InForce::of(&loaded);
        let set = Arc::new(loaded.set);
        self.shared.update(|snapshot| {
            let infos = set.signals().iter().map(|signal| Arc::clone(&signal.info));
            snapshot.set_signals(infos.collect());
            snapshot.signal_set = Arc::clone(&set);
            snapshot.signals_failed = number;
        });
        set
    }

    /// Every file whose change matters.
    fn look(&self) -> Seen {
        let mut seen = Seen::new();
        for path in self.config.paths.iter().filter(|path| *path != BUILTIN) {
            see(Path::new(path), true, &mut seen);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_worked_and_does_not_any_more_keeps_the_old_set_and_news_that_do_not_run_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let good = "title: a\nid: a-a\nwhen: {event.action: x}\nalert: {each: true}\n";
        file("a.yml", good);
        file("old.yml", "title: [a\n");
        let paths = vec![dir.path().display().to_string()];
        let config = SignalsConfig { paths, ..SignalsConfig::default() };
        let load = || signal::load(&config);
        let in_force = InForce::of(&load());
        let broken = || in_force.broken(&load().problems).len();
        assert_eq!((load().set.signals().len(), broken()), (1, 0), "it was that way before");
        file("new.yml", &good.replace("event.action: x", ""));
        assert_eq!(broken(), 0, "a new signal that does not run is listed");
        file("new.yml", good.get(..17).unwrap());
        assert_eq!(broken(), 0, "half of it that is whole YAML too");
        file("new.yml", "title: a\nid: \"b-b\nwhen");
        assert_eq!(broken(), 1, "half of it that is no YAML waits for the rest");
        std::fs::remove_file(dir.path().join("new.yml")).unwrap();
        file("a.yml", &format!("# one line more\n{}", good.replace("each", "eech")));
        assert!(broken() > 0, "what worked is broken");
        file("a.yml", "");
        assert_eq!(broken(), 1, "the moment before it is written again takes nothing away");
        file("a.yml", &good.replace("title: a", "title: b"));
        assert_eq!(broken(), 0);
        std::fs::remove_file(dir.path().join("a.yml")).unwrap();
        assert_eq!(broken(), 0, "a file that is taken away is meant so");
    }
}
