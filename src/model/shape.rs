//! What the records of a source look like: families with their rates, rejects with samples, unknown fields, and what
//! changed about known ones. Counted since the program started.

/// One source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceShape {
    /// The source's name.
    pub name: String,
    /// Families of events (`event.dataset`), most events first.
    pub families: Vec<FamilyShape>,
    /// Rejected records, most first.
    pub rejects: Vec<RejectShape>,
    /// Fields that no mapping and no decoder gave an ECS name, with how often they came, most first.
    pub unknown_fields: Vec<(String, u64)>,
    /// Unknown fields over the limit of names that are counted.
    pub unknown_left_out: u64,
    /// What changed about fields that were known.
    pub notes: Vec<String>,
    /// What was replaced in its texts, by kind.
    pub redacted: Vec<(String, u64)>,
}

/// One family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FamilyShape {
    /// Its `event.dataset`.
    pub name: String,
    /// Events.
    pub events: u64,
    /// Events per second over the last minute.
    pub per_second: f64,
}

/// Rejects of one reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RejectShape {
    /// The stable word.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The last three: place and redacted beginning.
    pub samples: Vec<String>,
}
