//! A value on its way into a field: as the type that the field has, and never as a placeholder.

use std::net::{IpAddr, SocketAddr};

use crate::model::ecs::Type;
use crate::model::event::{Event, Value};
use crate::model::field::FieldId;
use crate::normalise::time;

/// What programs write when there is nothing to say.
pub fn is_nothing(text: &str) -> bool {
    matches!(
        text.trim_ascii(),
        "" | "-" | "?" | "(null)" | "null" | "<nil>" | "<NA>" | "N/A" | "n/a"
    )
}

/// Add a value to a field as its type wants it. `false`: it is no such value, and nothing was added.
pub fn put(event: &mut Event, field: FieldId, kind: Type, value: Value<'_>) -> bool {
    if let Value::Str(text) = value
        && is_nothing(text)
    {
        return true;
    }
    match (kind, value) {
        (_, Value::Null) => true,
        (Type::Keyword, _) => {
            event.push_str(field, &value.to_text());
            true
        }
        // Names of our own have no type: values stay what they are.
        (Type::Object, _) => {
            event.push_value(field, value);
            true
        }
        (Type::Ip, Value::Str(text)) => address(event, field, text),
        (Type::Date, _) => date(event, field, value),
        (Type::Long, _) => whole(value).map(|number| event.push_int(field, number)).is_some(),
        (Type::Float, _) => {
            super::rules::number(value).map(|number| event.push_float(field, number)).is_some()
        }
        (Type::Boolean, Value::Bool(truth)) => {
            event.push_bool(field, truth);
            true
        }
        (Type::Boolean, _) => {
            truth(&value.to_text()).map(|truth| event.push_bool(field, truth)).is_some()
        }
        (Type::Ip, _) => false,
    }
}

fn whole(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        Value::Float(number) => as_whole(number),
        Value::Str(text) => {
            let text = text.trim_ascii();
            if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                return i64::from_str_radix(digits, 16).ok();
            }
            text.parse().ok().or_else(|| as_whole(text.parse().ok()?))
        }
        Value::Bool(_) | Value::Null => None,
    }
}

fn as_whole(number: f64) -> Option<i64> {
    // 2^63 is the first that does not fit; the fraction is dropped on purpose.
    (number.is_finite() && number.abs() < 9.2e18).then_some(number as i64)
}

fn truth(text: &str) -> Option<bool> {
    match text.trim_ascii().to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "on" | "y" => Some(true),
        "false" | "no" | "0" | "off" | "n" => Some(false),
        _ => None,
    }
}

fn date(event: &mut Event, field: FieldId, value: Value<'_>) -> bool {
    let at = match value {
        Value::Str(text) => time::parse(text)
            .map(time::Written::instant_or_utc)
            .or_else(|| text.trim().parse().ok().and_then(time::from_epoch_number)),
        Value::Int(number) => time::from_epoch_number(number as f64),
        Value::Float(number) => time::from_epoch_number(number),
        Value::Bool(_) | Value::Null => None,
    };
    match at {
        Some(at) => event.push_str(field, &at.to_string()),
        None => return false,
    }
    true
}

/// An address; one with a port gives both. A name goes to `domain` beside `ip` where there is such a field.
fn address(event: &mut Event, field: FieldId, text: &str) -> bool {
    let text = text.trim().trim_start_matches("\\\\");
    if event.push_ip(field, text) {
        return true;
    }
    let beside = |last: &str| {
        let side = field.name().strip_suffix(".ip")?;
        matches!(side, "source" | "destination" | "client" | "server")
            .then(|| FieldId::intern(&format!("{side}.{last}")))
            .flatten()
    };
    if let Some((host, port)) = with_port(text)
        && event.push_ip(field, host)
    {
        if let (Some(field), Ok(port)) = (beside("port"), port.parse::<u16>())
            && !event.has(field)
        {
            event.push_int(field, i64::from(port));
        }
        return true;
    }
    match beside("domain").filter(|_| is_host_name(text)) {
        Some(domain) => {
            event.push_str(domain, text);
            true
        }
        None => false,
    }
}

fn with_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let known = text.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok();
    known.then_some((bare, port))
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 255
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "unknown" | "none" | "local" | "nil" | "undef"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field;

    #[test]
    fn values_take_the_type_of_their_field() {
        let mut event = Event::default();
        let port = FieldId::intern("destination.port").unwrap();
        assert!(put(&mut event, port, Type::Long, Value::Str("0x50")));
        assert_eq!(event.get(port), Some(Value::Int(80)));
        assert!(!put(&mut event, port, Type::Long, Value::Str("many")));
        assert!(put(&mut event, field::SOURCE_IP, Type::Ip, Value::Str("[2001:db8::1]:443")));
        assert_eq!(event.str(field::SOURCE_IP), Some("2001:db8::1"));
        assert_eq!(event.get(field::SOURCE_PORT), Some(Value::Int(443)));
        assert!(put(&mut event, field::DESTINATION_IP, Type::Ip, Value::Str("db.corp.example")));
        assert_eq!(event.str(field::DESTINATION_DOMAIN), Some("db.corp.example"));
        assert!(put(&mut event, field::USER_NAME, Type::Keyword, Value::Str("-")));
        assert!(!event.has(field::USER_NAME));
        assert!(!put(&mut event, field::HOST_IP, Type::Ip, Value::Str("no address")));
    }
}
