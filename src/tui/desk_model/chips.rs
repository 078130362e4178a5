//! Filter chips: each a text of the filter language, joined by *and*; each can be switched off and on again.

use crate::model::alert::Alert;
use crate::model::desk::{Problem, ProblemKind};
use crate::model::query::{AlertFilter, QueryError, Viewpoint};
use crate::stdx::time::Timestamp;

/// More chips are refused: nobody reads them.
pub const CHIPS_MAX: usize = 24;

/// One chip.
#[derive(Clone, Debug)]
pub struct Chip {
    text: String,
    on: bool,
    filter: AlertFilter,
}

impl Chip {
    /// Its text as typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Does it filter now?
    pub fn is_on(&self) -> bool {
        self.on
    }
}

/// The chips.
#[derive(Clone, Debug, Default)]
pub struct Chips {
    list: Vec<Chip>,
    /// All chips are off for the moment; their own switches are kept.
    all_off: bool,
}

impl Chips {
    /// The chips in order.
    pub fn iter(&self) -> impl Iterator<Item = &Chip> {
        self.list.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One chip.
    pub fn get(&self, index: usize) -> Option<&Chip> {
        self.list.get(index)
    }

    /// Are all switched off together?
    pub fn are_all_off(&self) -> bool {
        self.all_off
    }

    /// Does the chip take rows away now?
    pub fn works(&self, index: usize) -> bool {
        !self.all_off && self.get(index).is_some_and(Chip::is_on)
    }

    /// Does an alert pass every chip that is on?
    pub fn matches(&self, alert: &Alert, me: &str, now: Timestamp) -> bool {
        let view = view(me, now);
        self.all_off
            || self.list.iter().filter(|chip| chip.on).all(|chip| chip.filter.matches(alert, &view))
    }

    /// Does an alert pass one chip, on or off? An unknown chip passes everything.
    pub fn matches_one(&self, index: usize, alert: &Alert, me: &str, now: Timestamp) -> bool {
        let view = view(me, now);
        self.get(index).is_none_or(|chip| chip.filter.matches(alert, &view))
    }

    /// Does a text compile? The caller shows the error under what is being typed.
    pub fn check(text: &str) -> Result<(), QueryError> {
        AlertFilter::parse(text).map(|_| ())
    }

    pub(super) fn add(&mut self, text: &str) -> Result<bool, Problem> {
        let chip = compile(text)?;
        if text.trim().is_empty() {
            return Ok(false);
        }
        if self.list.len() >= CHIPS_MAX {
            let message = format!("there are {CHIPS_MAX} filter chips already");
            return Err(Problem::new(ProblemKind::Invalid, message).hint("F removes some"));
        }
        self.all_off = false;
        match self.list.iter_mut().find(|known| known.text == chip.text) {
            Some(known) => known.on = true,
            None => self.list.push(chip),
        }
        Ok(true)
    }

    pub(super) fn replace(&mut self, index: usize, text: &str) -> Result<bool, Problem> {
        if text.trim().is_empty() {
            return Ok(self.remove(index));
        }
        let chip = compile(text)?;
        let Some(known) = self.list.get_mut(index) else { return Ok(false) };
        *known = chip;
        Ok(true)
    }

    pub(super) fn set(&mut self, texts: &[String]) -> Result<bool, Problem> {
        let wanted = texts.iter().filter(|text| !text.trim().is_empty()).take(CHIPS_MAX);
        self.list = wanted.map(|text| compile(text)).collect::<Result<Vec<_>, _>>()?;
        self.all_off = false;
        Ok(true)
    }

    pub(super) fn remove(&mut self, index: usize) -> bool {
        let there = index < self.list.len();
        if there {
            self.list.remove(index);
        }
        there
    }

    pub(super) fn toggle(&mut self, index: usize) -> bool {
        let Some(chip) = self.list.get_mut(index) else { return false };
        chip.on = !chip.on;
        self.all_off = false;
        true
    }

    pub(super) fn toggle_all(&mut self) -> bool {
        self.all_off = !self.all_off;
        !self.list.is_empty()
    }
}

/// Notes are not known here: `has:note` is answered by the workbench, not by the list.
fn view(actor: &str, now: Timestamp) -> Viewpoint<'_> {
    Viewpoint { now, actor, noted: &|_| false }
}

fn compile(text: &str) -> Result<Chip, Problem> {
    let filter = AlertFilter::parse(text).map_err(|error| {
        Problem::new(ProblemKind::Invalid, error.message).detail(text.trim()).hint(error.hint)
    })?;
    Ok(Chip { text: text.trim().to_owned(), on: true, filter })
}
