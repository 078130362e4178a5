//! Block maxima of all endpoints of one platform and role: what a cold endpoint is compared with.

use std::collections::VecDeque;

use crate::infer::calibrate::quantum::Quantum;

/// Blocks that are kept.
pub const BLOCKS_MAX: usize = 4_799;
/// Of these, blocks of one endpoint: none speaks for all.
pub const OF_ONE_MAX: usize = 479;

/// Blocks of many endpoints, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pooled {
    pub(super) model: u64,
    pub(super) values: VecDeque<(u64, Quantum)>,
}

impl Pooled {
    /// Blocks that are known.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Blocks as high as this.
    pub fn as_high(&self, value: Quantum) -> usize {
        self.values.iter().filter(|(_, other)| *other >= value).count()
    }

    /// Scores of this model come. Did another's before?
    pub fn begin(&mut self, model: u64) -> bool {
        let other = self.model != model;
        if other {
            *self = Pooled { model, values: VecDeque::new() };
        }
        other
    }

    /// A block of an endpoint is over.
    pub fn enter(&mut self, endpoint: u64, value: Quantum) {
        let mut own = self.values.iter().enumerate().filter(|(_, (of, _))| *of == endpoint);
        let oldest = own.next().map(|(at, _)| at);
        let many = own.count() + usize::from(oldest.is_some()) >= OF_ONE_MAX;
        if many && let Some(oldest) = oldest {
            self.values.remove(oldest);
        } else if self.values.len() >= BLOCKS_MAX {
            self.values.pop_front();
        }
        self.values.push_back((endpoint, value));
    }
}
