//! Why a signal counted an event: its `when` and `unless`, test by test, its labels, and what its `alert` waits for.

use crate::model::event::Event;
use crate::model::explanation::{Explanation, Row, RowKind, cut};
use crate::model::field;
use crate::signal::set::Signal;
use crate::signal::when::{Held, Place, When};

impl Signal {
    /// The signal held against one event. What it counted of others is not in it.
    pub fn explain(&self, event: &Event) -> Explanation {
        let mut rows = Vec::new();
        let counts = self.when.fits(event);
        rows.push(group("when", counts));
        alternatives(&self.when, event, &mut rows);
        if let Some(unless) = &self.unless {
            let is_left_out = unless.fits(event);
            rows.push(Row { kind: RowKind::Not, ..group("unless", !is_left_out) });
            alternatives(unless, event, &mut rows);
        }
        if !self.labels.is_empty() {
            rows.push(group("counted apart by", true));
            rows.extend(self.labels.iter().map(|(name, place)| {
                let wanted = "any value".to_owned();
                let name = if name == place.name() {
                    name.clone()
                } else {
                    format!("{name} = {}", place.name())
                };
                row(name, *place, wanted, place.text(event).is_some(), event)
            }));
        }
        // Whether it came to that, the other events say.
        rows.push(Row { wanted: cut(&self.alert), ..group("alert", true) });
        let missing: Vec<String> = self.missing(event);
        Explanation {
            rule_id: self.info.id.clone(),
            rule_title: self.info.title.clone(),
            event: event.id,
            timestamp: event.timestamp,
            host: event.host().to_owned(),
            source_fits: true,
            source_wanted: "signal".to_owned(),
            source_is: event.str(field::EVENT_DATASET).unwrap_or_default().to_owned(),
            holds: self.concerns(event),
            short: u32::try_from(missing.len()).unwrap_or(u32::MAX),
            missing,
            rows,
            rows_left_out: 0,
        }
    }

    /// The tests that fail in the alternative that is nearest.
    fn missing(&self, event: &Event) -> Vec<String> {
        let failed = |held: &Vec<Held<'_>>| held.iter().filter(|one| !one.holds).count();
        let nearest = self.when.held(event).into_iter().min_by_key(failed).unwrap_or_default();
        let failed = nearest.into_iter().filter(|one| !one.holds);
        let words = |one: Held<'_>| format!("{}: {}", one.place.name(), cut(one.wanted));
        let mut missing: Vec<String> = failed.map(words).collect();
        if self.unless.as_ref().is_some_and(|unless| unless.fits(event)) {
            missing.push("not what stands under unless".to_owned());
        }
        missing
    }
}

fn group(name: &str, holds: bool) -> Row {
    Row {
        depth: 0,
        kind: RowKind::Named,
        holds,
        name: name.to_owned(),
        ours: String::new(),
        actual: None,
        wanted: String::new(),
        value: String::new(),
    }
}

fn alternatives(when: &When, event: &Event, rows: &mut Vec<Row>) {
    let all = when.held(event);
    let several = all.len() > 1;
    for (number, items) in (1..).zip(all) {
        if several {
            let holds = items.iter().all(|one| one.holds);
            let name = format!("alternative {number}");
            rows.push(Row { depth: 1, kind: RowKind::Group, ..group(&name, holds) });
        }
        let depth = if several { 2 } else { 1 };
        rows.extend(items.into_iter().map(|one| Row {
            depth,
            ..row(one.place.name().to_owned(), one.place, cut(one.wanted), one.holds, event)
        }));
    }
}

fn row(name: String, place: Place, wanted: String, holds: bool, event: &Event) -> Row {
    let actual = place.text(event).map(|text| cut(&text));
    let ours = if actual.is_some() { place.name().to_owned() } else { String::new() };
    let kind = RowKind::Field;
    Row { depth: 1, kind, holds, name, ours, actual, wanted, value: String::new() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::signal::files::Document;
    use crate::signal::load::signal;

    #[test]
    fn every_test_of_a_signal_is_a_row_with_what_was_there() {
        let text = "title: many\nid: many-names\nwhen:\n  - {event.action: login, user.name: {starts: adm}}\n  - {event.action: [su, sudo]}\nunless: {source.ip: 10.0.0.1}\nlabels: [source.ip]\nalert:\n  count: {within: 5m, at_least: 20}\n";
        let document = Document { file: "a.yml".into(), skipped: 0, text: text.into() };
        let mut problems = Vec::new();
        let signal = signal(&document, &BTreeMap::new(), &mut problems).unwrap();
        let mut event = Event::with_capacity(4, 64);
        event.push_str(field::EVENT_ACTION, "login");
        event.push_str(field::USER_NAME, "admin");
        event.push_str(field::SOURCE_IP, "192.0.2.7");
        let found = signal.explain(&event);
        assert!(found.fires() && found.short == 0, "{found:?}");
        let lines: Vec<String> = found
            .rows
            .iter()
            .map(|row| {
                let (holds, actual) = (u8::from(row.holds), row.actual.as_deref().unwrap_or("-"));
                format!("{} {holds} {}: {} / {actual}", row.depth, row.name, row.wanted)
            })
            .collect();
        assert_eq!(
            lines,
            [
                "0 1 when:  / -",
                "1 1 alternative 1:  / -",
                "2 1 event.action: login / login",
                "2 1 user.name: starts: adm / admin",
                "1 0 alternative 2:  / -",
                "2 0 event.action: [su, sudo] / login",
                "0 1 unless:  / -",
                "1 0 source.ip: 10.0.0.1 / 192.0.2.7",
                "0 1 counted apart by:  / -",
                "1 1 source.ip: any value / 192.0.2.7",
                "0 1 alert: count: within: 5m, at_least: 20 / -",
            ]
        );
        let mut other = Event::with_capacity(4, 64);
        other.push_str(field::EVENT_ACTION, "login");
        let found = signal.explain(&other);
        assert_eq!(
            (found.fires(), found.missing),
            (false, vec!["user.name: starts: adm".to_owned()])
        );
    }
}
