//! One fast search for the words that stand near secrets.

use aho_corasick::{AhoCorasick, packed};

/// Lower case, each at least three bytes. A secret that no word announces is not found, so a new rule in
/// [`super::rules`] needs its words here; a test checks that.
pub const WORDS: &[&str] = &[
    "passw",
    "sshpass",
    "passphrase",
    "pwd",
    "secret",
    "token=",
    "token:",
    "-token",
    "_token",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "access-key",
    "accountkey",
    "credential(",
    "authorization",
    "bearer ",
    "eyj",
    "private key-",
    "://",
    "sig=",
    "securestring",
    "/pass:",
    "-pass ",
    "passin",
    "passout",
    "storepass",
    "keypass",
    "mysql",
    "mariadb",
    "psexec",
    "plink",
    "pscp",
    "psftp",
    "putty",
    "sqlcmd",
    "osql",
    "winrm",
    "crackmap",
    "netexec",
    "desktop -",
    "winexe",
    "7z",
    "rar.exe",
    "rar a",
    "zip -",
    "curl",
    "redis-cli",
    "ldap",
    "smbclient",
    "rpcclient",
    "freerdp",
    "schtasks",
    "winrs",
    "sqlplus",
    "net user",
    "net use",
    "net1 ",
    "net.exe",
    "net1.exe",
    "useradd",
    "usermod",
    "sudo -s",
    "mongo",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "glpat-",
    "xoxb-",
    "xoxp-",
];

/// Bytes that are folded to lower case and searched at a time.
const BLOCK: usize = 4 << 10;

/// Looks for any of [`WORDS`], in any case.
#[derive(Debug)]
pub struct Prefilter {
    packed: Option<packed::Searcher>,
    plain: Option<AhoCorasick>,
    longest: usize,
}

impl Prefilter {
    /// Build the search.
    pub fn new() -> Prefilter {
        let packed = packed::Searcher::new(WORDS);
        let plain = AhoCorasick::builder().ascii_case_insensitive(true).build(WORDS).ok();
        let longest = WORDS.iter().map(|word| word.len()).max().unwrap_or(0);
        Prefilter { packed, plain, longest }
    }

    /// Is one of the words in the bytes? If no search could be built, yes.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        let Some(packed) = &self.packed else {
            return self.plain.as_ref().is_none_or(|plain| plain.is_match(bytes));
        };
        let mut folded = [0_u8; BLOCK];
        let mut rest = bytes;
        loop {
            let (block, _) = rest.split_at(rest.len().min(BLOCK));
            let Some(room) = folded.get_mut(..block.len()) else { return true };
            room.copy_from_slice(block);
            room.make_ascii_lowercase();
            if packed.find(&*room).is_some() {
                return true;
            }
            if block.len() < BLOCK {
                return false;
            }
            // A word may lie across the border of two blocks.
            rest = rest.get(BLOCK - self.longest..).unwrap_or_default();
        }
    }
}

impl Default for Prefilter {
    fn default() -> Prefilter {
        Prefilter::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static PREFILTER: std::sync::LazyLock<Prefilter> = std::sync::LazyLock::new(Prefilter::new);

    proptest! {
        #[test]
        fn finds_every_word_wherever_it_stands(
            before in 0_usize..9_000, which in 0..WORDS.len(), upper: bool
        ) {
            let word = WORDS[which];
            let word = if upper { word.to_ascii_uppercase() } else { word.to_owned() };
            let text = format!("{}{word}", "x".repeat(before));
            prop_assert!(PREFILTER.finds(text.as_bytes()));
        }
    }

    #[test]
    fn an_ordinary_text_has_none() {
        assert!(
            !Prefilter::new().finds(
                &b"C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s Schedule ".repeat(300)
            )
        );
    }
}
