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

use crate::model::record::{Flush, Stream};
use crate::normalise::Context;
use crate::normalise::complete::EventTime;
use crate::normalise::linux::auditd::assemble::Assembler;
use crate::normalise::linux::auditd::line::is_record;
use crate::normalise::linux::header::Header;
use crate::normalise::linux::stamp::Wall;
use crate::normalise::linux::syslog::Syslog;
use crate::normalise::mapping::mapper::Mapper;
use crate::normalise::mapping::rules::Times;
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::stdx::time::Timestamp;

/// Both decoders of one stream.
#[derive(Debug)]
pub struct Linux {
    syslog: Syslog,
    auditd: Assembler,
}

/// The form of [`Linux::state`]: this byte, then zstd over the length of syslog's part (four bytes, little-endian),
/// that part, and auditd's part. Open audit records repeat themselves much; this is a twentieth of them.
const STATE_VERSION: u8 = 1;
/// Fast; the state is written with every commit.
const STATE_LEVEL: i32 = 1;
/// A larger state was not written by us.
const STATE_BYTES_MAX: u64 = 256 << 20;

impl Linux {
    /// Decoders without history.
    pub fn new(settings: &Settings) -> Linux {
        Linux {
            syslog: Syslog::new(settings.redactor.clone()),
            auditd: Assembler::new(settings.assemblies_max),
        }
    }

    /// Is the line an audit record, also inside a syslog line?
    pub fn is_audit_record(&self, bytes: &[u8]) -> bool {
        is_record(bytes)
    }

    /// Decode one line of syslog whose head was read.
    pub fn decode_syslog(
        &mut self,
        context: &Context<'_>,
        header: &Header<'_>,
        line: &str,
        mapper: &mut Mapper,
        out: &mut Output,
    ) {
        self.syslog.decode(context, header, line, mapper, out);
    }

    /// The instant of a time as a text wrote it; the years of the stream's lines are shared by all of them.
    pub fn read_time(&mut self, context: &Context<'_>, text: &str, times: &Times) -> EventTime {
        self.syslog.read_time(context, text, times)
    }

    /// The instant of a wall-clock time.
    pub fn wall_time(&mut self, context: &Context<'_>, wall: &Wall) -> EventTime {
        self.syslog.time(context, Some(wall))
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
        let syslog = self.syslog.state();
        let auditd = self.auditd.state();
        if syslog.is_none() && auditd.is_none() {
            return None;
        }
        let syslog = syslog.unwrap_or_default();
        let length = u32::try_from(syslog.len()).ok()?;
        let parts =
            [length.to_le_bytes().as_slice(), &syslog, &auditd.unwrap_or_default()].concat();
        let packed = zstd::bulk::compress(&parts, STATE_LEVEL).ok()?;
        Some([[STATE_VERSION].as_slice(), &packed].concat())
    }

    /// Take up what [`Linux::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        let Some(parts) = unpack(state) else { return };
        let Some((length, parts)) = parts.split_first_chunk::<4>() else { return };
        let Some((syslog, auditd)) = parts.split_at_checked(u32::from_le_bytes(*length) as usize)
        else {
            return;
        };
        self.syslog.restore(syslog);
        self.auditd.restore(auditd);
    }
}

fn unpack(state: &[u8]) -> Option<Vec<u8>> {
    let packed = state.strip_prefix(&[STATE_VERSION])?;
    let mut parts = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(packed).ok()?;
    std::io::Read::read_to_end(&mut std::io::Read::take(decoder, STATE_BYTES_MAX), &mut parts)
        .ok()?;
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::scrub::tests::plain_settings;

    #[test]
    fn unreadable_state_is_an_empty_one() {
        let settings = plain_settings();
        for state in [&b""[..], &[STATE_VERSION], &[STATE_VERSION, 1, 2, 3], b"{}", &[9, 9]] {
            let mut linux = Linux::new(&settings);
            linux.restore(state);
            assert_eq!((linux.open_records(), linux.state()), (0, None));
        }
    }
}
