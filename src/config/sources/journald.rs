//! `type = "journald"`: the journal of this machine, or of a folder, followed live.

use crate::config::reader::Reader;
use crate::config::sources::file::From;

/// `type = "journald"`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct JournaldSource {
    /// The folder with the journal's files; `None`: this machine's.
    pub directory: Option<String>,
    /// Only these units; empty: all.
    pub units: Vec<String>,
    /// Where to begin when nothing was read yet.
    pub from: From,
    /// The program that reads the journal.
    pub journalctl: String,
}

/// Take the keys of a journald source.
pub(super) fn read(reader: &mut Reader, index: usize) -> JournaldSource {
    let key = |name: &str| format!("sources[{index}].{name}");
    let from = [("start", From::Start), ("end", From::End)];
    JournaldSource {
        directory: reader.optional_text(
            &key("directory"),
            "A folder of journal files; this machine's if not given.",
        ),
        units: reader.texts(&key("units"), &[], "Only these units, for example sshd.service."),
        from: reader
            .choice(&key("from"), "start", &from, "Where to begin when nothing was read yet.")
            .unwrap_or_default(),
        journalctl: reader.text(
            &key("journalctl"),
            "journalctl",
            "The program that reads the journal, by name or path.",
        ),
    }
}
