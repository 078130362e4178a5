//! The conservation ledger: per source, every record ends in exactly one column.

/// Counts of one source since its store was made. `received = stored + rejected + duplicate + shed + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Records as the carrier split them.
    pub received: u64,
    /// Records that became (part of) a stored event; in `scan`: a judged one.
    pub stored: u64,
    /// Records kept as rejects.
    pub rejected: u64,
    /// Records met before.
    pub duplicate: u64,
    /// Records dropped by a named rule where a protocol cannot wait.
    pub shed: u64,
    /// Records read and not yet in another column: open assemblies and the current batch.
    pub in_flight: u64,
    /// Events made of the stored records; beside the balance, not part of it.
    pub events: u64,
}

impl Ledger {
    /// Do the books balance?
    pub fn balances(&self) -> bool {
        self.received == self.stored + self.rejected + self.duplicate + self.shed + self.in_flight
    }

    /// Add another ledger, column by column.
    pub fn add(&mut self, other: &Ledger) {
        self.received += other.received;
        self.stored += other.stored;
        self.rejected += other.rejected;
        self.duplicate += other.duplicate;
        self.shed += other.shed;
        self.in_flight += other.in_flight;
        self.events += other.events;
    }
}

/// One source's row, as shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLedger {
    /// The source's name.
    pub name: String,
    /// Its counts.
    pub ledger: Ledger,
    /// Event time of the newest event, microseconds, 0 for none.
    pub newest_event_us: i64,
    /// What the source says of itself: connections, lag, what was refused and why.
    pub numbers: Vec<(String, i64)>,
}

/// What one batch moves in its source's ledger. `in_flight` falls when an assembly closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerDelta {
    /// The configured source's name.
    pub source: String,
    /// Records split by the carrier.
    pub received: u64,
    /// Records that became (part of) a stored event.
    pub stored: u64,
    /// Records kept as rejects.
    pub rejected: u64,
    /// Records met before.
    pub duplicate: u64,
    /// Records dropped by a named rule.
    pub shed: u64,
    /// Change of the records held in open assemblies.
    pub in_flight: i64,
    /// Events made.
    pub events: u64,
    /// Event time of the newest event, microseconds, 0 for none.
    pub newest_event_us: i64,
}

impl SourceLedger {
    /// Rows of several books as one: those of the same source added up, by name.
    pub fn sum<'b>(books: impl IntoIterator<Item = &'b SourceLedger>) -> Vec<SourceLedger> {
        let mut sums: std::collections::BTreeMap<&str, SourceLedger> = Default::default();
        for row in books {
            let sum = sums.entry(&row.name).or_insert_with(|| SourceLedger {
                name: row.name.clone(),
                ..SourceLedger::default()
            });
            sum.ledger.add(&row.ledger);
            sum.newest_event_us = sum.newest_event_us.max(row.newest_event_us);
        }
        sums.into_values().collect()
    }

    /// Move the counts as a commit did.
    pub fn apply(&mut self, delta: &LedgerDelta) {
        let ledger = &mut self.ledger;
        ledger.received += delta.received;
        ledger.stored += delta.stored;
        ledger.rejected += delta.rejected;
        ledger.duplicate += delta.duplicate;
        ledger.shed += delta.shed;
        ledger.in_flight = ledger.in_flight.saturating_add_signed(delta.in_flight);
        ledger.events += delta.events;
        self.newest_event_us = self.newest_event_us.max(delta.newest_event_us);
    }
}
