//! The text behind numbers in an event's data: logon types, status codes, rights. The numbers stay where they are; the text goes
//! to `event.reason`, `winlog.logon.*` or beside the number as `…Description`, the names that winlogbeat uses as well.

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::windows::values::parse_number;
use crate::normalise::windows::{Fields, codes};

/// Rights named of one mask, at most; a mask of all ones has not many more.
const RIGHTS_MAX: usize = 24;

/// Describe an event of security auditing.
pub fn security(event: &mut Event, code: u32, fields: &Fields) {
    logon(event, code, fields);
    match code {
        4625 => {
            let reason = status(event, fields.sub_status)
                .filter(|code| *code != 0)
                .and_then(codes::nt_status)
                .or_else(|| status(event, fields.status).and_then(codes::nt_status))
                .or_else(|| message(event, fields.failure_reason).and_then(codes::failure_reason));
            push(event, field::EVENT_REASON, reason);
        }
        4776 | 4777 => {
            let reason = status(event, fields.status).and_then(codes::nt_status);
            push(event, field::EVENT_REASON, reason);
        }
        4768..=4773 | 4820 | 4821 => {
            let reason = status(event, fields.status).and_then(codes::kerberos);
            push(event, field::EVENT_REASON, reason);
            let cipher = status(event, fields.ticket_encryption).and_then(codes::ticket_encryption);
            put(event, fields.ticket_encryption_text, cipher);
            let proof = number(event, fields.pre_authentication);
            put(event, fields.pre_authentication_text, proof.and_then(codes::pre_authentication));
        }
        4688 => {
            let elevation = message(event, fields.elevation).and_then(codes::elevation);
            put(event, fields.elevation_text, elevation);
        }
        4656 | 4658..=4663 | 4674 | 5140 | 5145 => {
            let object_type = text(event, fields.object_type).unwrap_or_default().to_owned();
            let server = text(event, fields.object_server).unwrap_or_default().to_owned();
            let mask = status(event, fields.access_mask).unwrap_or(0);
            rights(event, fields.access_text, mask, codes::rights_of(&object_type, &server));
        }
        _ => {}
    }
}

/// Describe an event of Sysmon: which rights one process got on another.
pub fn sysmon(event: &mut Event, code: u32, fields: &Fields) {
    if code == 10 {
        let mask = status(event, fields.granted_access).unwrap_or(0);
        rights(event, fields.granted_text, mask, codes::PROCESS_RIGHTS);
    }
}

fn logon(event: &mut Event, code: u32, fields: &Fields) {
    let kind = number(event, fields.logon_type).and_then(codes::logon_type);
    push(event, field::WINLOG_LOGON_TYPE_TEXT, kind);
    let of_target = matches!(code, 4624 | 4634 | 4647 | 4627 | 4800..=4803);
    let id = if of_target { fields.target_logon_id } else { fields.subject_logon_id };
    let id = text(event, id).filter(|id| !matches!(*id, "" | "-" | "0x0")).map(str::to_owned);
    push(event, field::WINLOG_LOGON_ID, id.as_deref());
}

fn rights(event: &mut Event, to: Option<FieldId>, mask: u32, of_object: codes::Rights) {
    let Some(to) = to.filter(|_| mask != 0) else { return };
    if of_object == codes::PROCESS_RIGHTS && codes::PROCESS_ALL_ACCESS.contains(&mask) {
        return event.push_str(to, "PROCESS_ALL_ACCESS");
    }
    let all = of_object.iter().chain(codes::STANDARD_RIGHTS);
    all.filter(|(bit, _)| mask & bit != 0)
        .take(RIGHTS_MAX)
        .for_each(|(_, name)| event.push_str(to, name));
}

fn push(event: &mut Event, to: FieldId, text: Option<&str>) {
    if let Some(text) = text {
        event.fill_str(to, text);
    }
}

fn put(event: &mut Event, to: Option<FieldId>, text: Option<&str>) {
    if let Some(to) = to {
        push(event, to, text);
    }
}

/// The field's text.
pub fn text(event: &Event, field: Option<FieldId>) -> Option<&str> {
    event.str(field?)
}

/// The field's number, decimal or `0x…`.
pub fn number(event: &Event, field: Option<FieldId>) -> Option<i64> {
    match event.get(field?)? {
        Value::Int(number) => Some(number),
        Value::Str(text) => parse_number(text),
        _ => None,
    }
}

/// The field's number as the 32 bits that a status or a mask is; EVTX writes some as negative numbers.
pub fn status(event: &Event, field: Option<FieldId>) -> Option<u32> {
    let number = number(event, field)?;
    u32::try_from(number).or_else(|_| i32::try_from(number).map(|number| number as u32)).ok()
}

/// The number of a parameter message (`%%1906`).
pub fn message(event: &Event, field: Option<FieldId>) -> Option<u32> {
    text(event, field)?.trim().strip_prefix("%%")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::windows_fields::EVENT_DATA;

    fn described(code: u32, data: &[(&str, &str)]) -> Event {
        let fields = Fields::default();
        let mut event = Event::with_capacity(8, 256);
        for (name, value) in data {
            event.push_named(&format!("{EVENT_DATA}{name}"), Value::Str(value));
        }
        security(&mut event, code, &fields);
        event
    }

    fn all(event: &Event, name: &str) -> Vec<String> {
        let field = FieldId::intern(name).unwrap();
        event.all(field).map(|value| value.to_text().into_owned()).collect()
    }

    #[test]
    fn the_reason_of_a_failed_logon() {
        let reason = |data: &[(&str, &str)]| {
            described(4625, data).str(field::EVENT_REASON).map(str::to_owned)
        };
        let status = ("Status", "0xc000006d");
        assert_eq!(reason(&[status, ("SubStatus", "0xC000006A")]).unwrap(), "wrong password");
        assert_eq!(
            reason(&[status, ("SubStatus", "0x0")]).unwrap(),
            "unknown user or wrong password"
        );
        let unknown = [("Status", "0xc0001234"), ("FailureReason", "%%2310")];
        assert_eq!(reason(&unknown).unwrap(), "account disabled");
        assert_eq!(reason(&[("Status", "0xc0001234")]), None);
    }

    #[test]
    fn tickets_and_logons() {
        let ticket = [("Status", "0x18"), ("TicketEncryptionType", "0x17"), ("PreAuthType", "2")];
        let event = described(4771, &ticket);
        assert_eq!(event.str(field::EVENT_REASON), Some("wrong password"));
        assert_eq!(all(&event, "winlog.event_data.TicketEncryptionTypeDescription"), ["RC4-HMAC"]);
        assert_eq!(all(&event, "winlog.event_data.PreAuthTypeDescription"), ["password"]);
        let granted = described(4768, &[("Status", "0x0"), ("TicketEncryptionType", "0xffffffff")]);
        assert_eq!(granted.str(field::EVENT_REASON), None);
        assert_eq!(all(&granted, "winlog.event_data.TicketEncryptionTypeDescription"), ["none"]);
        let logon = [("LogonType", "10"), ("TargetLogonId", "0x1f"), ("SubjectLogonId", "0x3e7")];
        let event = described(4624, &logon);
        assert_eq!(event.str(field::WINLOG_LOGON_TYPE_TEXT), Some("RemoteInteractive"));
        assert_eq!(event.str(field::WINLOG_LOGON_ID), Some("0x1f"));
    }

    #[test]
    fn masks_are_named_by_the_kind_of_object() {
        let names = |object: &str, mask: &str| {
            let event = described(4663, &[("ObjectType", object), ("AccessMask", mask)]);
            all(&event, "winlog.event_data.AccessMaskDescription")
        };
        assert_eq!(names("File", "0x10002"), ["FILE_WRITE_DATA", "DELETE"]);
        assert_eq!(names("Key", "0x20019").len(), 4);
        assert_eq!(names("Process", "0x1fffff"), ["PROCESS_ALL_ACCESS"]);
        assert_eq!(names("Token", "0x3"), [""; 0]);
        assert_eq!(names("File", "no mask"), [""; 0]);
    }
}
