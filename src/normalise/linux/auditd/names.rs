//! The ids of `auditd.data.<key>`, `auditd.paths.<key>` and ECS names that are no constants, looked up once a key.
//!
//! Keys come from the log, so they are bounded in number and form: a hostile log cannot fill the table of names.

use std::collections::HashMap;

use ahash::RandomState;

use crate::model::field::FieldId;

/// Different keys of one stream.
const KEYS_MAX: usize = 1_000;
/// A longer key is none.
const KEY_BYTES_MAX: usize = 40;

/// The cache of one stream.
#[derive(Debug, Default)]
pub struct Names {
    data: HashMap<String, FieldId, RandomState>,
    paths: HashMap<String, FieldId, RandomState>,
    ecs: HashMap<&'static str, FieldId, RandomState>,
}

impl Names {
    /// `auditd.data.<key>`.
    pub fn data(&mut self, key: &str) -> Option<FieldId> {
        find(&mut self.data, "auditd.data.", key)
    }

    /// `auditd.paths.<key>`.
    pub fn path(&mut self, key: &str) -> Option<FieldId> {
        find(&mut self.paths, "auditd.paths.", key)
    }

    /// A name of ours.
    pub fn ecs(&mut self, name: &'static str) -> Option<FieldId> {
        if let Some(field) = self.ecs.get(name) {
            return Some(*field);
        }
        let field = FieldId::intern(name)?;
        self.ecs.insert(name, field);
        Some(field)
    }
}

fn find(
    known: &mut HashMap<String, FieldId, RandomState>,
    prefix: &str,
    key: &str,
) -> Option<FieldId> {
    if let Some(field) = known.get(key) {
        return Some(*field);
    }
    let tame = !key.is_empty()
        && key.len() <= KEY_BYTES_MAX
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !tame || known.len() >= KEYS_MAX {
        return None;
    }
    let field = FieldId::intern(&format!("{prefix}{key}"))?;
    known.insert(key.to_owned(), field);
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded() {
        let mut names = Names::default();
        let first = names.data("a0").unwrap();
        assert_eq!(names.data("a0"), Some(first));
        assert_eq!(first.name(), "auditd.data.a0");
        assert_eq!(names.data("a b"), None);
        assert_eq!(names.data(&"x".repeat(41)), None);
    }
}
