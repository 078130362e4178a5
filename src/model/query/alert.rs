//! The filter language over alerts.

use std::ops::RangeBounds as _;

use crate::model::alert::{Alert, AlertId, Status};
use crate::model::event::Value as FieldValue;
use crate::model::query::event::{self, Test};
use crate::model::query::scalar::{self, Bounds, Natural, Network, Pattern, When};
use crate::model::query::{NEAR, Node, Op, Query, QueryError, Term, Value, nearest, unknown_field};
use crate::model::severity::Severity;
use crate::model::verdict::VerdictKind;
use crate::stdx::time::Timestamp;

/// The fields of alerts with a word of help, for completion and for errors. Beside them, any dotted ECS
/// name looks into what matched and into the group values.
pub const FIELDS: [(&str, &str); 29] = [
    (
        "is",
        "open closed new acknowledged investigating resolved false_positive snoozed mine owned unowned backfill live changed judged",
    ),
    ("status", "open acknowledged investigating resolved false_positive: the state itself"),
    ("sev", "critical high medium low info; has an order"),
    ("severity", "the same as sev"),
    ("risk", "0 to 100"),
    ("count", "matches in the episode"),
    ("host", "the endpoint's name"),
    ("user", "the user's name"),
    ("rule", "the rule's id or title"),
    ("title", "the rule's title"),
    ("owner", "a name, me, none or any"),
    ("assignee", "the same as owner"),
    ("verdict", "tp fp benign suspicious duplicate insufficient none any"),
    ("has", "note verdict owner user tag group"),
    ("tag", "a Sigma tag"),
    ("tech", "an ATT&CK technique: T1059, T1059.001"),
    ("tactic", "an ATT&CK tactic: credential-access"),
    ("ip", "an address or network among the matched values"),
    ("reason", "a reason code of the verdict"),
    ("note", "text of the verdict's note"),
    ("tenant", "the tenant"),
    ("id", "the alert's id, or its beginning"),
    ("bundle", "the bundle's id, or its beginning"),
    ("age", "time since the last match: age<4h"),
    ("first", "event time of the first match"),
    ("last", "event time of the last match"),
    ("created", "when the alert was raised"),
    ("updated", "when it changed last"),
    ("sort", "how to sort: -risk,last_seen"),
];

/// What a filter needs to know besides the alert.
#[derive(Clone, Copy)]
pub struct Viewpoint<'a> {
    /// Now, for ages and snoozes.
    pub now: Timestamp,
    /// Who asks, for `owner:me` and `is:mine`.
    pub actor: &'a str,
    /// Has this alert a note? Asked only when [`AlertFilter::asks_for_notes`].
    pub noted: &'a (dyn Fn(AlertId) -> bool + Sync),
}

/// A filter of alerts, ready to match.
#[derive(Clone, Debug)]
pub struct AlertFilter {
    root: Node<Check>,
    sort: Option<String>,
}

#[derive(Clone, Debug)]
enum Check {
    Bare(Pattern),
    Is(Is),
    Status(Status),
    Severity(Bounds<Severity>),
    Risk(Bounds<f64>),
    Count(Bounds<f64>),
    Text(Text, Pattern),
    Owner(Owner),
    Verdict(Judged),
    Has(Has),
    Ip(Network),
    Time(Which, When),
    /// A field of the events, as far as the alert knows it.
    Field(String, Test),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Open,
    Closed,
    State(Status),
    Snoozed,
    Mine,
    Owned,
    Backfill,
    Live,
    Changed,
    Judged,
    Unowned,
}

#[derive(Clone, Copy, Debug)]
enum Text {
    Host,
    User,
    Rule,
    Title,
    Tag,
    Tech,
    Tactic,
    Reason,
    Note,
    Tenant,
    Id,
    Bundle,
}

#[derive(Clone, Debug)]
enum Owner {
    Me,
    Nobody,
    Anybody,
    Named(Pattern),
}

#[derive(Clone, Copy, Debug)]
enum Judged {
    No,
    Yes,
    As(VerdictKind),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Has {
    Note,
    Verdict,
    Owner,
    User,
    Tag,
    Group,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Last,
    First,
    Created,
    Updated,
}

const IS: [(&str, Is); 15] = [
    ("open", Is::Open),
    ("closed", Is::Closed),
    ("new", Is::State(Status::Open)),
    ("acknowledged", Is::State(Status::Acknowledged)),
    ("investigating", Is::State(Status::Investigating)),
    ("resolved", Is::State(Status::Resolved)),
    ("false_positive", Is::State(Status::FalsePositive)),
    ("snoozed", Is::Snoozed),
    ("mine", Is::Mine),
    ("owned", Is::Owned),
    ("unowned", Is::Unowned),
    ("backfill", Is::Backfill),
    ("live", Is::Live),
    ("changed", Is::Changed),
    ("judged", Is::Judged),
];

const VERDICTS: [(&str, Judged); 15] = [
    ("none", Judged::No),
    ("any", Judged::Yes),
    ("tp", Judged::As(VerdictKind::TruePositive)),
    ("true_positive", Judged::As(VerdictKind::TruePositive)),
    ("fp", Judged::As(VerdictKind::FalsePositive)),
    ("false_positive", Judged::As(VerdictKind::FalsePositive)),
    ("benign", Judged::As(VerdictKind::BenignTruePositive)),
    ("btp", Judged::As(VerdictKind::BenignTruePositive)),
    ("benign_true_positive", Judged::As(VerdictKind::BenignTruePositive)),
    ("suspicious", Judged::As(VerdictKind::Suspicious)),
    ("sus", Judged::As(VerdictKind::Suspicious)),
    ("duplicate", Judged::As(VerdictKind::Duplicate)),
    ("dup", Judged::As(VerdictKind::Duplicate)),
    ("insufficient", Judged::As(VerdictKind::InsufficientData)),
    ("insufficient_data", Judged::As(VerdictKind::InsufficientData)),
];

const HAS: [(&str, Has); 6] = [
    ("note", Has::Note),
    ("verdict", Has::Verdict),
    ("owner", Has::Owner),
    ("user", Has::User),
    ("tag", Has::Tag),
    ("group", Has::Group),
];

impl AlertFilter {
    /// Read a filter of alerts; every name and value is checked.
    pub fn parse(text: &str) -> Result<AlertFilter, QueryError> {
        AlertFilter::of(&Query::parse(text)?)
    }

    /// Give a parsed filter its meaning for alerts.
    pub fn of(query: &Query) -> Result<AlertFilter, QueryError> {
        let root = Node::build(&query.root, &mut check)?;
        Ok(AlertFilter { root, sort: query.sort.clone() })
    }

    /// The `sort:` part, if there is one.
    pub fn sort(&self) -> Option<&str> {
        self.sort.as_deref()
    }

    /// Does the answer depend on which alerts have notes?
    pub fn asks_for_notes(&self) -> bool {
        self.root.any(&|check| matches!(check, Check::Has(Has::Note)))
    }

    /// Does the filter let this alert through?
    pub fn matches(&self, alert: &Alert, from: &Viewpoint<'_>) -> bool {
        self.root.matches(&|check| check.matches(alert, from))
    }
}

fn check(term: &Term) -> Result<Check, QueryError> {
    let Some(name) = term.field.as_deref() else {
        return Ok(Check::Bare(Pattern::read(term, Natural::Containing)?));
    };
    let text = |which, natural| Ok(Check::Text(which, Pattern::read(term, natural)?));
    let time = |which| Ok(Check::Time(which, When::read(term, name)?));
    match name.to_ascii_lowercase().as_str() {
        "is" => Ok(Check::Is(choice(term, name, &IS)?)),
        "status" => {
            let states = Status::ALL.map(|status| (status.as_str(), status));
            Ok(Check::Status(choice(term, name, &states)?))
        }
        "sev" | "severity" => {
            scalar::bounds(term, Severity::parse).map(Check::Severity).ok_or_else(|| {
                let message = format!("{name} is one of critical, high, medium, low, info");
                QueryError::new(message, term.value_span.clone()).hint("sev>=high")
            })
        }
        "risk" => Ok(Check::Risk(scalar::numbers(term, name)?)),
        "count" => Ok(Check::Count(scalar::numbers(term, name)?)),
        "host" => text(Text::Host, Natural::Whole),
        "user" => text(Text::User, Natural::Whole),
        "rule" => text(Text::Rule, Natural::Containing),
        "title" => text(Text::Title, Natural::Containing),
        "tag" => text(Text::Tag, Natural::Whole),
        "tech" => text(Text::Tech, Natural::Whole),
        "tactic" => text(Text::Tactic, Natural::Whole),
        "reason" => text(Text::Reason, Natural::Whole),
        "note" => text(Text::Note, Natural::Containing),
        "tenant" => text(Text::Tenant, Natural::Whole),
        "id" => text(Text::Id, Natural::Beginning),
        "bundle" => text(Text::Bundle, Natural::Beginning),
        "owner" | "assignee" => owner(term),
        "verdict" => Ok(Check::Verdict(choice(term, name, &VERDICTS)?)),
        "has" => Ok(Check::Has(choice(term, name, &HAS)?)),
        "ip" => network(term, name).map(Check::Ip),
        "age" | "last" => time(Which::Last),
        "first" => time(Which::First),
        "created" => time(Which::Created),
        "updated" => time(Which::Updated),
        dotted if dotted.contains('.') => {
            let natural = event::natural(dotted);
            Ok(Check::Field(dotted.to_owned(), Test::read(term, dotted, natural)?))
        }
        _ => Err(unknown_field(term, name, &FIELDS)),
    }
}

fn owner(term: &Term) -> Result<Check, QueryError> {
    Ok(Check::Owner(match &term.value {
        Value::Word(word) if word == "me" => Owner::Me,
        Value::Word(word) if word == "none" => Owner::Nobody,
        Value::Word(word) if word == "any" => Owner::Anybody,
        _ => Owner::Named(Pattern::read(term, Natural::Whole)?),
    }))
}

pub(super) fn network(term: &Term, name: &str) -> Result<Network, QueryError> {
    let read = match (&term.value, term.op) {
        (Value::Word(word) | Value::Quoted(word), Op::Is | Op::Equal) => Network::parse(word),
        _ => None,
    };
    read.ok_or_else(|| {
        let message = format!("{name} takes an address or a network");
        QueryError::new(message, term.value_span.clone()).hint("ip:10.20.0.0/16")
    })
}

/// One of the words of a closed set.
pub(super) fn choice<T: Copy>(
    term: &Term,
    name: &str,
    words: &[(&str, T)],
) -> Result<T, QueryError> {
    let (Value::Word(word) | Value::Quoted(word), Op::Is | Op::Equal) = (&term.value, term.op)
    else {
        let message = format!("{name} takes a word, as in {name}:word");
        return Err(QueryError::new(message, term.value_span.clone()));
    };
    let lower = word.to_ascii_lowercase();
    if let Some((_, value)) = words.iter().find(|(known, _)| *known == lower) {
        return Ok(*value);
    }
    let hint = match nearest(&lower, NEAR, words.iter().map(|(known, _)| *known)) {
        Some(near) => format!("did you mean {near}?"),
        None => words.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", "),
    };
    let message = format!("{name} does not know {word}");
    Err(QueryError::new(message, term.value_span.clone()).hint(hint))
}

impl Check {
    fn matches(&self, alert: &Alert, from: &Viewpoint<'_>) -> bool {
        match self {
            Check::Bare(pattern) => bare(alert, pattern),
            Check::Is(is) => is.matches(alert, from),
            Check::Status(status) => alert.status == *status,
            Check::Severity(bounds) => bounds.contains(&alert.severity),
            Check::Risk(bounds) => bounds.contains(&f64::from(alert.risk)),
            #[allow(clippy::cast_precision_loss, reason = "a comparison of counts for people")]
            Check::Count(bounds) => bounds.contains(&(alert.count as f64)),
            Check::Text(which, pattern) => which.matches(alert, pattern),
            Check::Owner(owner) => match (owner, alert.assignee.as_deref()) {
                (Owner::Me, name) => name == Some(from.actor),
                (Owner::Nobody, name) => name.is_none(),
                (Owner::Anybody, name) => name.is_some(),
                (Owner::Named(pattern), name) => name.is_some_and(|name| pattern.matches(name)),
            },
            Check::Verdict(judged) => match (judged, &alert.verdict) {
                (Judged::No, verdict) => verdict.is_none(),
                (Judged::Yes, verdict) => verdict.is_some(),
                (Judged::As(kind), verdict) => {
                    verdict.as_ref().is_some_and(|verdict| verdict.kind == *kind)
                }
            },
            Check::Has(has) => has.matches(alert, from),
            Check::Ip(network) => values(alert).any(|(_, value)| network.contains(value)),
            Check::Time(which, when) => when.contains(which.of(alert), from.now),
            Check::Field(name, test) => values(alert)
                .filter(|(field, _)| field.eq_ignore_ascii_case(name))
                .any(|(_, value)| test.matches(FieldValue::Str(value))),
        }
    }
}

impl Is {
    fn matches(self, alert: &Alert, from: &Viewpoint<'_>) -> bool {
        match self {
            Is::Open => !alert.status.is_closed() && !Is::Snoozed.matches(alert, from),
            Is::Closed => alert.status.is_closed(),
            Is::State(status) => alert.status == status,
            Is::Snoozed => alert.snoozed_until.is_some_and(|until| until > from.now),
            Is::Mine => alert.assignee.as_deref() == Some(from.actor),
            Is::Owned => alert.assignee.is_some(),
            Is::Unowned => alert.assignee.is_none(),
            Is::Backfill => alert.backfill,
            Is::Live => !alert.backfill,
            Is::Changed => alert.changed_since_closed,
            Is::Judged => alert.verdict.is_some(),
        }
    }
}

impl Has {
    fn matches(self, alert: &Alert, from: &Viewpoint<'_>) -> bool {
        match self {
            Has::Note => {
                let said = alert.verdict.as_ref().is_some_and(|verdict| !verdict.note.is_empty());
                said || (from.noted)(alert.id)
            }
            Has::Verdict => alert.verdict.is_some(),
            Has::Owner => alert.assignee.is_some(),
            Has::User => !alert.user.is_empty(),
            Has::Tag => !alert.tags.is_empty(),
            Has::Group => !alert.group.is_empty(),
        }
    }
}

impl Which {
    fn of(self, alert: &Alert) -> Timestamp {
        match self {
            Which::Last => alert.last_seen,
            Which::First => alert.first_seen,
            Which::Created => alert.created,
            Which::Updated => alert.updated,
        }
    }
}

impl Text {
    fn matches(self, alert: &Alert, pattern: &Pattern) -> bool {
        match self {
            Text::Host => pattern.matches(&alert.host),
            Text::User => pattern.matches(&alert.user),
            Text::Rule => pattern.matches(&alert.rule_name) || pattern.matches(&alert.rule_id),
            Text::Title => pattern.matches(&alert.rule_name),
            Text::Tag => alert.tags.iter().any(|tag| pattern.matches(tag)),
            Text::Tech => alert.tags.iter().any(|tag| technique(tag, pattern)),
            Text::Tactic => alert.tags.iter().any(|tag| tactic(tag, pattern)),
            Text::Reason => alert
                .verdict
                .as_ref()
                .is_some_and(|verdict| verdict.reasons.iter().any(|code| pattern.matches(code))),
            Text::Note => {
                alert.verdict.as_ref().is_some_and(|verdict| pattern.matches(&verdict.note))
            }
            Text::Tenant => pattern.matches(&alert.tenant),
            Text::Id => pattern.matches(&alert.id.to_string()),
            Text::Bundle => alert.bundle.is_some_and(|id| pattern.matches(&id.to_string())),
        }
    }
}

/// `attack.t1059.001` is T1059.001, and T1059 as well.
fn technique(tag: &str, pattern: &Pattern) -> bool {
    let Some(name) = attack(tag).filter(|name| is_technique(name)) else {
        return false;
    };
    let parent = name.split_once('.').map_or(name, |(parent, _)| parent);
    pattern.matches(name) || pattern.matches(parent)
}

fn tactic(tag: &str, pattern: &Pattern) -> bool {
    let Some(name) = attack(tag).filter(|name| !is_technique(name)) else {
        return false;
    };
    pattern.matches(name) || pattern.matches(&name.replace('_', "-"))
}

fn attack(tag: &str) -> Option<&str> {
    let (space, name) = tag.split_once('.')?;
    space.eq_ignore_ascii_case("attack").then_some(name)
}

/// Techniques, groups and software are a letter and a number; tactics are words.
fn is_technique(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| matches!(first.to_ascii_lowercase(), 't' | 'g' | 's'))
        && letters.next().is_some_and(|second| second.is_ascii_digit())
}

fn bare(alert: &Alert, pattern: &Pattern) -> bool {
    [&alert.rule_name, &alert.host, &alert.user, &alert.rule_id]
        .into_iter()
        .any(|text| pattern.matches(text))
        || alert
            .matched
            .iter()
            .any(|(field, value)| field.starts_with("process.") && pattern.matches(value))
}

fn values(alert: &Alert) -> impl Iterator<Item = (&str, &str)> {
    let both = alert.group.iter().chain(&alert.matched);
    both.map(|(field, value)| (field.as_str(), value.as_str()))
}
