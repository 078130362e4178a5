//! MITRE ATT&CK offline: which techniques there are, what they are called, and which tactics they serve.
//!
//! The table is `config/attack/techniques.csv`, embedded; its head says which version it is.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The version of ATT&CK that the table speaks of.
pub const VERSION: &str = "19";

/// The tactics of the enterprise matrix in its order, with the words for people.
pub const TACTICS: [(&str, &str); 15] = [
    ("reconnaissance", "Reconnaissance"),
    ("resource-development", "Resource Development"),
    ("initial-access", "Initial Access"),
    ("execution", "Execution"),
    ("persistence", "Persistence"),
    ("privilege-escalation", "Privilege Escalation"),
    ("stealth", "Stealth"),
    ("defense-impairment", "Defense Impairment"),
    ("credential-access", "Credential Access"),
    ("discovery", "Discovery"),
    ("lateral-movement", "Lateral Movement"),
    ("collection", "Collection"),
    ("command-and-control", "Command and Control"),
    ("exfiltration", "Exfiltration"),
    ("impact", "Impact"),
];

/// The tactic that version 19 split into `stealth` and `defense-impairment`; older packs tag it.
pub const OLD_TACTIC: &str = "defense-evasion";

/// What a tactic is called for people, with the old name beside the two new ones.
pub fn tactic_name(tactic: &str) -> Option<String> {
    let (_, name) = TACTICS.iter().find(|(known, _)| *known == tactic)?;
    let split = matches!(tactic, "stealth" | "defense-impairment");
    Some(if split { format!("{name} (was Defense Evasion)") } else { (*name).to_owned() })
}

/// One technique or sub-technique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Technique {
    /// `T1059.001`.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The tactics it serves, as tags spell them.
    pub tactics: Vec<&'static str>,
    /// The id that took its place, where it is gone.
    pub replaced_by: Option<&'static str>,
}

/// Every technique, by id.
pub fn techniques() -> &'static BTreeMap<&'static str, Technique> {
    static TABLE: OnceLock<BTreeMap<&'static str, Technique>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let text = include_str!("../../config/attack/techniques.csv");
        let rows = text.lines().filter(|row| row.starts_with('T')).filter_map(technique);
        rows.map(|row| (row.id, row)).collect()
    })
}

/// The technique that a tag names (`attack.t1059.001`), if the table has it.
pub fn of_tag(tag: &str) -> Option<&'static Technique> {
    techniques().get(tag.strip_prefix("attack.")?.to_ascii_uppercase().as_str())
}

/// The tactic that a tag names, as the table spells it.
pub fn tactic_of_tag(tag: &str) -> Option<&'static str> {
    let word = tag.strip_prefix("attack.")?.to_ascii_lowercase().replace('_', "-");
    TACTICS.iter().map(|(known, _)| *known).find(|known| *known == word)
}

fn technique(row: &'static str) -> Option<Technique> {
    let (id, rest) = row.split_once(',')?;
    // No field holds a comma but a quoted name.
    let (name, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\",")?,
        None => rest.split_once(',')?,
    };
    let (tactics, replaced_by) = rest.split_once(',')?;
    let replaced_by = Some(replaced_by).filter(|id| !id.is_empty());
    Some(Technique { id, name, tactics: tactics.split(' ').collect(), replaced_by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_names_known_tactics_and_ids() {
        let text = include_str!("../../config/attack/techniques.csv");
        let rows = text.lines().filter(|row| row.starts_with('T')).count();
        assert_eq!(techniques().len(), rows);
        assert!(rows > 650, "{rows}");
        for row in techniques().values() {
            for tactic in &row.tactics {
                assert!(TACTICS.iter().any(|(known, _)| known == tactic), "{row:?}");
            }
            assert!(row.replaced_by.is_none_or(|id| techniques().contains_key(id)), "{row:?}");
        }
        let name = |tag| of_tag(tag).map(|row| row.name);
        assert_eq!(name("attack.t1059.001"), Some("PowerShell"));
        assert_eq!(name("attack.t9999"), None);
        assert_eq!(of_tag("attack.t1562.001").and_then(|row| row.replaced_by), Some("T1685"));
        assert_eq!(tactic_of_tag("attack.Credential_Access"), Some("credential-access"));
        assert_eq!(tactic_name("stealth").unwrap(), "Stealth (was Defense Evasion)");
        assert_eq!(tactic_name("impact").unwrap(), "Impact");
        assert_eq!(tactic_name(OLD_TACTIC), None, "it is no tactic of this version");
    }
}
