//! `rules.budget`, `rules.suppress` and `rules.rarity`: what keeps alerts few.

use std::time::Duration;

use crate::config::reader::Reader;
use crate::model::rule_life::Selector;

/// New alerts of a rule in a day, where nobody says otherwise.
const BUDGET_DEFAULT: u64 = 200;
/// Matches of a rule on an endpoint that are remembered, where nobody says otherwise.
const RARITY_DEFAULT: u64 = 2_000;
/// Fields that a window of repeats may name.
const FIELDS_MAX: usize = 8;
/// The longest window: what it hides is told again after it.
const WINDOW_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Budgets, windows of repeats, memories of matches.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseConfig {
    /// New alerts of a rule in a day of event time; zero: as many as it likes.
    pub budget: u64,
    /// Other budgets for some rules.
    pub budgets: Vec<Budget>,
    /// Windows of repeats.
    pub suppress: Vec<Suppress>,
    /// Matches of a rule on an endpoint that are remembered; zero: none.
    pub rarity: usize,
}

impl Default for NoiseConfig {
    fn default() -> NoiseConfig {
        NoiseConfig {
            budget: BUDGET_DEFAULT,
            budgets: Vec::new(),
            suppress: Vec::new(),
            rarity: usize::try_from(RARITY_DEFAULT).unwrap_or(usize::MAX),
        }
    }
}

/// A budget for some rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Which.
    pub rules: Selector,
    /// New alerts a day; zero: as many as they like.
    pub alerts: u64,
}

/// A window of repeats for some rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppress {
    /// Which rules, and where.
    pub rules: Selector,
    /// Fields whose values a repeat shares.
    pub by: Vec<String>,
    /// How long.
    pub window: Duration,
}

/// Take the keys.
pub fn read(reader: &mut Reader) -> NoiseConfig {
    let budget = reader.number(
        "rules.budget",
        BUDGET_DEFAULT,
        0,
        "New alerts a rule may make in a day of event time, over all endpoints; with one more it is parked until `watchfloor rules release`. `0`: no budget. Critical rules have one only in `[[rules.budgets]]`.",
    );
    let rarity = reader.number(
        "rules.rarity",
        RARITY_DEFAULT,
        0,
        "Last matches of a rule on an endpoint that an alert's values are compared with. `0`: none.",
    );
    let budgets = (0..reader.tables("rules.budgets")).filter_map(|at| read_budget(reader, at));
    let budgets = budgets.collect();
    let suppress = (0..reader.tables("rules.suppress")).filter_map(|at| read_window(reader, at));
    NoiseConfig {
        budget,
        budgets,
        suppress: suppress.collect(),
        rarity: usize::try_from(rarity).unwrap_or(usize::MAX),
    }
}

fn read_budget(reader: &mut Reader, at: usize) -> Option<Budget> {
    let key = |name: &str| format!("rules.budgets[{at}].{name}");
    let rules = selector(reader, &key("rules"));
    if !reader.is_given(&key("alerts")) {
        let hint = "for example alerts = 20; 0 means no budget".to_owned();
        reader.complain(&key("alerts"), "a budget needs a number of alerts".to_owned(), hint);
    }
    let doc = "New alerts a day of each of these rules; `0`: no budget.";
    let alerts = reader.number(&key("alerts"), 0, 0, doc);
    let rules = rules?;
    if rules.host.is_some() {
        let message = "a budget is for a rule on all endpoints".to_owned();
        reader.complain(&key("rules"), message, "leave host: out".to_owned());
        return None;
    }
    Some(Budget { rules, alerts })
}

fn read_window(reader: &mut Reader, at: usize) -> Option<Suppress> {
    let key = |name: &str| format!("rules.suppress[{at}].{name}");
    let rules = selector(reader, &key("rules"));
    let doc = "Fields whose values a repeat shares, beside rule and endpoint; an event that lacks one is no repeat.";
    let by = reader.texts(&key("by"), &[], doc);
    if by.len() > FIELDS_MAX || by.iter().any(|field| field.trim().is_empty()) {
        let message = format!("1 to {FIELDS_MAX} names of fields are wanted, or an empty list");
        reader.complain(&key("by"), message, "by = [\"user.name\"]".to_owned());
    }
    let doc =
        "How long a repeat raises the count of the alert, from its first match on, in event time.";
    let window = reader.duration(&key("for"), Duration::from_secs(3_600), doc);
    if window.is_zero() || window > WINDOW_MAX {
        let message = "a window is longer than nothing and at most 30 days".to_owned();
        reader.complain(&key("for"), message, "for = \"1h\"".to_owned());
    }
    Some(Suppress { rules: rules?, by, window })
}

fn selector(reader: &mut Reader, key: &str) -> Option<Selector> {
    let doc = "Which rules, as in `watchfloor rules disable`: `ID`, `pack:NAME`, `tag:PATTERN`, `level:LEVEL`, `recommended`, `all`. The most specific entry holds.";
    let text = reader.text(key, "", doc);
    match Selector::parse(text.split_whitespace()) {
        Ok(selector) => Some(selector),
        Err(error) => {
            reader.complain(key, error.to_string(), "rules = \"level:low\"".to_owned());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (NoiseConfig, Vec<String>) {
        let mut reader = Reader::default();
        reader.add_file("w.toml".as_ref(), text);
        let config = read(&mut reader);
        reader.finish();
        (config, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn budgets_and_windows_are_read_and_slips_named_with_their_line() {
        let (config, problems) = read_text(
            "[rules]\nbudget = 50\n[[rules.budgets]]\nrules = \"level:low pack:sigma\"\nalerts = 5\n\
             [[rules.suppress]]\nrules = \"r1 host:web*\"\nby = [\"user.name\"]\nfor = \"2h\"\n",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!((config.budget, config.budgets[0].alerts), (50, 5));
        assert_eq!(config.suppress[0].window, Duration::from_secs(7_200));
        let (_, problems) = read_text(
            "[[rules.budgets]]\nrules = \"level:loud\"\n[[rules.suppress]]\nrules = \"all\"\nfor = \"0s\"\nbye = 1\n",
        );
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].starts_with("w.toml:2: rules.budgets[0].rules"), "{problems:?}");
        assert!(problems[3].contains("did you mean rules.suppress[0].by"), "{problems:?}");
    }
}
