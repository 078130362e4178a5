//! What only a look at the finished fields can tell: outcome, object kind, deletion.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field::{self, FieldId};
use crate::normalise::windows::Fields;
use crate::normalise::windows::kinds::{Kind, Outcome};

/// Set `event.outcome` and sharpen the class. `audit`: what the keywords say.
pub fn refine(
    event: &mut Event,
    kind: Option<&Kind>,
    audit: Option<&'static str>,
    fields: &Fields,
) {
    let outcome = match kind.map(|kind| kind.spec.outcome) {
        Some(Outcome::Always(outcome)) => Some(outcome),
        Some(Outcome::Status) => by_status(event, fields).or(audit),
        Some(Outcome::Keywords) | None => audit,
    };
    if let Some(outcome) = outcome.filter(|_| !event.has(field::EVENT_OUTCOME)) {
        event.push_str(field::EVENT_OUTCOME, outcome);
    }
    if event.class == Class::Logon && outcome == Some("failure") {
        event.class = Class::LogonFailure;
    }
    let Some(kind) = kind else { return };
    match (kind.spec.class, kind.spec.action) {
        (Class::RegistrySet, _) => deletion(event, fields),
        (
            Class::Other,
            "object-handle-requested" | "object-accessed" | "object-permissions-changed",
        ) => {
            object(event, fields);
        }
        _ => {}
    }
}

fn by_status(event: &Event, fields: &Fields) -> Option<&'static str> {
    let status = text(event, fields.status)?;
    let digits = status.trim_start_matches("0x");
    let zero = !digits.is_empty() && digits.bytes().all(|byte| byte == b'0');
    Some(if zero { "success" } else { "failure" })
}

/// Sysmon says in `EventType` whether a registry object was made, set or deleted.
fn deletion(event: &mut Event, fields: &Fields) {
    if text(event, fields.event_type).is_some_and(|kind| kind.starts_with("Delete")) {
        event.class = Class::RegistryDelete;
        event.set_str(field::EVENT_TYPE, "deletion");
    }
}

/// Handles to processes are process access; files and keys get their ECS path.
fn object(event: &mut Event, fields: &Fields) {
    let Some(object_type) = text(event, fields.object_type).map(str::to_owned) else { return };
    let name = text(event, fields.object_name).unwrap_or_default().to_owned();
    match object_type.as_str() {
        "Process" => {
            event.class = Class::ProcessAccess;
            event.set_str(field::EVENT_CATEGORY, "process");
        }
        "File" => event.fill_str(field::FILE_PATH, &name),
        "Key" => {
            event.set_str(field::EVENT_CATEGORY, "registry");
            event.fill_str(field::REGISTRY_PATH, &name);
        }
        _ => {}
    }
}

fn text(event: &Event, field: Option<FieldId>) -> Option<&str> {
    event.str(field?)
}
