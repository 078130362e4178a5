//! What `scan` says at its end, on standard error: the ledger, the findings by level, host and rule.

use std::collections::BTreeMap;

use crate::cli::output::complain;
use crate::model::severity::Severity;
use crate::pipeline::inputs::DAMAGED;
use crate::pipeline::scan::ScanReport;

/// Hosts and rules that the summary lists; the rest is counted.
const LISTED_MAX: usize = 10;

/// Inputs that could not be read and rules that do not run: always said.
pub(crate) fn problems(report: &ScanReport) {
    for problem in &report.problems {
        complain(&format!("watchfloor: {problem}"));
    }
}

pub(crate) fn print(report: &ScanReport) {
    let ledger = &report.ledger;
    complain("");
    complain(&format!(
        "records   {} received = {} judged + {} rejected + {} duplicate + {} shed + {} in flight{}",
        ledger.received,
        ledger.stored,
        ledger.rejected,
        ledger.duplicate,
        ledger.shed,
        ledger.in_flight,
        if ledger.balances() { "" } else { "  DOES NOT BALANCE" },
    ));
    for (reason, count) in &report.rejects {
        complain(&format!("          rejected {count}: {reason}"));
        // Damaged input is listed with the problems already.
        if *reason != DAMAGED
            && let Some(first) = report.first_rejects.get(reason)
        {
            complain(&format!("            first: {first}"));
        }
    }
    for (reason, count) in &report.time_problems {
        complain(&format!("          time {reason}: {count} events"));
    }
    complain(&format!(
        "events    {} in {} files, {} outside --from/--to",
        ledger.events, report.files, report.out_of_range
    ));
    complain(&format!(
        "rules     {} loaded, {} failed, {} without a log source we know",
        report.rules_loaded, report.rules_failed, report.rules_unbound
    ));
    complain(&format!(
        "signals   {} loaded, {} problems",
        report.signals_loaded, report.signals_failed
    ));
    for (signal, reason) in report.signals_dead.iter().take(LISTED_MAX) {
        complain(&format!("          {signal} cannot say anything: {reason}"));
    }
    let levels: Vec<String> = Severity::ALL
        .iter()
        .map(|level| format!("{} {level}", report.by_level.get(level).unwrap_or(&0)))
        .collect();
    complain(&format!("findings  {}: {}", report.findings, levels.join(", ")));
    failed_logins(report);
    top("hosts", &report.by_host);
    top("rules", &report.by_rule);
}

fn failed_logins(report: &ScanReport) {
    let failed = &report.failed_logins;
    if failed.total() == 0 {
        return;
    }
    let addresses = failed.top();
    let most: Vec<String> = addresses
        .iter()
        .take(5)
        .map(|(address, count)| {
            format!("{count} {}", if address.is_empty() { "(no address)" } else { address })
        })
        .collect();
    complain(&format!(
        "log-ins   {} failed by password from {} addresses: {}; {} failed by other methods",
        failed.total(),
        addresses.iter().filter(|(address, _)| !address.is_empty()).count(),
        most.join(", "),
        failed.other_methods
    ));
}

fn top(title: &str, counts: &BTreeMap<String, u64>) {
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (index, (name, count)) in sorted.iter().take(LISTED_MAX).enumerate() {
        let label = if index == 0 { title } else { "" };
        let name = if name.is_empty() { "(no host)" } else { name };
        complain(&format!("{label:<9} {count:>7}  {name}"));
    }
    if sorted.len() > LISTED_MAX {
        complain(&format!("          and {} more", sorted.len() - LISTED_MAX));
    }
}
