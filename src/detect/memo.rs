//! What was found out about a value that comes again. The fields that rules look at say few different things: the same
//! programs, users and keys come thousands of times, and what a test of a value says depends on the value alone.
//!
//! A value gets a number when it is first seen and keeps it until another one takes its place; a number is not used
//! twice. What was found out is kept by test and number. All tables have a fixed size and forget by writing over;
//! texts are compared, not only their hashes, so nothing is ever guessed.

use std::cell::{Cell, RefCell};

use ahash::RandomState;
use smallvec::SmallVec;

use crate::detect::view::Slot;

/// Values remembered at a time, a power of two.
const VALUES: usize = 1 << 12;
/// Longer values seldom come again: of the captures' scripts nearly all are different, and telling costs more than it saves.
const VALUE_BYTES_MAX: usize = 1_024;
/// Results of tests remembered at a time, a power of two.
const RESULTS: usize = 1 << 16;
/// Results of searches that found something remembered at a time, a power of two.
const FOUND: usize = 1 << 12;
/// Numbers of values, before all is forgotten.
const NUMBERS_MAX: u32 = u32::MAX >> 1;

/// A value's number; none for a value that is not remembered.
pub type Number = Option<std::num::NonZeroU32>;

/// What a number is found out by: a test of an item, or a search of an index. Unique in a set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question(u32);

impl Question {
    /// The n-th question.
    pub fn new(number: u32) -> Question {
        Question(number)
    }

    fn about(self, number: std::num::NonZeroU32) -> u64 {
        u64::from(self.0) << 32 | u64::from(number.get()) << 1
    }
}

/// Rules that a search found.
type Rules = SmallVec<[u32; 6]>;

#[derive(Debug, Default)]
struct Known {
    slot: Slot,
    number: u32,
    text: String,
}

/// The tables. Empty until the first value; one that is not switched on remembers nothing.
#[derive(Debug, Default)]
pub struct Memo {
    on: bool,
    values: RefCell<Vec<Known>>,
    last: Cell<u32>,
    results: Vec<Cell<u64>>,
    found: RefCell<Vec<(u64, Rules)>>,
    hasher: RandomState,
}

impl Memo {
    /// One that remembers.
    pub fn on() -> Memo {
        Memo { on: true, ..Memo::default() }
    }

    /// Make room before the first event.
    pub fn prepare(&mut self) {
        if self.on && self.results.is_empty() {
            self.values.get_mut().resize_with(VALUES, Known::default);
            self.results.resize_with(RESULTS, Cell::default);
            self.found.get_mut().resize_with(FOUND, Default::default);
        }
    }

    /// The number of a text of a slot.
    pub fn number(&self, slot: Slot, text: &str) -> Number {
        if !self.on || text.len() > VALUE_BYTES_MAX {
            return None;
        }
        let mut values = self.values.try_borrow_mut().ok()?;
        let hash = self.hasher.hash_one((slot, text));
        let known = values.get_mut(hash as usize & (VALUES - 1))?;
        if known.number == 0 || known.slot != slot || known.text != text {
            if self.last.get() == NUMBERS_MAX {
                self.last.set(0);
                self.results.iter().for_each(|result| result.set(0));
                self.found.borrow_mut().iter_mut().for_each(|found| found.0 = 0);
            }
            self.last.set(self.last.get() + 1);
            known.slot = slot;
            known.number = self.last.get();
            known.text.clear();
            known.text.push_str(text);
        }
        std::num::NonZeroU32::new(known.number)
    }

    /// What the test of a value said before.
    pub fn result(&self, question: Question, number: Number) -> Option<bool> {
        let key = question.about(number?);
        let known = self.results.get(place(key, RESULTS))?.get();
        (known >> 1 == key >> 1 && known != 0).then_some(known & 1 == 1)
    }

    /// Remember what the test of a value says.
    pub fn set_result(&self, question: Question, number: Number, result: bool) {
        let Some(key) = number.map(|number| question.about(number)) else { return };
        if let Some(known) = self.results.get(place(key, RESULTS)) {
            known.set(key | u64::from(result));
        }
    }

    /// Hand on the rules that a search for a value found before; false: not known.
    pub fn rules(&self, question: Question, number: Number, hit: &mut impl FnMut(u32)) -> bool {
        let Some(key) = number.map(|number| question.about(number)) else { return false };
        let found = self.found.borrow();
        match found.get(place(key, FOUND)) {
            Some((known, rules)) if *known == key => {
                rules.iter().for_each(|rule| hit(*rule));
                true
            }
            _ => false,
        }
    }

    /// Remember the rules that a search for a value found.
    pub fn set_rules(&self, question: Question, number: Number, rules: &[u32]) {
        let Some(key) = number.map(|number| question.about(number)) else { return };
        if let Some(slot) = self.found.borrow_mut().get_mut(place(key, FOUND)) {
            slot.0 = key;
            slot.1.clear();
            slot.1.extend_from_slice(rules);
        }
    }
}

fn place(key: u64, size: usize) -> usize {
    let mixed = (key >> 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as usize & (size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memo() -> Memo {
        let mut memo = Memo::on();
        memo.prepare();
        memo
    }

    #[test]
    fn a_value_that_comes_again_has_its_number_and_what_was_found_out() {
        let memo = memo();
        let number = memo.number(3, "svchost.exe");
        assert!(number.is_some());
        let question = Question::new(7);
        assert_eq!(memo.result(question, number), None);
        memo.set_result(question, number, true);
        memo.set_rules(question, number, &[4, 9]);
        let again = memo.number(3, "svchost.exe");
        assert_eq!(again, number);
        assert_eq!(memo.result(question, again), Some(true));
        assert_eq!(memo.result(Question::new(8), again), None);
        let mut rules = Vec::new();
        assert!(memo.rules(question, again, &mut |rule| rules.push(rule)));
        assert_eq!(rules, [4, 9]);
        assert_ne!(memo.number(4, "svchost.exe"), number);
    }

    #[test]
    fn a_value_whose_place_was_taken_is_a_new_one() {
        let memo = memo();
        let question = Question::new(0);
        for round in 0..3 {
            for value in 0..3 * VALUES {
                let number = memo.number(1, &format!("value {value}"));
                let even = value % 2 == 0;
                if let Some(known) = memo.result(question, number) {
                    assert_eq!(known, even, "value {value}, round {round}");
                }
                memo.set_result(question, number, even);
            }
        }
    }

    #[test]
    fn when_the_numbers_are_used_up_everything_is_forgotten() {
        let memo = memo();
        let question = Question::new(1);
        let first = memo.number(0, "first");
        memo.set_result(question, first, true);
        memo.set_rules(question, first, &[1]);
        memo.last.set(NUMBERS_MAX);
        memo.number(0, "second");
        assert_eq!(memo.result(question, first), None);
        assert!(!memo.rules(question, first, &mut |_| ()));
    }

    #[test]
    fn long_values_and_a_memo_that_is_off_remember_nothing() {
        assert_eq!(memo().number(0, &"x".repeat(VALUE_BYTES_MAX + 1)), None);
        let mut off = Memo::default();
        off.prepare();
        assert_eq!(off.number(0, "x"), None);
    }
}
