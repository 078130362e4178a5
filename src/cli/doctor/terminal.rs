//! The terminal, as far as its environment and the system say: it is asked nothing.

use std::io::IsTerminal;
use std::process::Command;

use crate::cli::doctor::Findings;
use crate::config::ui::UiConfig;
use crate::tui::paint::theme::{Depth, GlyphSet};
use crate::tui::run;
use crate::tui::term::capability::capability;

/// The screens are made for this size; smaller ones leave things out.
const COLUMNS_MIN: u16 = 80;
const ROWS_MIN: u16 = 24;
/// A longer wait makes the escape key and alt chords feel broken (milliseconds).
const ESCAPE_TIME_MAX_MS: u64 = 50;

pub(super) fn look(ui: Option<&UiConfig>, findings: &mut Findings) {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let glyphs = ui.map_or("unicode", |ui| ui.glyphs.as_str());
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if is_terminal {
        kind(&variable, glyphs, findings);
        size(findings);
    } else {
        findings.ok("terminal", "none here: scripts need none, the workbench does");
    }
    if variable("TMUX").is_some() {
        tmux(findings);
    }
    if let Some(ui) = ui {
        files(ui, findings);
    }
}

fn kind(variable: &impl Fn(&str) -> Option<String>, glyphs: &str, findings: &mut Findings) {
    let Ok(capability) = capability(variable, glyphs) else {
        let fix = "export TERM=xterm-256color (or what the terminal's documentation says)";
        findings.fail("terminal", "TERM is dumb or unset: the workbench cannot draw", fix);
        return;
    };
    let term = variable("TERM").unwrap_or_default();
    let colours = match capability.depth {
        Depth::None if variable("NO_COLOR").is_some() => "no colours (NO_COLOR is set)",
        Depth::None => "no colours",
        Depth::Sixteen => "16 colours",
        Depth::Indexed => "256 colours",
        Depth::True => "16 million colours",
    };
    if capability.depth == Depth::Sixteen {
        let fix = "export COLORTERM=truecolor, or TERM=xterm-256color, if the terminal can";
        findings.warn("terminal", format!("TERM={term}: {colours}"), fix);
    } else {
        findings.ok("terminal", format!("TERM={term}: {colours}"));
    }
    if capability.glyphs == GlyphSet::Ascii && glyphs != "ascii" {
        let what = "the locale is not UTF-8: lines and marks are drawn in ASCII";
        findings.warn("terminal", what, "export LANG=C.UTF-8");
    } else {
        findings.ok("terminal", "UTF-8 locale, or ASCII as configured");
    }
}

fn size(findings: &mut Findings) {
    let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout()) else {
        findings.warn("terminal", "it does not say its size", "run stty rows 24 columns 80");
        return;
    };
    let (columns, rows) = (size.ws_col, size.ws_row);
    if columns == 0 || rows == 0 {
        findings.warn("terminal", "it does not say its size", "run stty rows 24 columns 80");
        return;
    }
    if columns < COLUMNS_MIN || rows < ROWS_MIN {
        let what = format!("{columns}x{rows} is small: parts of the screens are left out");
        findings.warn("terminal", what, format!("make it {COLUMNS_MIN}x{ROWS_MIN} or larger"));
    } else {
        findings.ok("terminal", format!("{columns}x{rows}"));
    }
}

fn tmux(findings: &mut Findings) {
    let output = Command::new("tmux").args(["show", "-sv", "escape-time"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match text.ok().and_then(|text| text.parse::<u64>().ok()) {
        Some(wait) if wait > ESCAPE_TIME_MAX_MS => findings.warn(
            "tmux",
            format!("escape-time is {wait} ms: the escape key answers late"),
            "tmux set -s escape-time 10 (and the same line in tmux.conf)",
        ),
        Some(wait) => findings.ok("tmux", format!("escape-time {wait} ms")),
        None => {
            findings.warn("tmux", "it does not say its escape-time", "tmux show -s escape-time")
        }
    }
}

fn files(ui: &UiConfig, findings: &mut Findings) {
    match run::keymap(ui.keymap.as_deref()) {
        Ok(keymap) => {
            for problem in &keymap.problems {
                findings.fail("keymap", problem.to_string(), "");
            }
            if keymap.problems.is_empty() {
                findings.ok("keymap", format!("{} keys", keymap.list(None).len()));
            }
        }
        Err(error) => findings.error("keymap", &error),
    }
    match run::themes(&ui.theme) {
        Ok(themes) => {
            let problems = themes.first().map(|theme| theme.problems.as_slice());
            for problem in problems.unwrap_or_default() {
                findings.fail("theme", problem.to_string(), "");
            }
            if problems.is_none_or(<[_]>::is_empty) {
                findings.ok("theme", ui.theme.clone());
            }
        }
        Err(error) => findings.error("theme", &error),
    }
}
