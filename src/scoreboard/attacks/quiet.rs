//! Logs in which nobody attacks: one file is one case, and nobody may be accused of any class.

use std::path::Path;

use crate::scoreboard::ScoreError;
use crate::scoreboard::attacks::judge::{case as judged, nobody};
use crate::scoreboard::attacks::{Case, Judge, Map};

/// The verdict on a file.
pub fn case(path: &Path, name: &str, judge: &Judge, map: &Map) -> Result<Case, ScoreError> {
    let (class, expected) = nobody();
    let all = judge.file(path)?;
    Ok(judged(map, ("quiet", name.to_owned(), class), expected, &all))
}
