//! The edits that change the desk's model, and what the model asks others to do. Plain data.

use crate::model::alert::{Action, Alert, AlertId};
use crate::model::desk::{Acted, AlertPage, Problem, StatusReport, Undone};
use crate::stdx::time::Timestamp;
use crate::tui::desk_model::bundles::BundleEdit;
use crate::tui::desk_model::chips::Chips;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::live::Link;
use crate::tui::desk_model::marks::{MarkEdit, Targets};
use crate::tui::desk_model::times::TimeForm;

/// One thing that happens to the model.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A page of alerts was read.
    Loaded {
        /// The page.
        page: Box<AlertPage>,
        /// Not the first reading: after a gap.
        again: bool,
        /// Another page follows.
        more: bool,
    },
    /// An alert was raised or changed.
    Alert(Box<Alert>),
    /// The program's state came in.
    Status(Box<StatusReport>),
    /// The connection's state changed.
    Link(Link),
    /// The clock moved.
    Clock(Timestamp),
    /// Take new rows into the list.
    Merge,
    /// Freeze, or go live again.
    ToggleFreeze,
    /// Move the cursor; `height` is the number of rows the list shows.
    Move {
        /// Where to.
        by: Move,
        /// Rows on screen.
        height: usize,
    },
    /// Open or close bundles.
    Bundle(BundleEdit),
    /// Change marks.
    Mark(MarkEdit),
    /// Change filter chips.
    Filter(Filter),
    /// The chips as they were, with their switches.
    FilterBack(Chips),
    /// Change the order.
    Sort(SortEdit),
    /// Show the times of all tables in this form; none: each in its own.
    Times(Option<TimeForm>),
    /// Do something to alerts: shown at once, undoable until the deadline.
    Act {
        /// To which.
        targets: Targets,
        /// What.
        action: Action,
        /// Go on to the next unhandled row afterwards.
        advance: bool,
    },
    /// The workbench answered an [`Wish::Act`].
    Acted {
        /// What was asked.
        wish: Wish,
        /// What became of it.
        answer: Result<Acted, Problem>,
    },
    /// Take the last action of this desk back.
    Undo,
    /// The workbench answered an [`Wish::Undo`].
    Undone(Result<Undone, Problem>),
    /// Changes were missed: read again.
    Missed,
    /// Say something on the status line.
    Say(Notice),
}

/// A change of the filter chips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Add a chip.
    Add(String),
    /// Change a chip's text.
    Replace {
        /// Which chip.
        index: usize,
        /// The new text.
        text: String,
    },
    /// Remove a chip.
    Remove(usize),
    /// Switch a chip off or on.
    Toggle(usize),
    /// Switch all off, or back to how they were.
    ToggleAll,
    /// These chips and no others.
    Set(Vec<String>),
}

/// A change of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortEdit {
    /// By a field; by the same field again turns it round.
    By(String),
    /// Turn the first field round.
    Invert,
}

/// What the model wants done. The loop does it and comes back with an edit.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Ask the workbench to act.
    Act {
        /// The alerts with the revision that was on screen.
        targets: Vec<(AlertId, Option<u64>)>,
        /// What to do.
        action: Action,
    },
    /// Ask the workbench to undo one action of this desk.
    Undo(u64),
    /// Keep a note as the draft of an alert.
    KeepDraft(AlertId, String),
    /// Read the alerts again.
    Reload,
}

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// By the way.
    Info,
    /// Worth a look.
    Warn,
    /// Something did not work.
    Error,
}

/// A sentence for the status line. Untrusted text may be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// The sentence: lower case, no full stop.
    pub text: String,
    /// When it was said.
    pub at: Timestamp,
}
