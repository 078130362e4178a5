//! A progress bar on standard error, only when a person watches it.

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output;
use crate::pipeline::inputs::Watcher;

/// Bytes read of bytes to read.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over bytes of files, hidden unless wanted and standard error is a terminal.
    pub(crate) fn files(wanted: bool) -> Progress {
        if !wanted || !output::progress_wanted() {
            return Progress { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new(0);
        let template = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Progress { bar }
    }

    /// A bar over events, hidden unless standard error is a terminal.
    pub(crate) fn events() -> Progress {
        if !output::progress_wanted() {
            return Progress { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new(0);
        let template = "{bar:30} {human_pos}/{human_len} events  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Progress { bar }
    }

    /// So many are left; the first word says how many there are.
    pub(crate) fn left(&self, left: u64) {
        let all = self.bar.length().unwrap_or(0).max(left);
        self.bar.set_length(all);
        self.bar.set_position(all - left);
    }

    /// Take the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watcher for Progress {
    fn expect_bytes(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn read_bytes(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}
