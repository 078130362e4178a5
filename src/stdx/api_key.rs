//! Keys that programs show: made from chance, shown once, kept as Argon2id hashes.
//!
//! A key is `wfk_ID_SECRET`. The id is public and says which hash to compare with, so that a wrong key costs one hash at
//! most and not one for each key there is.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What every key begins with, so that scanners of secrets find one that leaked.
pub const PREFIX: &str = "wfk_";
/// A longer text is no key.
pub const KEY_BYTES_MAX: usize = 128;
/// Bytes of chance in an id.
const ID_BYTES: usize = 6;
/// Bytes of chance in a secret.
const SECRET_BYTES: usize = 32;

/// A key that was just made.
#[derive(Clone)]
pub struct NewKey {
    /// Its public name.
    pub id: String,
    /// All of it. Shown once.
    pub text: String,
    /// What is kept of it.
    pub hash: String,
}

/// No key could be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no chance.
    #[error("the system gives no random numbers: {0}")]
    Random(std::io::Error),
    /// The hash failed.
    #[error("the key cannot be hashed: {0}")]
    Hash(String),
}

/// Make a key. Takes a fraction of a second and 19 MiB of memory: call it where that may be.
///
/// # Errors
/// The system gives no random numbers.
pub fn make() -> Result<NewKey, KeyError> {
    let (mut id, mut secret) = ([0_u8; ID_BYTES], [0_u8; SECRET_BYTES]);
    fill(&mut id)?;
    fill(&mut secret)?;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    let hash = Argon2::default()
        .hash_password(text.as_bytes())
        .map_err(|error| KeyError::Hash(error.to_string()))?;
    Ok(NewKey { id, text, hash: hash.to_string() })
}

fn fill(bytes: &mut [u8]) -> Result<(), KeyError> {
    let mut at = 0;
    while let Some(room) = bytes.get_mut(at..).filter(|room| !room.is_empty()) {
        let got = rustix::rand::getrandom(room, rustix::rand::GetRandomFlags::empty());
        at += got.map_err(|error| KeyError::Random(error.into()))?;
    }
    Ok(())
}

/// The public name in a key; `None`: it has not the form of one.
pub fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_id = id.len() == 2 * ID_BYTES && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.len() <= KEY_BYTES_MAX && is_id && !secret.is_empty()).then_some(id)
}

/// Is this the key that the hash was made of? As costly as [`make`].
pub fn verify(text: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(text.as_bytes(), &hash).is_ok())
}

/// What a key is remembered by once it was verified.
pub fn digest(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_known_by_its_hash_and_no_other_is() {
        let (one, two) = (make().unwrap(), make().unwrap());
        assert_ne!(one.text, two.text);
        assert_eq!(id_of(&one.text), Some(one.id.as_str()));
        assert!(one.hash.starts_with("$argon2id$"), "{}", one.hash);
        assert!(!one.hash.contains(&one.text));
        assert!(verify(&one.text, &one.hash));
        assert!(!verify(&two.text, &one.hash));
        assert!(!verify(&one.text, "nonsense"));
        assert!(one.text.len() <= KEY_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_text_has_an_id_or_none(text in "(wfk_)?[0-9a-f_]{0,20}.{0,80}") {
            if let Some(id) = id_of(&text) {
                let begin = format!("wfk_{id}_");
                prop_assert!(text.starts_with(&begin));
            }
        }
    }
}
