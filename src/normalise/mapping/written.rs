//! A mapping file as it was written: TOML values with their lines, taken key by key, so that every unknown key and
//! every value of a wrong type is reported with its place.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::reader::nearest;
use crate::normalise::mapping::MappingProblem;

/// One file while it is read; collects what is wrong with it.
pub struct File<'a> {
    name: Arc<str>,
    text: &'a str,
    /// Everything wrong so far.
    pub problems: Vec<MappingProblem>,
}

impl<'a> File<'a> {
    /// A file's name and text.
    pub fn new(name: Arc<str>, text: &'a str) -> File<'a> {
        File { name, text, problems: Vec::new() }
    }

    /// Parse the text. `None`: no TOML; the problem is noted.
    pub fn parse(&mut self) -> Option<Spanned<DeTable<'a>>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.complain(at, "", error.message().to_owned());
                None
            }
        }
    }

    /// Note a problem at a byte of the text.
    pub fn complain(&mut self, at: usize, key: &str, message: String) {
        let line = self.line(at);
        self.problems.push(MappingProblem {
            file: Arc::clone(&self.name),
            line,
            key: key.to_owned(),
            message,
        });
    }

    /// The line, from 1, of a byte of the text.
    pub fn line(&self, at: usize) -> u32 {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        u32::try_from(memchr::memchr_iter(b'\n', before).count() + 1).unwrap_or(u32::MAX)
    }
}

/// The keys of one table, each taken once.
pub struct Keys<'t, 'a> {
    table: &'t DeTable<'a>,
    at: usize,
    path: String,
    taken: BTreeSet<&'static str>,
}

/// A value with its place.
#[derive(Clone, Copy)]
pub struct Item<'t, 'a> {
    /// The value.
    pub value: &'t DeValue<'a>,
    /// Its first byte in the file.
    pub at: usize,
}

impl<'t, 'a> Item<'t, 'a> {
    /// A spanned value.
    pub fn of(value: &'t Spanned<DeValue<'a>>) -> Item<'t, 'a> {
        Item { value: value.get_ref(), at: value.span().start }
    }
}

impl<'t, 'a> Keys<'t, 'a> {
    /// Take the keys of a table that begins at a byte and stands under a key path.
    pub fn new(table: &'t DeTable<'a>, at: usize, path: &str) -> Keys<'t, 'a> {
        Keys { table, at, path: path.to_owned(), taken: BTreeSet::new() }
    }

    /// Where the table begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The key path of a key of the table.
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Any value.
    pub fn item(&mut self, key: &'static str) -> Option<Item<'t, 'a>> {
        self.taken.insert(key);
        self.table.get(key).map(Item::of)
    }

    /// Text.
    pub fn text(&mut self, key: &'static str, file: &mut File<'_>) -> Option<&'t str> {
        let item = self.item(key)?;
        match item.value.as_str() {
            Some(text) => Some(text),
            None => {
                file.complain(item.at, &self.path(key), "expected text".to_owned());
                None
            }
        }
    }

    /// Text or a list of texts.
    pub fn texts(&mut self, key: &'static str, file: &mut File<'_>) -> Vec<&'t str> {
        let path = self.path(key);
        self.item(key).map(|item| texts(item, &path, file)).unwrap_or_default()
    }

    /// True or false.
    pub fn truth(&mut self, key: &'static str, file: &mut File<'_>) -> bool {
        let Some(item) = self.item(key) else { return false };
        match item.value.as_bool() {
            Some(truth) => truth,
            None => {
                file.complain(item.at, &self.path(key), "expected true or false".to_owned());
                false
            }
        }
    }

    /// A table.
    pub fn table(&mut self, key: &'static str, file: &mut File<'_>) -> Option<Keys<'t, 'a>> {
        let item = self.item(key)?;
        match item.value.as_table() {
            Some(table) => Some(Keys::new(table, item.at, &self.path(key))),
            None => {
                file.complain(item.at, &self.path(key), "expected a table".to_owned());
                None
            }
        }
    }

    /// A list of tables.
    pub fn tables(&mut self, key: &'static str, file: &mut File<'_>) -> Vec<Keys<'t, 'a>> {
        let path = self.path(key);
        let Some(item) = self.item(key) else { return Vec::new() };
        let list = item.value.as_array().map(|list| list.iter().map(Item::of).collect());
        let list: Vec<Item<'t, 'a>> = list.unwrap_or_default();
        let mut found = Vec::new();
        for (number, entry) in list.iter().enumerate() {
            if let Some(table) = entry.value.as_table() {
                found.push(Keys::new(table, entry.at, &format!("{path}[{number}]")));
            }
        }
        if found.len() != list.len() || list.is_empty() {
            file.complain(item.at, &path, format!("expected tables: [[{path}]]"));
        }
        found
    }

    /// Every key with its value, for tables whose keys are free.
    pub fn all(&self) -> Vec<(&'t str, Item<'t, 'a>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), Item::of(value))).collect()
    }

    /// Report the keys that nobody took.
    pub fn finish(self, file: &mut File<'_>) {
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if !self.taken.contains(name) {
                let near = nearest(name, self.taken.iter().copied().collect());
                let hint = if near.is_empty() { near } else { format!(" ({near})") };
                file.complain(key.span().start, &self.path(name), format!("unknown key{hint}"));
            }
        }
    }
}

/// Text or a list of texts.
pub fn texts<'t>(item: Item<'t, '_>, path: &str, file: &mut File<'_>) -> Vec<&'t str> {
    if let Some(text) = item.value.as_str() {
        return vec![text];
    }
    let list: Option<Vec<&str>> = item
        .value
        .as_array()
        .and_then(|list| list.iter().map(|entry| entry.get_ref().as_str()).collect());
    list.unwrap_or_else(|| {
        file.complain(item.at, path, "expected text or a list of texts".to_owned());
        Vec::new()
    })
}
