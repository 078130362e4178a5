//! What front ends may ask about rule files without running anything.

pub use crate::detect::check::check_all;
pub use crate::detect::files::pack_of;
pub use crate::detect::lint::{Finding as LintFinding, LintReport, Weight as LintWeight, lint};
pub use crate::detect::{CheckReport as RulesReport, check};
