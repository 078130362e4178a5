//! Accounts by class: the system, services, machines, the built-in administrator, people.

use crate::infer::graph::{Facts, Flag, hash};

/// What an event says of an account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account<'a> {
    /// SID or number, or empty.
    pub id: &'a str,
    /// Name, or empty.
    pub name: &'a str,
    /// Domain, or empty.
    pub domain: &'a str,
}

impl Account<'_> {
    /// Nothing said?
    pub fn is_empty(&self) -> bool {
        let none = |text: &str| text.is_empty() || text == "-" || text == "S-1-0-0";
        none(self.id) && none(self.name)
    }

    /// Tells it from others of its endpoint. Names go first, since not every sensor gives ids.
    pub fn key(&self) -> u64 {
        let name = self.name.rsplit('\\').next().unwrap_or(self.name);
        let name = name.split('@').next().unwrap_or(name).to_ascii_lowercase();
        if name.is_empty() || name == "-" {
            hash(&[b"u", self.id.as_bytes()])
        } else {
            hash(&[b"u", name.as_bytes()])
        }
    }

    /// Its class; the label is the class.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        let flag = self.class();
        facts.set(flag);
        facts.label = hash(&[b"account", &[flag as u8]]);
        facts
    }

    fn class(&self) -> Flag {
        match self.id {
            "S-1-5-18" | "0" => return Flag::AccountSystem,
            "S-1-5-19" | "S-1-5-20" => return Flag::AccountService,
            "S-1-5-7" => return Flag::AccountAnonymous,
            _ => {}
        }
        if self.id.starts_with("S-1-5-80-")
            || self.id.starts_with("S-1-5-90-")
            || self.id.starts_with("S-1-5-96-")
        {
            return Flag::AccountService;
        }
        if self.name.ends_with('$') {
            return Flag::AccountMachine;
        }
        if self.id.starts_with("S-1-5-21-") && self.id.ends_with("-500") {
            return Flag::AccountAdmin;
        }
        if let Ok(number) = self.id.parse::<u32>() {
            return if number < 1_000 || number == 65_534 {
                Flag::AccountService
            } else {
                Flag::AccountUser
            };
        }
        // Without an id the operating system's own domain and names tell; they are its words, not a user's.
        let domain = self.domain.to_ascii_uppercase();
        let name = self.name.to_ascii_uppercase();
        match (domain.as_str(), name.as_str()) {
            ("NT AUTHORITY", "SYSTEM") | (_, "SYSTEM") => Flag::AccountSystem,
            ("NT AUTHORITY", "ANONYMOUS LOGON") | (_, "ANONYMOUS LOGON") => Flag::AccountAnonymous,
            ("NT AUTHORITY" | "NT SERVICE" | "WINDOW MANAGER" | "FONT DRIVER HOST", _)
            | (_, "LOCAL SERVICE" | "NETWORK SERVICE") => Flag::AccountService,
            (_, "ROOT") => Flag::AccountSystem,
            (_, "" | "-") => Flag::AccountAnonymous,
            _ => Flag::AccountUser,
        }
    }
}
