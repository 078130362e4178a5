//! The handshake of the forward protocol: both sides show that they know the shared key without saying it.

use sha2::{Digest, Sha512};

use super::messages::Message;
use super::pack::{array, binary, map, text, truth};

/// One handshake with one peer.
pub struct Greeting {
    key: Vec<u8>,
    hostname: String,
    nonce: [u8; 16],
}

/// How a peer's answer was taken.
pub struct Judged {
    /// What it is told.
    pub answer: Vec<u8>,
    /// The name it gave itself, if it knows the key.
    pub known: Option<String>,
}

impl Greeting {
    /// A greeting with numbers of its own.
    pub fn new(key: &[u8], hostname: &str) -> Greeting {
        let mut nonce = [0; 16];
        // Never fails for so few bytes; all zeros would only make the handshake repeatable.
        let _ = rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty());
        Greeting { key: key.to_vec(), hostname: hostname.to_owned(), nonce }
    }

    /// What we say first.
    pub fn hello(&self) -> Vec<u8> {
        let options =
            [("nonce", binary(&self.nonce)), ("auth", text(b"")), ("keepalive", truth(true))];
        array(&[text(b"HELO"), map(&options)])
    }

    /// `[PING, hostname, salt, digest, user, password]`.
    pub fn judge(&self, ping: &Message) -> Judged {
        let of = |at: usize| ping.text(at).unwrap_or_default();
        let (name, salt, said) = (of(1), of(2), of(3));
        let good = ping.text(0) == Some(b"PING") && same(self.digest(salt, name).as_bytes(), said);
        let (reason, own) = match good {
            true => ("", self.digest(salt, self.hostname.as_bytes())),
            false => ("shared_key mismatch", String::new()),
        };
        let parts = [
            text(b"PONG"),
            truth(good),
            text(reason.as_bytes()),
            text(self.hostname.as_bytes()),
            text(own.as_bytes()),
        ];
        let known = good.then(|| String::from_utf8_lossy(name).into_owned());
        Judged { answer: array(&parts), known }
    }

    fn digest(&self, salt: &[u8], name: &[u8]) -> String {
        let mut hasher = Sha512::new();
        for part in [salt, name, &self.nonce, &self.key] {
            hasher.update(part);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Takes the same time wherever they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::forward::messages::Messages;

    fn ping(greeting: &Greeting, key: &[u8]) -> Message {
        let other = Greeting { key: key.to_vec(), nonce: greeting.nonce, hostname: String::new() };
        let digest = other.digest(b"salt", b"client");
        let parts: Vec<Vec<u8>> = [&b"PING"[..], b"client", b"salt", digest.as_bytes(), b"", b""]
            .iter()
            .map(|part| text(part))
            .collect();
        let mut messages = Messages::new(1000);
        messages.feed(&array(&parts));
        messages.next().unwrap().unwrap()
    }

    #[test]
    fn only_who_knows_the_key_is_known() {
        let greeting = Greeting::new(b"secret", "ours");
        assert_ne!(greeting.nonce, Greeting::new(b"secret", "ours").nonce);
        assert_eq!(greeting.judge(&ping(&greeting, b"secret")).known.as_deref(), Some("client"));
        let wrong = greeting.judge(&ping(&greeting, b"guess"));
        assert!(wrong.known.is_none());
        assert!(String::from_utf8_lossy(&wrong.answer).contains("mismatch"));
    }
}
