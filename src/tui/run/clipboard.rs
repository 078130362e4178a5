//! The clipboard: tmux's own command inside tmux (it drops OSC 52 by default), OSC 52 elsewhere. Success cannot be
//! seen from here, and the message says so.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::stdx::task;
use crate::tui::paint::safe::SafeText;

/// Bytes of text that the clipboard takes; more is cut.
const COPY_BYTES_MAX: usize = 74_000;

/// The way that a copy goes.
pub enum Way {
    /// Bytes for the terminal.
    Terminal(Vec<u8>),
    /// tmux has it.
    Tmux,
}

/// Copy a text, every hidden character made visible. Returns the way and the message for the analyst.
pub fn copy(text: &str, in_tmux: bool) -> (Way, &'static str) {
    let lines: Vec<String> =
        SafeText::block(text).iter().map(|line| line.as_str().to_owned()).collect();
    let mut safe = lines.join("\n");
    while safe.len() > COPY_BYTES_MAX {
        safe.pop();
    }
    if in_tmux {
        let started = task::thread("tmux load-buffer", move || load_buffer(&safe));
        if started.is_ok() {
            return (Way::Tmux, "handed to tmux (load-buffer -w)");
        }
        return (Way::Tmux, "could not be copied: no thread");
    }
    let bytes = format!("\x1b]52;c;{}\x07", STANDARD.encode(safe)).into_bytes();
    (
        Way::Terminal(bytes),
        "sent to the terminal's clipboard (OSC 52; it does not say whether it took it)",
    )
}

fn load_buffer(text: &str) {
    let child = Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => {
            if let Some(mut input) = child.stdin.take() {
                let _ = input.write_all(text.as_bytes());
            }
            let _ = child.wait();
        }
        Err(error) => tracing::warn!(%error, "tmux could not be started for a copy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::term::guard::Guard;

    #[test]
    fn what_is_copied_passes_the_guard() {
        let (Way::Terminal(bytes), _) = copy(&"a\u{1b}]0;x\u{7}\n".repeat(20_000), false) else {
            panic!("not for the terminal");
        };
        let mut out = Vec::new();
        let mut guard = Guard::default();
        guard.pass(&bytes, &mut out);
        assert_eq!((out, guard.refused()), (bytes, 0));
    }
}
