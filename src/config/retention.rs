//! `[retention]`: how long what is kept, and what goes first when the disk fills.

use std::time::Duration;

use crate::config::reader::Reader;
use crate::model::retention::EventKind;

const DAY: u64 = 86_400;

/// Ages and sizes. A zero: for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct RetentionConfig {
    /// Raw events.
    pub events: Duration,
    /// What models said of endpoints.
    pub inference: Duration,
    /// Bytes of raw events on disk.
    pub events_bytes_max: u64,
    /// Rejected records.
    pub rejects: Duration,
    /// Endpoints that nothing was heard of.
    pub endpoints: Duration,
    /// Closed alerts.
    pub closed_alerts: Duration,
    /// How often the daemon looks.
    pub every: Duration,
    /// Per cent of the disk in use at which it is told.
    pub disk_warn: u64,
    /// Per cent of the disk in use at which the oldest events go before their time.
    pub disk_drop: u64,
    /// Events that are younger stay, whatever the disk says.
    pub disk_keep: Duration,
    /// Tenants for whom other ages and sizes hold.
    pub tenants: Vec<TenantRetention>,
}

/// What holds for one tenant in place of what holds for all. A zero: for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantRetention {
    /// `organization.id`.
    pub tenant: String,
    /// Raw events.
    pub events: Duration,
    /// What models said of endpoints.
    pub inference: Duration,
    /// Bytes of both on disk: the tenant's share of the segments.
    pub events_bytes_max: u64,
    /// Closed alerts.
    pub closed_alerts: Duration,
}

impl RetentionConfig {
    fn of(&self, tenant: &str) -> Option<&TenantRetention> {
        self.tenants.iter().find(|one| one.tenant == tenant)
    }

    /// How long events of a kind stay with a tenant.
    pub fn events_of(&self, tenant: &str, kind: EventKind) -> Duration {
        match (kind, self.of(tenant)) {
            (EventKind::Event, own) => own.map_or(self.events, |own| own.events),
            (EventKind::Inference, own) => own.map_or(self.inference, |own| own.inference),
        }
    }

    /// Have events in one segment different ages?
    pub fn events_differ(&self) -> bool {
        !self.tenants.is_empty() || self.inference != self.events
    }

    /// How many bytes of events a tenant may have on disk; zero: no limit of its own.
    pub fn events_bytes_of(&self, tenant: &str) -> u64 {
        self.of(tenant).map_or(0, |own| own.events_bytes_max)
    }

    /// How long closed alerts of a tenant stay.
    pub fn closed_alerts_of(&self, tenant: &str) -> Duration {
        self.of(tenant).map_or(self.closed_alerts, |own| own.closed_alerts)
    }

    /// The age that no event survives, whoever's it is.
    pub fn events_longest(&self) -> Duration {
        let own = self.tenants.iter().flat_map(|one| [one.events, one.inference]);
        let mut ages = [self.events, self.inference].into_iter().chain(own);
        let longest = ages.clone().max().unwrap_or_default();
        if ages.any(|age| age.is_zero()) { Duration::ZERO } else { longest }
    }
}

impl Default for RetentionConfig {
    fn default() -> RetentionConfig {
        RetentionConfig {
            events: Duration::from_secs(90 * DAY),
            inference: Duration::from_secs(90 * DAY),
            events_bytes_max: 0,
            rejects: Duration::from_secs(90 * DAY),
            endpoints: Duration::from_secs(365 * DAY),
            closed_alerts: Duration::ZERO,
            every: Duration::from_secs(600),
            disk_warn: 80,
            disk_drop: 90,
            disk_keep: Duration::from_secs(DAY),
            tenants: Vec::new(),
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> RetentionConfig {
    let default = RetentionConfig::default();
    let events = reader.duration(
        "retention.events",
        default.events,
        "Events go this long after they were stored and happened; `0s`: never. Evidence of open alerts stays.",
    );
    let inference = reader.duration(
        "retention.inference",
        events,
        "What models said of endpoints goes after this long; not set: as events.",
    );
    let events_bytes_max = reader.size(
        "retention.events_bytes_max",
        default.events_bytes_max,
        "Bytes of events on disk; over it the oldest segments go. `0 B`: no limit.",
    );
    let rejects = reader.duration(
        "retention.rejects",
        default.rejects,
        "Rejected records go after this long; `0s`: never.",
    );
    let endpoints = reader.duration(
        "retention.endpoints",
        default.endpoints,
        "Endpoints go when nothing was heard of them for this long and none of their events is left; `0s`: never.",
    );
    let closed_alerts = reader.duration(
        "retention.closed_alerts",
        default.closed_alerts,
        "Closed alerts go this long after their last change; `0s`: never, which is the default. The audit log stays.",
    );
    let every = reader.duration("retention.every", default.every, "How often the daemon looks.");
    let disk_warn = reader.number(
        "retention.disk_warn",
        default.disk_warn,
        1,
        "Per cent of the disk in use at which there is a problem and an alert.",
    );
    let disk_drop = reader.number(
        "retention.disk_drop",
        default.disk_drop,
        1,
        "Per cent of the disk in use at which the oldest events go before their time; 100: they never do.",
    );
    for (key, given) in [("retention.disk_warn", disk_warn), ("retention.disk_drop", disk_drop)] {
        if given > 100 {
            let hint = "write a number from 1 to 100".to_owned();
            reader.complain(key, "more than 100 per cent".to_owned(), hint);
        }
    }
    if disk_warn > disk_drop && disk_warn <= 100 {
        let message =
            format!("the warning at {disk_warn} per cent comes after events go, at {disk_drop}");
        let hint = "disk_warn is not above disk_drop".to_owned();
        reader.complain("retention.disk_warn", message, hint);
    }
    let disk_keep = reader.duration(
        "retention.disk_keep",
        default.disk_keep,
        "Events younger than this stay, however full the disk is.",
    );
    let mut config = RetentionConfig {
        events,
        inference,
        events_bytes_max,
        rejects,
        endpoints,
        closed_alerts,
        every,
        disk_warn,
        disk_drop,
        disk_keep,
        tenants: Vec::new(),
    };
    for at in 0..reader.tables("retention.tenants") {
        let tenant = read_tenant(reader, at, &config);
        config.tenants.push(tenant);
    }
    config
}

fn read_tenant(reader: &mut Reader, at: usize, all: &RetentionConfig) -> TenantRetention {
    let key = |name: &str| format!("retention.tenants[{at}].{name}");
    let tenant = reader.text(
        &key("tenant"),
        "",
        "Whose events: `organization.id`, which is `default` where nobody says another.",
    );
    let slip = if tenant.is_empty() {
        Some("a tenant's retention needs the tenant".to_owned())
    } else if all.tenants.iter().any(|one| one.tenant == tenant) {
        Some(format!("{tenant} stands here twice"))
    } else {
        None
    };
    if let Some(message) = slip {
        reader.complain(&key("tenant"), message, "tenant = \"acme\", once each".to_owned());
    }
    let events = reader.duration(
        &key("events"),
        all.events,
        "The tenant's events go after this long, whatever `retention.events` says; `0s`: never.",
    );
    let as_events = if reader.is_given(&key("events")) { events } else { all.inference };
    let inference = reader.duration(
        &key("inference"),
        as_events,
        "What models said of the tenant's endpoints goes after this long; not set: as its events.",
    );
    let events_bytes_max = reader.size(
        &key("events_bytes_max"),
        0,
        "The tenant's share of the event segments; over it its oldest events go. `0 B`: no limit.",
    );
    let closed_alerts = reader.duration(
        &key("closed_alerts"),
        all.closed_alerts,
        "The tenant's closed alerts go this long after their last change; `0s`: never.",
    );
    TenantRetention { tenant, events, inference, events_bytes_max, closed_alerts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (RetentionConfig, Vec<String>) {
        let mut reader = Reader::default();
        reader.add_file("w.toml".as_ref(), text);
        let config = read(&mut reader);
        reader.finish();
        (config, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_warning_that_would_come_after_the_loss_is_a_problem() {
        let (_, problems) = read_text("[retention]\ndisk_drop = 70\ndisk_warn = 75\n");
        assert_eq!(
            problems,
            [
                "w.toml:3: retention.disk_warn: the warning at 75 per cent comes after events go, at 70 (disk_warn is not above disk_drop)"
            ]
        );
        assert_eq!(read_text("[retention]\ndisk_drop = 80\n").1, [""; 0]);
    }

    #[test]
    fn a_key_that_a_tenant_lacks_names_the_line_of_its_table() {
        let (_, problems) =
            read_text("[retention]\nevents = \"30d\"\n\n[[retention.tenants]]\nevents = \"7d\"\n");
        assert!(problems[0].starts_with("w.toml:4: retention.tenants[0].tenant: "), "{problems:?}");
    }

    #[test]
    fn tenants_have_ages_of_their_own_and_the_rest_from_all() {
        let (config, problems) = read_text(
            "[retention]\nevents = \"30d\"\n[[retention.tenants]]\ntenant = \"acme\"\nevents = \"7d\"\n\
             [[retention.tenants]]\ntenant = \"initech\"\nevents_bytes_max = \"1 GiB\"\n",
        );
        assert_eq!(problems, [""; 0]);
        let days = |tenant: &str| config.events_of(tenant, EventKind::Event).as_secs() / DAY;
        assert_eq!([days("acme"), days("initech"), days("default")], [7, 30, 30]);
        assert_eq!(
            (config.events_bytes_of("initech"), config.events_bytes_of("acme")),
            (1 << 30, 0)
        );
        assert_eq!(config.events_longest().as_secs() / DAY, 30);
        let said = |tenant: &str| config.events_of(tenant, EventKind::Inference).as_secs() / DAY;
        assert_eq!([said("acme"), said("initech"), said("default")], [7, 30, 30], "as events");
        assert!(config.events_differ() && !RetentionConfig::default().events_differ());
        let (config, _) = read_text("[retention]\nevents = \"30d\"\ninference = \"400d\"\n");
        assert_eq!((config.events_differ(), config.events_longest().as_secs() / DAY), (true, 400));
        let (config, problems) = read_text(
            "[[retention.tenants]]\nevents = \"0s\"\n[[retention.tenants]]\ntenant = \"a\"\n\
             [[retention.tenants]]\ntenant = \"a\"\nevnts = \"1d\"\n",
        );
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("needs the tenant"), "{problems:?}");
        assert!(problems[1].starts_with("w.toml:6: retention.tenants[2].tenant"), "{problems:?}");
        assert_eq!(config.events_longest(), Duration::ZERO, "one is for ever");
    }
}
