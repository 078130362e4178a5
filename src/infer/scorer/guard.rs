//! A marker on disk while windows are being scored, so that a start knows that the program died doing it.
//!
//! Native code can end the process; nothing in the process survives to tell. Two such deaths leave inference off at the next
//! start. A death is forgotten when the windows of that time were scored without another: then it was somebody's `kill`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::stdx::time::Timestamp;

/// The marker's name in the data folder.
pub const FILE: &str = "infer.guard";
/// Deaths that leave inference off.
pub const DEATHS_MAX: usize = 2;
/// Deaths in a day that leave inference off even where the same windows passed afterwards.
const DEATHS_A_DAY: usize = 100;
/// Windows that are named in the marker.
const WINDOWS_MAX: usize = 1_000;
/// Blanks behind the marker beyond which the file is cut.
const BLANKS_MAX: usize = 4_096;
const DAY_S: i64 = 86_400;

/// The marker.
#[derive(Debug)]
pub struct Guard(Mutex<Marker>);

#[derive(Debug)]
struct Marker {
    /// Kept open, and written over: a new file each time would wait for the disk, twice a window.
    file: File,
    length: usize,
    form: Form,
}

/// May windows be scored?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Yes.
    On,
    /// No, and why.
    Off(String),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Form {
    /// Models and runtime; another setup begins anew.
    setup: String,
    /// Windows that are being scored.
    #[serde(default)]
    inside: Vec<String>,
    /// Deaths that nothing has taken back.
    #[serde(default)]
    deaths: Vec<Death>,
    /// Seconds since 1970 of all deaths of the last day.
    #[serde(default)]
    times: Vec<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Death {
    at: i64,
    windows: Vec<String>,
}

impl Guard {
    /// Look at what the last process left. `setup` names models and runtime.
    pub fn open(
        folder: &Path,
        setup: &str,
        deaths_max: usize,
        now: Timestamp,
    ) -> io::Result<(Guard, Start)> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        let mut form = serde_json::from_slice::<Form>(&bytes).unwrap_or_default();
        if form.setup != setup {
            form = Form { setup: setup.to_owned(), ..Form::default() };
        }
        let now = now.seconds();
        if !form.inside.is_empty() {
            form.deaths.push(Death { at: now, windows: std::mem::take(&mut form.inside) });
            form.times.push(now);
        }
        form.times.retain(|at| now - at < DAY_S);
        let start = verdict(&form, &path, deaths_max.max(1));
        let file = File::options().write(true).create(true).truncate(false).open(&path)?;
        let mut marker = Marker { file, length: bytes.len(), form };
        marker.write()?;
        Ok((Guard(Mutex::new(marker)), start))
    }

    /// These windows are about to be scored.
    pub fn enter(&self, windows: &[String]) -> io::Result<()> {
        let mut marker = self.0.lock();
        let room = WINDOWS_MAX.saturating_sub(marker.form.inside.len());
        marker.form.inside.extend(windows.iter().take(room).cloned());
        marker.write()
    }

    /// They were, whatever came of it.
    pub fn leave(&self, windows: &[String]) -> io::Result<()> {
        let mut marker = self.0.lock();
        let form = &mut marker.form;
        form.inside.retain(|window| !windows.contains(window));
        for death in &mut form.deaths {
            death.windows.retain(|window| !windows.contains(window));
        }
        form.deaths.retain(|death| !death.windows.is_empty());
        marker.write()
    }

    /// The process ends in order.
    pub fn close(&self) -> io::Result<()> {
        let mut marker = self.0.lock();
        marker.form.inside.clear();
        marker.write()
    }
}

impl Marker {
    /// In one write, with blanks over what was longer: the death of the process leaves the old marker or the new one. That
    /// of the machine is none of ours, so nothing waits for the disk.
    fn write(&mut self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.form)?;
        let length = text.len();
        text.resize(length.max(self.length), b' ');
        // Also where the write ends half-way, as on a full disk: the next one covers it.
        self.length = text.len();
        self.file.write_all_at(&text, 0)?;
        if self.length > length + BLANKS_MAX {
            self.file.set_len(length as u64)?;
            self.length = length;
        }
        Ok(())
    }
}

fn verdict(form: &Form, file: &Path, deaths_max: usize) -> Start {
    let day_max = deaths_max.saturating_mul(DEATHS_A_DAY);
    let (deaths, today) = (form.deaths.len(), form.times.len());
    if deaths < deaths_max && today < day_max {
        return Start::On;
    }
    let count = deaths.max(if today < day_max { 0 } else { today });
    let last = form.times.last().or(form.deaths.last().map(|death| &death.at));
    let last = last.map(|at| format!(", last before {}", Timestamp::from_seconds(*at)));
    let last = last.unwrap_or_default();
    Start::Off(format!(
        "inference is off: the program died {count} times while it scored windows with {}{last} (use another \
         infer.runtime, infer.library or infer.models, or remove {} to try again)",
        form.setup,
        file.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + second)
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    /// A process that enters and is gone.
    fn die(folder: &Path, setup: &str, windows: &[&str], second: i64) -> Start {
        let (guard, start) = Guard::open(folder, setup, DEATHS_MAX, at(second)).unwrap();
        guard.enter(&names(windows)).unwrap();
        start
    }

    #[test]
    fn two_deaths_leave_it_off_until_the_setup_changes() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(die(folder.path(), "m on ort", &["a", "b"], 0), Start::On);
        assert_eq!(die(folder.path(), "m on ort", &["a"], 1), Start::On);
        let (_, start) = Guard::open(folder.path(), "m on ort", DEATHS_MAX, at(2)).unwrap();
        let Start::Off(said) = start else { panic!() };
        assert!(said.starts_with("inference is off: the program died 2 times"), "{said}");
        assert!(said.contains("m on ort") && said.contains(FILE), "{said}");
        let (_, start) = Guard::open(folder.path(), "m on ort", DEATHS_MAX, at(3)).unwrap();
        assert!(matches!(start, Start::Off(_)), "it stays off");
        let (_, start) = Guard::open(folder.path(), "m on tract", DEATHS_MAX, at(4)).unwrap();
        assert_eq!(start, Start::On);
    }

    #[test]
    fn a_kill_is_forgotten_when_the_same_windows_pass() {
        let folder = tempfile::tempdir().unwrap();
        for second in 0..10 {
            assert_eq!(die(folder.path(), "m", &["w"], 2 * second), Start::On, "{second}");
            let (guard, start) =
                Guard::open(folder.path(), "m", DEATHS_MAX, at(2 * second + 1)).unwrap();
            assert_eq!(start, Start::On);
            guard.enter(&names(&["w"])).unwrap();
            guard.leave(&names(&["w"])).unwrap();
        }
        for second in 20..220 {
            die(folder.path(), "m", &["w"], second);
            let (guard, _) = Guard::open(folder.path(), "m", DEATHS_MAX, at(second)).unwrap();
            guard.leave(&names(&["w"])).unwrap();
        }
        let (_, start) = Guard::open(folder.path(), "m", DEATHS_MAX, at(40)).unwrap();
        assert!(matches!(start, Start::Off(_)), "but not without end in one day");
    }

    #[test]
    fn an_orderly_end_is_no_death_and_a_damaged_marker_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        for second in 0..3 {
            let (guard, start) = Guard::open(folder.path(), "m", DEATHS_MAX, at(second)).unwrap();
            assert_eq!(start, Start::On);
            guard.enter(&names(&["w"])).unwrap();
            guard.close().unwrap();
        }
        fs::write(folder.path().join(FILE), "{\"setup\":").unwrap();
        assert_eq!(Guard::open(folder.path(), "m", DEATHS_MAX, at(9)).unwrap().1, Start::On);
    }

    #[test]
    fn a_shorter_marker_leaves_nothing_of_a_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let (guard, _) = Guard::open(folder.path(), "m", DEATHS_MAX, at(0)).unwrap();
        let read = || -> Form {
            serde_json::from_slice(&fs::read(folder.path().join(FILE)).unwrap()).unwrap()
        };
        for count in [3, 900, 1, 40] {
            let many: Vec<String> = (0..count).map(|number| format!("window {number}")).collect();
            guard.enter(&many).unwrap();
            assert_eq!(read().inside, many);
            guard.leave(&many).unwrap();
            assert!(read().inside.is_empty());
        }
        let left = fs::metadata(folder.path().join(FILE)).unwrap().len();
        assert!(left < 2 * BLANKS_MAX as u64, "{left}");
    }
}
