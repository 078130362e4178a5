//! Linux logs: syslog with one file a family of programs, and records of the audit system.
//!
//! Two decoders, [`syslog::Syslog`] and [`auditd`]; each keeps what one record leaves for the next, and gives it to
//! the commit as bytes.

pub mod accounts;
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

use crate::normalise::Context;
use crate::normalise::linux::syslog::Syslog;
use crate::normalise::output::Output;

/// Both decoders of one stream.
#[derive(Debug, Default)]
pub struct Linux {
    syslog: Syslog,
}

impl Linux {
    /// Decoders without history.
    pub fn new() -> Linux {
        Linux::default()
    }

    /// Decode one line that is not JSON.
    pub fn decode(&mut self, context: &Context<'_>, out: &mut Output) {
        self.syslog.decode(context, out);
    }

    /// What later records depend on, for the commit.
    pub fn state(&self) -> Option<Vec<u8>> {
        self.syslog.state()
    }

    /// Take up what [`Linux::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        self.syslog.restore(state);
    }
}
