//! A match on its way to where its group is counted, as the body of a message: one JSON object.
//!
//! The message key is that of the group ([`key`]), so all matches of a group stand in one partition.

use serde::{Deserialize, Serialize};

use crate::model::correlation_match::CorrelationMatch;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;

/// The header `schema` of the messages.
pub const SCHEMA: &str = "correlation_match_v1";

/// Why a message is none.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// Not the JSON that we write.
    #[error("not a match: {0}")]
    Json(#[from] serde_json::Error),
    /// A field holds something else.
    #[error("not a match: {0} is no hexadecimal number of its length")]
    Hex(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Form {
    correlation: String,
    tenant: String,
    group: Vec<String>,
    /// Hexadecimal: JSON numbers are not exact for everybody.
    value: String,
    timestamp_us: i64,
    event: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    host: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    backfill: bool,
}

/// The message key: the same for all matches of a group of a correlation.
pub fn key(one: &CorrelationMatch) -> String {
    let mut hasher = IdHasher::new("correlation match");
    hasher.text(&one.correlation).text(&one.tenant);
    one.group.iter().for_each(|value| {
        hasher.text(value);
    });
    hasher.finish().to_string()
}

/// The body of a message.
pub fn write(one: &CorrelationMatch) -> Vec<u8> {
    let form = Form {
        correlation: one.correlation.clone(),
        tenant: one.tenant.clone(),
        group: one.group.clone(),
        value: format!("{:016x}", one.value),
        timestamp_us: one.timestamp.micros(),
        event: one.event.to_string(),
        host: one.host.clone(),
        user: one.user.clone(),
        backfill: one.backfill,
    };
    // Texts and numbers have a form in JSON.
    serde_json::to_vec(&form).unwrap_or_default()
}

/// The match of a message.
///
/// # Errors
/// It is none.
pub fn read(body: &[u8]) -> Result<CorrelationMatch, MatchError> {
    let form: Form = serde_json::from_slice(body)?;
    let digits = form.value.len() == 16 && form.value.bytes().all(|it| it.is_ascii_hexdigit());
    let value = u64::from_str_radix(&form.value, 16).ok().filter(|_| digits);
    Ok(CorrelationMatch {
        correlation: form.correlation,
        tenant: form.tenant,
        group: form.group,
        value: value.ok_or(MatchError::Hex("value"))?,
        timestamp: Timestamp(form.timestamp_us),
        event: Id128::parse(&form.event).ok_or(MatchError::Hex("event"))?,
        host: form.host,
        user: form.user,
        backfill: form.backfill,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_a_group_has_one_key(
            correlation in ".*", group in proptest::collection::vec(".*", 0..4), value: u64, at: i64,
            event: [u8; 16], host in ".*", backfill: bool,
        ) {
            let one = CorrelationMatch {
                correlation, tenant: "default".to_owned(), group, value, timestamp: Timestamp(at),
                event: Id128(event), host, user: String::new(), backfill,
            };
            prop_assert_eq!(&read(&write(&one)).unwrap(), &one);
            let other = CorrelationMatch { value: !value, host: "x".to_owned(), ..one.clone() };
            prop_assert_eq!(key(&one), key(&other));
            let mut apart = one.clone();
            apart.group.push("x".to_owned());
            prop_assert_ne!(key(&one), key(&apart));
        }

        #[test]
        fn any_bytes_are_a_match_or_a_reason(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn what_is_no_match_says_why() {
        let whole = String::from_utf8(write(&read(
            br#"{"correlation":"c","tenant":"t","group":["a"],"value":"00000000000000ff","timestamp_us":7,"event":"000102030405060708090a0b0c0d0e0f"}"#,
        ).unwrap())).unwrap();
        assert!(read(whole.as_bytes()).is_ok());
        for (from, to, word) in [
            ("00000000000000ff", "+0000000000000ff", "value"),
            ("00000000000000ff", "ff", "value"),
            ("000102030405060708090a0b0c0d0e0f", "0001", "event"),
            ("\"tenant\"", "\"tenent\"", "tenant"),
        ] {
            let error = read(whole.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
