//! `[metrics]`: the listener for counters.

use std::net::SocketAddr;

use crate::config::reader::Reader;

/// The listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsConfig {
    /// Where `/metrics`, `/health` and `/stats` are served; `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> MetricsConfig {
    let key = "metrics.listen";
    let doc = "A loopback address for `/metrics`, `/health` and `/stats`, such as `127.0.0.1:9464`; empty: not served.";
    let Some(text) = reader.optional_text(key, doc) else { return MetricsConfig::default() };
    let hint = "write 127.0.0.1:9464".to_owned();
    match text.parse::<SocketAddr>() {
        // Counters name hosts, users and addresses, and nobody is asked who they are.
        Ok(address) if !address.ip().is_loopback() => {
            let message =
                format!("{address} is not on this machine, and the listener knows no users");
            reader.complain(key, message, format!("{hint}, and put a proxy before it"));
        }
        Ok(address) => return MetricsConfig { listen: Some(address) },
        Err(_) => reader.complain(key, format!("{text:?} is no address with a port"), hint),
    }
    MetricsConfig::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::Origin;

    #[test]
    fn only_addresses_of_this_machine_are_taken() {
        for (text, taken) in [
            ("", false),
            ("127.0.0.1:9464", true),
            ("[::1]:9464", true),
            ("0.0.0.0:9464", false),
            ("192.0.2.1:80", false),
            ("localhost", false),
        ] {
            let mut reader = Reader::default();
            reader.set("metrics.listen", &format!("{text:?}"), Origin::Default);
            assert_eq!(read(&mut reader).listen.is_some(), taken, "{text}");
            assert_eq!(reader.problems.is_empty(), taken || text.is_empty(), "{text}");
        }
    }
}
