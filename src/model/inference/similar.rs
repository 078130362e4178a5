//! How near two windows are, and what they have in common.

use crate::model::alert::AlertId;
use crate::model::inference::Inference;
use crate::model::verdict::VerdictKind;
use crate::stdx::time::Timestamp;

/// Similar alerts that are shown.
pub const SIMILAR_MAX: usize = 8;

/// An alert like another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Similar {
    /// Which.
    pub alert: AlertId,
    /// Its endpoint.
    pub host: String,
    /// The end of its window.
    pub at: Timestamp,
    /// −1 to 1: the cosine of the angle between the two windows' embeddings.
    pub nearness: f64,
    /// What both have: the endpoint, rules that hit in both.
    pub shared: Vec<String>,
    /// What people decided about it.
    pub verdict: Option<VerdictKind>,
}

impl Similar {
    /// One line for lists.
    pub fn line(&self) -> String {
        let verdict = self.verdict.map_or("no verdict", VerdictKind::as_str);
        let shared = match self.shared.is_empty() {
            true => String::new(),
            false => format!("; both: {}", self.shared.join(", ")),
        };
        format!("{:.3} {} {} ({verdict}){shared}", self.nearness, self.host, self.at)
    }
}

/// The cosine of the angle between two embeddings; `None`: one is missing or of another model.
pub fn nearness(one: &[i8], other: &[i8]) -> Option<f64> {
    if one.len() != other.len() || one.is_empty() {
        return None;
    }
    let dot = |one: &[i8], other: &[i8]| -> f64 {
        let products = one.iter().zip(other).map(|(a, b)| i64::from(*a) * i64::from(*b));
        products.sum::<i64>() as f64
    };
    let lengths = (dot(one, one) * dot(other, other)).sqrt();
    (lengths > 0.0).then(|| dot(one, other) / lengths)
}

impl Inference {
    /// What both windows have.
    pub fn shares(&self, other: &Inference) -> Vec<String> {
        let mut shared = Vec::new();
        if self.host == other.host {
            shared.push("the endpoint".to_owned());
        }
        let both = self.hits.iter().filter(|hit| other.hits.iter().any(|it| it.rule == hit.rule));
        shared.extend(both.map(|hit| hit.title.clone()));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_is_one_for_the_same_direction_and_nothing_where_nothing_can_be_compared() {
        assert_eq!(nearness(&[1, 2], &[2, 4]), Some(1.0));
        assert_eq!(nearness(&[1, 0], &[0, 5]), Some(0.0));
        assert_eq!(nearness(&[-127; 128], &[127; 128]), Some(-1.0));
        assert_eq!(nearness(&[], &[]), None);
        assert_eq!(nearness(&[0, 0], &[1, 1]), None);
        assert_eq!(nearness(&[1], &[1, 1]), None);
    }
}
