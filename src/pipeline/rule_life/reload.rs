//! Rules that change while the program runs: a new set is loaded beside the old one and taken up as a whole, and only
//! when nothing that worked is broken by it.
//!
//! A file counts as changed when two looks in a row see the same: what is being written is waited for. The set that was
//! loaded is thrown away if the files moved meanwhile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::config::rules::RulesConfig;
use crate::detect::files::{BUILTIN, PACK_PREFIX};
use crate::detect::{Loaded, RuleProblem, RuleSet};
use crate::pipeline::muted::Muted;
use crate::pipeline::rule_life::resolve::with_packs;
use crate::pipeline::shared::{Health, Shared};
use crate::pipeline::watch::{Next, Seen, TICK, pause_after, refused, see};
use crate::stdx::stop::StopToken;

/// The key in the health report of rules that do not run.
const KEY: &str = "rules";
/// The key of a change that could not be taken up.
const KEY_KEPT: &str = "rules reload";
/// The key of files that wait for a decision.
const KEY_WAITING: &str = "rules conflicts";

/// What is in force, to compare a new set with.
struct InForce {
    problems: BTreeSet<(String, String)>,
    files: BTreeSet<String>,
}

impl InForce {
    fn of(rules: &RuleSet, problems: &[RuleProblem]) -> InForce {
        let all = rules.rules().iter().chain(rules.unbound());
        InForce {
            problems: problems.iter().map(|one| (one.file.clone(), one.reason.clone())).collect(),
            files: all.map(|rule| rule.file.clone()).collect(),
        }
    }

    /// What is newly wrong with files as a whole, or with files that worked.
    fn broken<'p>(&self, problems: &'p [RuleProblem]) -> Vec<&'p RuleProblem> {
        let known =
            |one: &RuleProblem| self.problems.contains(&(one.file.clone(), one.reason.clone()));
        // What does not compile in a pack was listed when it was imported, and the rest of it is wanted.
        let edited = |one: &RuleProblem| {
            !one.file.starts_with(PACK_PREFIX) && self.files.contains(&one.file)
        };
        let matters = |one: &RuleProblem| one.whole_file || edited(one);
        problems.iter().filter(|one| !known(one) && matters(one)).collect()
    }
}

/// Loads rules at the start and whenever they change.
pub(crate) struct Reloader {
    config: RulesConfig,
    data_dir: PathBuf,
    muted: Arc<Muted>,
    shared: Arc<Shared>,
    next: Arc<Next<RuleSet>>,
    in_force: InForce,
    asked: u64,
    /// What the set in force was loaded from; `None`: the files moved while they were read.
    loaded: Option<Seen>,
}

impl Reloader {
    /// Load what is there now. What does not run is listed, and the rest runs: there is nothing older to keep.
    pub(crate) fn start(
        config: RulesConfig,
        data_dir: &Path,
        muted: Arc<Muted>,
        shared: Arc<Shared>,
        next: Arc<Next<RuleSet>>,
    ) -> (Reloader, Arc<RuleSet>) {
        let asked = shared.rules_asked();
        let resolved = with_packs(&config, data_dir, &muted.book());
        let data_dir = data_dir.to_owned();
        let in_force = InForce { problems: BTreeSet::new(), files: BTreeSet::new() };
        let loaded = None;
        let mut reloader =
            Reloader { config, data_dir, muted, shared, next, in_force, asked, loaded };
        // Looked at before they are read: a change after that is seen as one.
        reloader.loaded = Some(reloader.look());
        let Loaded { rules, problems, warnings } = RuleSet::load(&resolved, &BTreeSet::new());
        let rules = Arc::new(rules);
        reloader.in_force = InForce::of(&rules, &problems);
        reloader.show(&rules, &problems, &warnings, resolved);
        (reloader, rules)
    }

    /// Look until the program stops.
    pub(crate) fn watch(mut self, stop: &StopToken) {
        let mut before = self.look();
        let every = self.config.watch;
        let (mut last, mut pause) = (Instant::now(), every);
        while !stop.is_stopped() {
            std::thread::sleep(TICK);
            let asked = self.shared.rules_asked();
            if asked != self.asked {
                self.asked = asked;
                self.reload();
                continue;
            }
            if every.is_zero() || last.elapsed() < pause {
                continue;
            }
            last = Instant::now();
            let now = self.look();
            pause = pause_after(last.elapsed(), every);
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
        let book = self.muted.book();
        let resolved = with_packs(&self.config, &self.data_dir, &book);
        let before = self.look();
        let started = Instant::now();
        let Loaded { rules, problems, warnings } = RuleSet::load(&resolved, &BTreeSet::new());
        if self.look() != before {
            self.loaded = None;
            return;
        }
        self.loaded = Some(before);
        let broken = self.in_force.broken(&problems);
        if let Some(text) = refused("rules", &broken) {
            self.shared.set_problem(KEY_KEPT, Some((Health::Degraded, text)));
            self.show_waiting();
            return;
        }
        let rules = Arc::new(rules);
        self.in_force = InForce::of(&rules, &problems);
        self.show(&rules, &problems, &warnings, resolved);
        self.shared.set_problem(KEY_KEPT, None);
        tracing::info!(
            rules = rules.rules().len(),
            milliseconds = started.elapsed().as_millis(),
            "rules were read again"
        );
        self.next.put(rules);
    }

    fn show(
        &self,
        rules: &Arc<RuleSet>,
        problems: &[RuleProblem],
        warnings: &[RuleProblem],
        resolved: RulesConfig,
    ) {
        for warning in warnings {
            tracing::warn!(
                file = warning.file,
                line = warning.line,
                reason = warning.reason,
                "rule is probably not meant so"
            );
        }
        for problem in problems {
            tracing::warn!(
                file = problem.file,
                line = problem.line,
                reason = problem.reason,
                "rule does not run"
            );
        }
        let bad = (!problems.is_empty()).then(|| {
            let text =
                format!("{} rules do not run: watchfloor rules check lists them", problems.len());
            (Health::Degraded, text)
        });
        self.shared.set_problem(KEY, bad);
        self.show_waiting();
        self.muted.set_recommended(Arc::clone(rules.recommended()));
        self.shared.update(|snapshot| {
            snapshot.set_rules(rules.rules());
            snapshot.rules_config = Arc::new(resolved);
            snapshot.rules_failed = problems.len();
        });
    }

    fn show_waiting(&self) {
        let book = self.muted.book();
        let waiting: usize = book.packs.iter().map(|pack| pack.conflicts.len()).sum();
        let text = format!(
            "{waiting} edited rule files do not fit their pack's new version: watchfloor rules conflicts shows them"
        );
        let problem = (waiting > 0).then_some((Health::Degraded, text));
        self.shared.set_problem(KEY_WAITING, problem);
    }

    /// Every file whose change matters. Versions of packs never change, so only edits of them are looked at.
    fn look(&self) -> Seen {
        let mut seen = Seen::new();
        let paths = self.config.paths.iter();
        for path in paths.filter(|path| *path != BUILTIN && !path.starts_with(PACK_PREFIX)) {
            see(Path::new(path), true, &mut seen);
        }
        let folders = super::Folders::of(&self.data_dir);
        for pack in &self.muted.book().packs {
            see(&folders.local(&pack.name), false, &mut seen);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_worked_and_does_not_any_more_keeps_the_old_set_and_news_that_do_not_run_do_not() {
        let rule = |file: &str, id: &str| {
            let text = format!(
                "title: {id}\nid: {id}\nlogsource: {{product: linux, service: sshd}}\ndetection: {{s: {{message: x}}, condition: s}}\n"
            );
            std::fs::write(file, text).unwrap();
        };
        let dir = tempfile::tempdir().unwrap();
        let name = |file: &str| dir.path().join(file).display().to_string();
        rule(&name("a.yml"), "a");
        std::fs::write(dir.path().join("old.yml"), "no: [rule\n").unwrap();
        let paths = vec![dir.path().display().to_string()];
        let config = RulesConfig { paths, ..RulesConfig::default() };
        let loaded = RuleSet::load(&config, &BTreeSet::new());
        assert_eq!(loaded.problems.len(), 1);
        let in_force = InForce::of(&loaded.rules, &loaded.problems);
        let broken = |problem: RuleProblem| in_force.broken(&[problem]).len();
        let odd = || "is odd".to_owned();
        assert_eq!(in_force.broken(&loaded.problems).len(), 0, "it was that way before");
        assert_eq!(broken(RuleProblem::new(name("a.yml"), 1, odd())), 1);
        assert_eq!(broken(RuleProblem::new(name("new.yml"), 1, odd())), 0);
        assert_eq!(broken(RuleProblem::of_file(name("new.yml"), 1, odd())), 1);
        assert_eq!(broken(RuleProblem::new("pack:p/a.yml".to_owned(), 1, odd())), 0);
        assert_eq!(broken(RuleProblem::of_file("pack:p/a.yml".to_owned(), 0, odd())), 1);
    }
}
