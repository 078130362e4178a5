//! Signatures of requests: HMAC-SHA256 over what must not be changed on the way. Who sends and who receives use the same
//! few lines, so that they cannot disagree.
//!
//! The text that is signed has six lines, divided by one `\n` each and without one at its end:
//!
//! ```text
//! v1
//! TIMESTAMP      seconds since 1970 in UTC, as in the header X-Watchfloor-Timestamp
//! METHOD         POST
//! TARGET         path and query as they are sent, for example /ingest
//! KEY            the header Idempotency-Key, or nothing
//! BODYHASH       SHA-256 of the body as it is sent (compressed if it is), 64 lower-case hexadecimal digits
//! ```
//!
//! `X-Watchfloor-Signature: v1=` is followed by the HMAC-SHA256 of that text under the shared secret, in hexadecimal.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The header with the time.
pub const TIMESTAMP_HEADER: &str = "x-watchfloor-timestamp";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-watchfloor-signature";
/// What a signature of this kind begins with.
pub const VERSION: &str = "v1";

/// What is signed of a request.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Seconds since 1970, as written in the header.
    pub timestamp: &'a str,
    /// `POST`.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The Idempotency-Key, or nothing.
    pub key: &'a str,
    /// The body as it is sent.
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let hash = hexadecimal(&Sha256::digest(self.body));
        let Signed { timestamp, method, target, key, .. } = self;
        format!("{VERSION}\n{timestamp}\n{method}\n{target}\n{key}\n{hash}")
    }

    /// The value of the header with the signature.
    pub fn sign(&self, secret: &[u8]) -> String {
        let mac = self.mac(secret);
        let tag = mac.map(|mac| hexadecimal(&mac.finalize().into_bytes())).unwrap_or_default();
        format!("{VERSION}={tag}")
    }

    /// Is this the signature, compared in constant time?
    pub fn is_signed(&self, secret: &[u8], signature: &str) -> bool {
        let tag = signature.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('='));
        let Some(tag) = tag.and_then(bytes) else { return false };
        self.mac(secret).is_some_and(|mac| mac.verify_slice(&tag).is_ok())
    }

    fn mac(&self, secret: &[u8]) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of every length.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        mac.update(self.text().as_bytes());
        Some(mac)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: Signed<'_> = Signed {
        timestamp: "1795334400",
        method: "POST",
        target: "/ingest",
        key: "k1",
        body: b"hello",
    };

    #[test]
    fn the_signature_is_what_openssl_makes_of_the_text() {
        assert_eq!(
            ONE.text(),
            "v1\n1795334400\nPOST\n/ingest\nk1\n2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        // printf 'v1\n1795334400\nPOST\n/ingest\nk1\n2cf2…' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            ONE.sign(b"secret"),
            "v1=0dab2188f7364fd2dd0a36351cbe74497b994d0b4565df2c71850e9ce825f5d0"
        );
    }

    #[test]
    fn every_signed_part_matters() {
        let signature = ONE.sign(b"secret");
        assert!(ONE.is_signed(b"secret", &signature));
        assert!(ONE.is_signed(b"secret", &signature.to_uppercase().replace("V1", "v1")));
        assert!(!ONE.is_signed(b"other", &signature));
        for other in [
            Signed { timestamp: "1795334401", ..ONE },
            Signed { method: "PUT", ..ONE },
            Signed { target: "/ingest?x", ..ONE },
            Signed { key: "", ..ONE },
            Signed { body: b"hello ", ..ONE },
        ] {
            assert!(!other.is_signed(b"secret", &signature), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_signature(text in "(v1=)?[0-9a-fA-Fxé]{0,70}") {
            prop_assert!(!ONE.is_signed(b"secret", &text));
        }
    }
}
