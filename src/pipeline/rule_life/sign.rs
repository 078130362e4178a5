//! Signed packs: an ed25519 signature in a file beside the archive, and the keys for it.
//!
//! What is signed is a sentence with the archive's SHA-256, so that a key of this kind never signs anything else.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::rule_life::{invalid, io, sha256, unpack};

/// The first word of a secret key's line.
const SECRET: &str = "watchfloor-secret-key-ed25519";
/// The first line of a signature file.
const HEAD: &str = "watchfloor-pack-signature-1";
/// A key or signature file is not longer.
const FILE_BYTES_MAX: u64 = 4_096;

/// A new pair of keys: the secret one in a file that only its owner reads. Returns the public one.
pub fn keygen(path: &Path) -> Result<String, Problem> {
    let mut seed = [0_u8; 32];
    fill_random(&mut seed)?;
    let key = SigningKey::from_bytes(&seed);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Problem::new(ProblemKind::Conflict, format!("{} is there already", path.display()))
                .hint("a key is never written over: name another file")
        }
        _ => io("write the key", path, &error),
    })?;
    writeln!(file, "{SECRET} {}", BASE64.encode(seed))
        .and_then(|()| file.sync_all())
        .map_err(|error| io("write the key", path, &error))?;
    Ok(public(&key.verifying_key()))
}

fn fill_random(seed: &mut [u8]) -> Result<(), Problem> {
    let mut done = 0;
    while let Some(rest) = seed.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let text = format!("the system gives no random numbers: {error}");
                return Err(Problem::new(ProblemKind::Unavailable, text));
            }
        }
    }
    Ok(())
}

fn public(key: &VerifyingKey) -> String {
    BASE64.encode(key.as_bytes())
}

/// Sign an archive. Returns the signature file and the public key.
pub fn sign(archive: &Path, key: &Path) -> Result<(PathBuf, String), Problem> {
    let key = secret(key)?;
    let bytes = unpack::archive(archive)?;
    let signature = key.sign(statement(&bytes).as_bytes());
    let public = public(&key.verifying_key());
    let mut text = format!("{HEAD}\n");
    let _ = writeln!(text, "key {public}");
    let _ = writeln!(text, "signature {}", BASE64.encode(signature.to_bytes()));
    let path = beside(archive);
    fs::write(&path, text).map_err(|error| io("write the signature", &path, &error))?;
    Ok((path, public))
}

/// Where the signature of an archive lies when nobody says.
pub fn beside(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

fn statement(archive: &[u8]) -> String {
    format!("watchfloor rule pack sha256 {}\n", sha256(archive))
}

fn secret(path: &Path) -> Result<SigningKey, Problem> {
    let text = small(path)?;
    let wrong = || {
        invalid(format!("{} is no secret key", path.display()))
            .hint("watchfloor rules keygen FILE makes one")
    };
    let encoded = text.trim().strip_prefix(SECRET).ok_or_else(wrong)?;
    let seed: [u8; 32] = BASE64
        .decode(encoded.trim())
        .ok()
        .and_then(|seed| seed.try_into().ok())
        .ok_or_else(wrong)?;
    Ok(SigningKey::from_bytes(&seed))
}

fn small(path: &Path) -> Result<String, Problem> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| io("read", path, &error))?;
    Ok(text)
}

fn key_of(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = BASE64.decode(text.trim()).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

/// Who signed an archive. `None`: there is no signature file, and none was named.
pub(super) fn verify(
    archive: &[u8],
    file: &Path,
    named: bool,
    trusted: &[String],
) -> Result<Option<String>, Problem> {
    if !named && !file.exists() {
        return Ok(None);
    }
    let text = small(file)?;
    let mut lines = text.lines();
    let form = lines.next() == Some(HEAD);
    let mut part = |word: &str| lines.next().and_then(|line| line.strip_prefix(word));
    let (key, signature) = (part("key "), part("signature "));
    let wrong = || invalid(format!("{} is no signature of a pack", file.display()));
    let (Some(key), Some(signature), true) = (key, signature, form) else { return Err(wrong()) };
    let parsed = key_of(key).ok_or_else(wrong)?;
    let bytes = BASE64.decode(signature.trim()).map_err(|_| wrong())?;
    let signature = Signature::from_slice(&bytes).map_err(|_| wrong())?;
    for known in trusted {
        if key_of(known).is_none() {
            let text = format!("rules.trusted_keys: {known:?} is no public key");
            return Err(invalid(text).hint("it is the line that watchfloor rules keygen prints"));
        }
    }
    // Strict: no weak keys, no signature with two spellings.
    parsed.verify_strict(statement(archive).as_bytes(), &signature).map_err(|_| {
        invalid("the signature does not fit the archive: one of them was changed")
            .detail(format!("signature file {}, key {key}", file.display()))
            .hint("get both again from whoever signs them")
    })?;
    if !trusted.iter().any(|known| key_of(known) == Some(parsed)) {
        return Err(invalid(format!("the pack is signed by {key}, whom nobody here trusts"))
            .hint("add the key to rules.trusted_keys if you know whose it is"));
    }
    Ok(Some(key.to_owned()))
}

/// A pack without signature, where the configuration asks for one?
pub(super) fn required() -> Problem {
    invalid("the pack is not signed, and rules.require_signature is on")
        .detail("a folder cannot be signed; an archive has its signature in ARCHIVE.sig beside it")
        .hint("get the signature, or sign it yourself: watchfloor rules sign ARCHIVE --key FILE")
}
