//! Can a rule fire on what arrives? Not whether it will: whether its log source comes, with the fields that its condition
//! needs, in a form that its tests can match. A rule that cannot is dead, and this says of what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier, SigmaRule,
    SigmaValue,
};

use crate::detect::explain::words;
use crate::detect::fields;
use crate::detect::logsource::Binding;
use crate::detect::telemetry::{Fields, Sort, Telemetry};
use crate::model::field::FieldId;

/// Causes that are told of one rule.
const CAUSES_MAX: usize = 4;

/// Whether and where a rule can fire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Endpoints on which it can.
    pub endpoints: BTreeSet<String>,
    /// Why it cannot anywhere; empty when it can.
    pub causes: Vec<String>,
}

impl Reach {
    /// Can it fire nowhere?
    pub fn is_dead(&self) -> bool {
        self.endpoints.is_empty()
    }
}

/// Ask of one rule. Names of fields are looked up once for all rules in `names`.
pub fn reach(rule: &SigmaRule, telemetry: &Telemetry, names: &mut Names) -> Reach {
    let mut reach = Reach::default();
    let wanted = words::source(&rule.logsource);
    let Some(binding) = Binding::of(&rule.logsource) else {
        reach.causes.push(format!("nothing is read that is {wanted}"));
        return reach;
    };
    // Of the kinds of event that come near, the one that lacks least tells the cause.
    let mut best: Option<Vec<String>> = None;
    for (host, endpoint) in &telemetry.endpoints {
        for (sort, there) in &endpoint.kinds {
            if !binding.fits(&sort.kind()) {
                continue;
            }
            let mut lacks = Vec::new();
            let mut asked = Asked { names, sort, there };
            let possible = rule
                .detection
                .conditions
                .iter()
                .any(|condition| asked.condition(condition, &rule.detection, &mut lacks));
            if possible {
                reach.endpoints.insert(host.clone());
                break;
            }
            if best.as_ref().is_none_or(|best| lacks.len() < best.len()) {
                best = Some(lacks);
            }
        }
    }
    if reach.endpoints.is_empty() {
        reach.causes = match best {
            Some(mut lacks) => {
                lacks.dedup();
                lacks.truncate(CAUSES_MAX);
                lacks
            }
            None => vec![format!("no event of {wanted} came")],
        };
    }
    reach
}

/// Our fields for a rule's field, found once.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, Vec<FieldId>>);

impl Names {
    fn of(&mut self, name: &str) -> &[FieldId] {
        self.0.entry(name.to_owned()).or_insert_with(|| {
            fields::candidates(name).iter().filter_map(|name| FieldId::intern(name)).collect()
        })
    }
}

struct Asked<'a> {
    names: &'a mut Names,
    sort: &'a Sort,
    there: &'a Fields,
}

impl Asked<'_> {
    fn condition(
        &mut self,
        condition: &ConditionExpr,
        all: &Detections,
        lacks: &mut Vec<String>,
    ) -> bool {
        match condition {
            ConditionExpr::And(inner) => {
                // All are asked, so that all causes are told.
                inner.iter().filter(|one| !self.condition(one, all, lacks)).count() == 0
            }
            ConditionExpr::Or(inner) => inner.iter().any(|one| self.condition(one, all, lacks)),
            // What is not there is not there.
            ConditionExpr::Not(_) => true,
            ConditionExpr::Identifier(name) => {
                all.named.get(name).is_some_and(|found| self.detection(found, lacks))
            }
            ConditionExpr::Selector { quantifier, pattern } => {
                let named: BTreeMap<&String, &Detection> = all
                    .named
                    .iter()
                    .filter(|(name, _)| pattern.matches_detection_name(name))
                    .collect();
                let wanted = match quantifier {
                    Quantifier::Any => 1,
                    Quantifier::All => named.len() as u64,
                    Quantifier::Count(count) => *count,
                };
                let possible = named.values().filter(|found| self.detection(found, lacks));
                possible.count() as u64 >= wanted
            }
        }
    }

    fn detection(&mut self, found: &Detection, lacks: &mut Vec<String>) -> bool {
        match found {
            Detection::AllOf(items) => {
                items.iter().filter(|item| !self.item(item, lacks)).count() == 0
            }
            Detection::And(inner) => {
                inner.iter().filter(|one| !self.detection(one, lacks)).count() == 0
            }
            Detection::AnyOf(inner) => inner.iter().any(|one| self.detection(one, lacks)),
            Detection::Keywords(_) | Detection::Conditional { .. } => true,
            Detection::ArrayMatch { field, .. } => {
                let there = self.forms(field).is_some();
                if !there {
                    lacks.push(format!("no field {field}"));
                }
                there
            }
        }
    }

    fn forms(&mut self, name: &str) -> Option<crate::detect::telemetry::Forms> {
        let there = self.there;
        self.names.of(name).iter().find_map(|id| there.get(id).copied())
    }

    fn item(&mut self, item: &DetectionItem, lacks: &mut Vec<String>) -> bool {
        let Some(name) = item.field.name.as_deref() else { return true };
        let has = |modifier| item.field.has_modifier(modifier);
        let absent_is_good = item.values.iter().any(|value| matches!(value, SigmaValue::Null))
            || (has(Modifier::Exists)
                && matches!(item.values.first(), Some(SigmaValue::Bool(false))));
        if absent_is_good {
            return true;
        }
        if let Some(lack) = self.head(name, item) {
            lacks.push(lack);
            return false;
        }
        let Some(forms) = self.forms(name) else {
            lacks.push(format!("no field {name}"));
            return false;
        };
        let compares =
            [Modifier::Gt, Modifier::Gte, Modifier::Lt, Modifier::Lte].into_iter().any(has);
        let plain = item.field.modifiers.is_empty();
        let numbers = item
            .values
            .iter()
            .all(|value| matches!(value, SigmaValue::Integer(_) | SigmaValue::Float(_)));
        let hex = item.values.iter().all(
            |value| matches!(value, SigmaValue::String(text) if text.original.starts_with("0x")),
        );
        let lack = if (compares || (plain && numbers)) && !forms.has_number() {
            let is = if forms.only_hex() { "hexadecimal text" } else { "text" };
            format!("{name} is {is} where the rule wants a number")
        } else if plain && hex && forms.only_number() {
            format!("{name} is a number where the rule wants hexadecimal text")
        } else {
            return true;
        };
        lacks.push(lack);
        false
    }

    /// Event ids and providers are known of every kind of event, so their values are compared and not only sought.
    fn head(&self, name: &str, item: &DetectionItem) -> Option<String> {
        if !item.field.modifiers.is_empty() {
            return None;
        }
        let written: Vec<String> = item.values.iter().map(ToString::to_string).collect();
        let (is, what) = match name {
            "EventID" | "EventCode" => (self.sort.code?.to_string(), "event id"),
            "Provider_Name" if !self.sort.provider.is_empty() => {
                (self.sort.provider.clone(), "provider")
            }
            _ => return None,
        };
        let wild = written.iter().any(|value| value.contains(['*', '?']));
        let fits = wild || written.iter().any(|value| value.eq_ignore_ascii_case(&is));
        (!fits).then(|| format!("no event with {what} {}", written.join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use rsigma_parser::parse_sigma_yaml;

    use super::*;
    use crate::model::event::Event;

    fn asked(detection: &str, fields: &[(&str, &str)]) -> Reach {
        let text = format!(
            "title: T\nlogsource:\n    product: windows\n    service: security\ndetection:\n{detection}"
        );
        let rule = parse_sigma_yaml(&text).unwrap().rules.remove(0);
        let mut event = Event::with_capacity(8, 64);
        for (name, value) in fields {
            event.push_named(name, Value::Str(value));
        }
        let mut telemetry = Telemetry::default();
        telemetry.see(&event);
        reach(&rule, &telemetry, &mut Names::default())
    }

    use crate::model::event::Value;

    const EVENT: [(&str, &str); 4] = [
        ("winlog.channel", "Security"),
        ("event.code", "4688"),
        ("host.name", "pc1"),
        ("winlog.event_data.AccessMask", "0x10"),
    ];

    #[test]
    fn what_can_fire_names_its_endpoints_and_what_cannot_its_cause() {
        let live = asked(
            "    s:\n        EventID: 4688\n        AccessMask: '0x10'\n    condition: s\n",
            &EVENT,
        );
        assert_eq!((live.endpoints.len(), live.causes.len()), (1, 0), "{live:?}");
        for (detection, cause) in [
            ("    s:\n        EventID: 4697\n    condition: s\n", "no event with event id 4697"),
            ("    s:\n        Nowhere: a\n    condition: s\n", "no field Nowhere"),
            (
                "    s:\n        AccessMask: 16\n    condition: s\n",
                "AccessMask is hexadecimal text where the rule wants a number",
            ),
        ] {
            let dead = asked(detection, &EVENT);
            assert!(dead.is_dead());
            assert_eq!(dead.causes, [cause]);
        }
        let other = asked("    s:\n        EventID: 1\n    condition: s\n", &[("message", "x")]);
        assert_eq!(other.causes, ["no event of windows/security came"]);
    }

    #[test]
    fn one_way_is_enough_and_what_is_taken_away_need_not_be_there() {
        let rule = "    a:\n        Nowhere: a\n    b:\n        EventID: 4688\n    f:\n        Gone: x\n    \
                    condition: 1 of a* or b and not f\n";
        assert!(!asked(rule, &EVENT).is_dead());
        let null = "    s:\n        Nowhere: null\n    condition: s\n";
        assert!(!asked(null, &EVENT).is_dead());
    }
}
