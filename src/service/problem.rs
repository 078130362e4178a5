//! Errors of the layers below in the words a person needs.

use std::error::Error;

use crate::model::alert::AlertId;
use crate::model::desk::{Problem, ProblemKind};
use crate::model::query::QueryError;
use crate::stdx::task::Panicked;
use crate::store::StoreError;

/// A filter that was refused; the detail says where.
pub(super) fn invalid_filter(error: &QueryError) -> Problem {
    Problem::new(ProblemKind::Invalid, error.message.clone())
        .detail(format!("in the filter, at bytes {} to {}", error.span.start, error.span.end))
        .hint(error.hint.clone())
}

/// What the store could not do.
pub(super) fn not_done(error: &StoreError) -> Problem {
    let kind = match error {
        StoreError::NoAlert(_) | StoreError::NothingToUndo(_) => ProblemKind::NotFound,
        StoreError::Conflict => ProblemKind::Conflict,
        StoreError::Invalid(_) => ProblemKind::Invalid,
        error if error.is_temporary() => ProblemKind::Unavailable,
        _ => ProblemKind::Internal,
    };
    let hint = match error {
        StoreError::NoAlert(_) => "watchfloor alerts list shows the ids",
        StoreError::DiskFull { .. } => "free some space on the disk of the data folder",
        error if error.is_temporary() => "try again; the log has the details",
        _ => "",
    };
    Problem::new(kind, error.to_string()).detail(causes(error)).hint(hint)
}

pub(super) fn no_alert(id: AlertId) -> Problem {
    not_done(&StoreError::NoAlert(id))
}

/// A bug of ours.
pub(super) fn failed(panic: &Panicked) -> Problem {
    Problem::new(ProblemKind::Internal, panic.to_string()).hint("the log has the details")
}

fn causes(error: &dyn Error) -> String {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}
