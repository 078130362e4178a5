//! A changed configuration of a running daemon: what can change while it runs is in force at once, all of it or, when a key is
//! wrong, nothing; what cannot is named.

use crate::config::Config;
use crate::config::reader::ConfigProblem;
use crate::pipeline::infer;
use crate::pipeline::shared::{Health, Shared};

/// The key of the problem in the health report, and of the line in the status.
const TOPIC: &str = "config";

/// What came of a changed configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Sections that changed and are in force.
    pub applied: Vec<&'static str>,
    /// Sections that changed and are in force after a restart.
    pub restart: Vec<&'static str>,
}

/// Take what can change while it runs from `new` into `current`, which is what is in force.
pub fn apply(current: &mut Config, new: Config, shared: &Shared) -> Reloaded {
    let mut reloaded = Reloaded::default();
    let differs = |one: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
        format!("{one:?}") != format!("{other:?}")
    };
    let fixed: [(&'static str, bool); 16] = [
        ("data_dir", current.data_dir != new.data_dir),
        ("roles", current.roles != new.roles),
        ("collect", current.collect != new.collect),
        ("sources", differs(&current.sources, &new.sources)),
        ("rules", differs(&current.rules, &new.rules)),
        ("signals", differs(&current.signals, &new.signals)),
        ("metrics", differs(&current.metrics, &new.metrics)),
        ("mappings", differs(&current.mappings, &new.mappings)),
        ("sinks", differs(&current.sinks, &new.sinks)),
        ("store", differs(&current.store, &new.store)),
        ("alert", differs(&current.alert, &new.alert)),
        ("assets", differs(&current.assets, &new.assets)),
        ("api", differs(&current.api, &new.api)),
        ("redact", differs(&current.redact, &new.redact)),
        ("infer", infer::reload::needs_restart(&current.infer, &new.infer)),
        ("limits", differs(&current.limits, &new.limits)),
    ];
    reloaded.restart.extend(fixed.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name));
    if current.backup != new.backup {
        reloaded.restart.push("backup");
    }
    if current.retention != new.retention {
        reloaded.applied.push("retention");
        current.retention = new.retention;
    }
    if current.infer != new.infer && !infer::reload::needs_restart(&current.infer, &new.infer) {
        reloaded.applied.push("infer");
        shared.want_models(new.infer.clone());
        current.infer = new.infer;
    }
    if current.gaps != new.gaps {
        reloaded.applied.push("gaps");
        current.gaps = new.gaps;
    }
    shared.update(|snapshot| {
        snapshot.retention_config = current.retention.clone();
        snapshot.gaps_config = current.gaps.clone();
    });
    // Files of rules are looked at again in any case: that is what people send the signal for.
    shared.ask_for_rules();
    let list = |names: &[&str]| names.join(", ");
    let text = match (reloaded.applied.is_empty(), reloaded.restart.is_empty()) {
        (true, true) => "read again, nothing changed".to_owned(),
        (false, true) => format!("in force: {}", list(&reloaded.applied)),
        (true, false) => format!("after a restart: {}", list(&reloaded.restart)),
        (false, false) => {
            let (applied, restart) = (list(&reloaded.applied), list(&reloaded.restart));
            format!("in force: {applied}; after a restart: {restart}")
        }
    };
    let waits = (!reloaded.restart.is_empty()).then(|| {
        let names = list(&reloaded.restart);
        (Health::Degraded, format!("the configuration changed; restart to use the new {names}"))
    });
    shared.set_problem(TOPIC, waits);
    let number = |names: &[&str]| i64::try_from(names.len()).unwrap_or(0);
    let numbers = vec![
        ("sections_applied", number(&reloaded.applied)),
        ("sections_waiting", number(&reloaded.restart)),
    ];
    shared.set_upkeep(TOPIC, text, numbers);
    reloaded
}

/// The changed configuration is wrong: the old one stays in force, and everybody is told.
pub fn refuse(problems: &[ConfigProblem], shared: &Shared) {
    let first =
        problems.first().map_or_else(|| "it cannot be read".to_owned(), ToString::to_string);
    let more = problems.len().saturating_sub(1);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let text =
        format!("the changed configuration is refused, the old one stays in force: {first}{more}");
    tracing::error!(problems = problems.len(), "{text}");
    shared.set_problem(TOPIC, Some((Health::Degraded, text)));
}
