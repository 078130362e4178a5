//! Lines as rsyslog writes them with ISO 8601 stamps.

use crate::scenario::file::Endpoint;
use crate::scenario::plan::Counters;
use crate::stdx::time::Timestamp;

/// One line. Programs but `sudo` and `kernel` show a process id.
pub fn line(
    endpoint: &Endpoint,
    program: &str,
    text: &str,
    at: Timestamp,
    counters: &mut Counters,
) -> String {
    let stamp = at.to_string().replace('Z', "+00:00");
    match program {
        "sudo" | "kernel" => format!("{stamp} {} {program}: {text}\n", endpoint.name),
        _ => format!("{stamp} {} {program}[{}]: {text}\n", endpoint.name, counters.pid()),
    }
}
