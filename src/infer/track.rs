//! Which events models see: all, or all but what PowerShell writes about itself.

use serde::Deserialize;

use crate::model::event::{Event, Value};
use crate::model::field;

/// Which events a model was trained with, and is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Track {
    /// All.
    #[default]
    Full,
    /// Without PowerShell's own logs.
    Reduced,
}

/// Is it one of the codes by which PowerShell tells of itself?
pub fn is_powershell_code(code: i64) -> bool {
    matches!(code, 4103 | 4104 | 400 | 403 | 600 | 800)
}

impl Track {
    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Track::Full => "full",
            Track::Reduced => "reduced",
        }
    }

    /// Is the event one of this track?
    pub fn takes(self, event: &Event) -> bool {
        if self == Track::Full {
            return true;
        }
        let provider = event.str(field::WINLOG_PROVIDER_NAME).unwrap_or_default();
        let powershell = matches!(provider, "PowerShell" | "Microsoft-Windows-PowerShell");
        let code = event.get(field::EVENT_CODE).and_then(Value::as_int);
        !(powershell && code.is_some_and(is_powershell_code))
    }
}
