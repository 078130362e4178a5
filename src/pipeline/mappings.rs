//! Mapping files that change while the program runs: read again as a whole, and taken only when nothing is wrong with them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::normalise::Settings;
use crate::normalise::mapping::library::{BUILTIN, files_below};
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::stop::StopToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the wish to stop is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The problem's key in the health report.
const KEY: &str = "mappings";

/// Path, size and time of change of every file.
type Seen = Vec<(std::path::PathBuf, u64, Option<SystemTime>)>;

/// Are there files to look at?
pub(crate) fn are_configured(settings: &Settings) -> bool {
    settings.mappings.paths().iter().any(|path| path != BUILTIN)
}

/// Look until the program stops.
pub(crate) fn watch(settings: &Arc<Settings>, shared: &Shared, stop: &StopToken) {
    report(shared, &settings.mappings.current().problems);
    let mut seen = look(settings);
    let mut waited = Duration::ZERO;
    while !stop.is_stopped() {
        std::thread::sleep(TICK);
        waited += TICK;
        if waited < LOOK_EVERY {
            continue;
        }
        waited = Duration::ZERO;
        let now = look(settings);
        if now == seen {
            continue;
        }
        seen = now;
        match settings.mappings.reload() {
            Ok(()) => {
                tracing::info!("mappings were read again");
                shared.set_problem(KEY, None);
            }
            Err(problems) => report(shared, &problems),
        }
    }
}

fn look(settings: &Settings) -> Seen {
    let mut seen = Seen::new();
    for path in settings.mappings.paths().iter().filter(|path| *path != BUILTIN) {
        for file in files_below(Path::new(path), &mut Vec::new()) {
            let about = std::fs::metadata(&file);
            let size = about.as_ref().map_or(0, std::fs::Metadata::len);
            let changed = about.ok().and_then(|about| about.modified().ok());
            seen.push((file, size, changed));
        }
    }
    seen
}

fn report(shared: &Shared, problems: &[crate::normalise::mapping::MappingProblem]) {
    let Some(first) = problems.first() else { return };
    for problem in problems {
        tracing::warn!(problem = %problem, "mapping is not used");
    }
    let text = format!("{} problems in mapping files, the first: {first}", problems.len());
    shared.set_problem(KEY, Some((Health::Degraded, text)));
}
