//! Which folders hold the rules that are in use: the configuration's paths with the packs of the book.

use std::fs;
use std::path::Path;

use crate::config::Config;
use crate::config::rules::{PackPlace, RulesConfig};
use crate::detect::files::PACK_PREFIX;
use crate::model::desk::Problem;
use crate::model::rule_life::RuleBook;
use crate::pipeline::rule_life::stage::{Scratch, read_manifest, write};
use crate::pipeline::rule_life::{Folders, invalid, io};
use crate::wire::rules_v1;

/// The configuration's rules with the packs of a book. A pack that is off as a whole is left out.
pub fn with_packs(config: &RulesConfig, data_dir: &Path, book: &RuleBook) -> RulesConfig {
    let folders = Folders::of(data_dir);
    let named =
        |name: &str| config.paths.iter().any(|path| path.strip_prefix(PACK_PREFIX) == Some(name));
    let wanted = book
        .packs
        .iter()
        .filter(|pack| book.is_wanted(&pack.name) && (!config.only_named || named(&pack.name)));
    let packs = wanted.map(|pack| {
        let folder = folders.version(&pack.name, &pack.version);
        // Without a manifest the pack's files speak for themselves.
        let recommended = read_manifest(&folder).map(|known| known.recommended);
        PackPlace {
            name: pack.name.clone(),
            local: folders.local(&pack.name),
            recommended: recommended.unwrap_or_default(),
            folder,
        }
    });
    RulesConfig { packs: packs.collect(), ..config.clone() }
}

/// The rules of a configuration with the packs in use, for commands that do not open the store.
pub fn configured(config: &Config) -> Result<RulesConfig, Problem> {
    let book = read_book(&config.data_dir)?;
    Ok(with_packs(&config.rules, &config.data_dir, &book))
}

/// What holds, as the file in the data folder says. No file: nothing was decided.
pub fn read_book(data_dir: &Path) -> Result<RuleBook, Problem> {
    let path = Folders::of(data_dir).book();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(RuleBook::default());
        }
        // Another user's data folder: that user's packs are none of ours.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            tracing::warn!(path = %path.display(), "may not be read: imported packs are left out");
            return Ok(RuleBook::default());
        }
        Err(error) => return Err(io("read", &path, &error)),
    };
    rules_v1::read_book(&text).map_err(|error| {
        invalid(format!("{} cannot be read: {error}", path.display()))
            .hint("opening the store writes it again: watchfloor status")
    })
}

/// Write down what holds, as a whole.
pub fn write_book(data_dir: &Path, book: &RuleBook) -> Result<(), Problem> {
    let folders = Folders::of(data_dir);
    let path = folders.book();
    let text = rules_v1::write_book(book);
    let known = fs::read_to_string(&path);
    if known.as_ref().is_ok_and(|known| *known == text)
        || (known.is_err() && !path.exists() && *book == RuleBook::default())
    {
        return Ok(());
    }
    let scratch = Scratch::make(&folders.staging(), "book")?;
    let new = scratch.path.join("book.json");
    write(&new, text.as_bytes())?;
    fs::rename(&new, &path).map_err(|error| io("write", &path, &error))
}
