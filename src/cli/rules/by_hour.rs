//! The alerts of a backtest by endpoint and clock hour, for `watchfloor rules backtest --by hour`.

use std::io::Write;

use crate::cli::output::{self, Format};
use crate::cli::rules::backtest::short;
use crate::pipeline::workshop::noise::NoiseReport;

/// The columns, in CSV's order.
const COLUMNS: [&str; 7] =
    ["host.name", "hour", "alerts", "findings", "rule.level", "rule.id", "rule.name"];
/// Hours that are named when several have too many alerts.
const HOURS_MAX: usize = 20;

/// A row a rule, endpoint and hour; the sums on standard error.
pub(super) fn print(report: &NoiseReport, format: Format) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let records = report.rows.iter().map(|row| {
        serde_json::json!({
            "host.name": row.host, "hour": short(row.hour), "alerts": row.alerts,
            "findings": row.findings, "rule.level": row.level.as_str(), "rule.id": row.id,
            "rule.name": row.title,
        })
    });
    output::records(&mut out, format, &COLUMNS, records)?;
    out.flush()?;
    let hours = report.host_hours();
    let alerts = report.alerts();
    let most = report.hours().first().map_or_else(String::new, |(host, hour, count)| {
        format!("; most in one hour: {count} ({}, {})", name(host), short(*hour))
    });
    // A count of alerts of one run is far below what a float holds exactly.
    let each = if hours > 0.0 { alerts as f64 / hours } else { 0.0 };
    output::complain(&format!(
        "{alerts} alerts on {} endpoints in {hours:.1} observed host-hours: {each:.2} an endpoint and hour{most}",
        report.observed_s.len()
    ));
    if report.left_out > 0 {
        output::complain(&format!("{} findings are beyond the rows kept", report.left_out));
    }
    Ok(())
}

/// Name the hours of endpoints with more alerts than wanted; how many there are.
pub(super) fn too_many(report: &NoiseReport, most: u64) -> usize {
    let hours = report.hours();
    let over: Vec<_> = hours.iter().filter(|(_, _, alerts)| *alerts > most).collect();
    for (host, hour, alerts) in over.iter().take(HOURS_MAX) {
        let (host, hour) = (name(host), short(*hour));
        output::complain(&format!("too many: {alerts} alerts on {host} from {hour}"));
    }
    let verdict = match over.len() {
        0 => format!("no endpoint has more than {most} alerts in one clock hour"),
        count => format!("{count} hours of endpoints have more than {most} alerts"),
    };
    output::complain(&verdict);
    over.len()
}

fn name(host: &str) -> &str {
    if host.is_empty() { "(no name)" } else { host }
}
