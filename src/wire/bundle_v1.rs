//! The stored form of an open bundle, version 1: JSON text inside a row. Fields are only added, with a default.

use serde::{Deserialize, Serialize};

use crate::model::bundle::OpenBundle;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::wire::stored_v1::StoredError;

#[derive(Serialize, Deserialize)]
struct Form {
    id: String,
    tenant: String,
    host: String,
    first_us: i64,
    last_us: i64,
    alerts: u64,
    #[serde(default)]
    links: Vec<String>,
    #[serde(default)]
    rules: Vec<(String, i64)>,
    touched: u64,
    #[serde(default)]
    models: bool,
}

/// A bundle as JSON text.
pub fn write(bundle: &OpenBundle) -> String {
    let form = Form {
        id: bundle.id.to_string(),
        tenant: bundle.tenant.clone(),
        host: bundle.host.clone(),
        first_us: bundle.first.0,
        last_us: bundle.last.0,
        alerts: bundle.alerts,
        links: bundle.links.iter().map(Id128::to_string).collect(),
        rules: bundle.rules.iter().map(|(rule, at)| (rule.to_string(), at.0)).collect(),
        touched: bundle.touched,
        models: bundle.models,
    };
    // Strings, numbers and lists only: this cannot fail.
    serde_json::to_string(&form).unwrap_or_default()
}

/// Read what [`write`] wrote.
pub fn read(text: &str) -> Result<OpenBundle, StoredError> {
    let form: Form = serde_json::from_str(text)
        .map_err(|source| StoredError::Damaged { what: "bundle", source })?;
    Ok(OpenBundle {
        id: id(&form.id)?,
        tenant: form.tenant,
        host: form.host,
        first: Timestamp(form.first_us),
        last: Timestamp(form.last_us),
        alerts: form.alerts,
        links: form.links.iter().map(|text| id(text)).collect::<Result<_, _>>()?,
        rules: form
            .rules
            .iter()
            .map(|(rule, at)| Ok((id(rule)?, Timestamp(*at))))
            .collect::<Result<_, StoredError>>()?,
        touched: form.touched,
        models: form.models,
    })
}

fn id(text: &str) -> Result<Id128, StoredError> {
    Id128::parse(text).ok_or_else(|| StoredError::Unknown { what: "bundle", word: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_read_as_it_was_written() {
        let bundle = OpenBundle {
            id: Id128([1; 16]),
            tenant: "blue".to_owned(),
            host: "dc-01\u{1b}".to_owned(),
            first: Timestamp(-5),
            last: Timestamp(7),
            alerts: 3,
            links: vec![Id128([2; 16])],
            rules: vec![(Id128([3; 16]), Timestamp(6))],
            touched: 9,
            models: true,
        };
        assert_eq!(read(&write(&bundle)).unwrap(), bundle);
        assert!(read("{}").is_err());
        assert!(read(&write(&bundle).replace("0101", "xx01")).is_err());
    }
}
