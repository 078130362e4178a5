//! Ports for servers of tests.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// The lowest that is given out.
const LOWEST: u16 = 12_000;
/// How many a caller may use: the one it is given and those behind it.
const IN_A_ROW: u16 = 4;

/// A port that nothing listened on a moment ago, for TCP and UDP, and three free ones behind it. None is one that the system gives
/// to whoever connects: a server that is killed and started again must find its own port as it left it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let own = range.ok().and_then(|text| text.split_whitespace().next()?.parse::<u16>().ok());
    let rows = own.unwrap_or(32_768).saturating_sub(LOWEST) / IN_A_ROW;
    assert!(rows > 100, "the system gives ports from {own:?} on to who connects: too few are left");
    // Processes that run beside each other begin at different places.
    let begin = std::process::id().wrapping_mul(2_654_435_761) >> 16;
    loop {
        let row = (begin + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(rows);
        let first = LOWEST + row as u16 * IN_A_ROW;
        let free = |port| {
            let address = ("127.0.0.1", port);
            TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
        };
        if (first..first + IN_A_ROW).all(free) {
            return first;
        }
    }
}
