//! Linux logs: syslog with one file a family of programs, and records of the audit system.
//!
//! Two decoders, [`syslog::Syslog`] and [`auditd`]; each keeps what one record leaves for the next, and gives it to
//! the commit as bytes.

pub mod accounts;
pub mod auditd;
pub mod cron;
pub mod header;
pub mod kernel;
pub mod kind;
pub mod pam;
pub mod programs;
pub mod scrub;
pub mod sshd;
pub mod stamp;
pub mod su;
pub mod sudo;
pub mod syslog;
pub mod systemd;

use serde::{Deserialize, Serialize};

use crate::model::record::{Flush, Stream};
use crate::normalise::Context;
use crate::normalise::linux::auditd::assemble::Assembler;
use crate::normalise::linux::auditd::line::is_record;
use crate::normalise::linux::syslog::Syslog;
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::stdx::time::Timestamp;

/// Both decoders of one stream.
#[derive(Debug)]
pub struct Linux {
    syslog: Syslog,
    auditd: Assembler,
}

/// The states of both, each as it wrote it (both write JSON text).
#[derive(Serialize, Deserialize)]
struct Saved {
    syslog: Option<String>,
    auditd: Option<String>,
}

impl Linux {
    /// Decoders without history.
    pub fn new(settings: &Settings) -> Linux {
        Linux { syslog: Syslog::new(), auditd: Assembler::new(settings.assemblies_max) }
    }

    /// Decode one line that is not JSON: an audit record, also inside a syslog line, or syslog.
    pub fn decode(&mut self, context: &Context<'_>, out: &mut Output) {
        if is_record(context.bytes) {
            self.auditd.decode(context, out);
        } else {
            self.syslog.decode(context, out);
        }
    }

    /// Decode one line that must be an audit record.
    pub fn decode_auditd(&mut self, context: &Context<'_>, out: &mut Output) {
        self.auditd.decode(context, out);
    }

    /// Close what the end of a batch says. `now` is the wall clock.
    pub fn flush(
        &mut self,
        flush: Flush,
        now: Timestamp,
        stream: &Stream,
        settings: &Settings,
        out: &mut Output,
    ) {
        self.auditd.flush(flush, now, stream, settings, out);
    }

    /// Audit records that wait for the rest of their event.
    pub fn open_records(&self) -> u64 {
        self.auditd.open_records()
    }

    /// What later records depend on, for the commit; `None` while there is nothing.
    pub fn state(&self) -> Option<Vec<u8>> {
        let text = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let saved = Saved { syslog: text(self.syslog.state()), auditd: text(self.auditd.state()) };
        if saved.syslog.is_none() && saved.auditd.is_none() {
            return None;
        }
        serde_json::to_vec(&saved).ok()
    }

    /// Take up what [`Linux::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<Saved>(state) else { return };
        if let Some(text) = saved.syslog {
            self.syslog.restore(text.as_bytes());
        }
        if let Some(text) = saved.auditd {
            self.auditd.restore(text.as_bytes());
        }
    }
}
