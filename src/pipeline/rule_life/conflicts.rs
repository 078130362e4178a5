//! Files whose local edit and whose new text do not fit together, as a person looks at them.

use std::fs;
use std::path::Path;

use crate::model::rule_life::RuleBook;
use crate::pipeline::rule_life::Folders;

/// One file that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The pack.
    pub pack: String,
    /// The file in it.
    pub file: String,
    /// The version that the local edit was made from.
    pub base: String,
    /// The version in use.
    pub version: String,
    /// The text in force is here.
    pub local: String,
    /// Both texts with marks where they differ; why there is none, where one of them is gone.
    pub text: String,
}

/// Everything that waits.
pub fn waiting(data_dir: &Path, book: &RuleBook) -> Vec<Waiting> {
    let folders = Folders::of(data_dir);
    let mut all = Vec::new();
    for pack in &book.packs {
        for conflict in &pack.conflicts {
            let read = |folder: std::path::PathBuf| fs::read_to_string(folder.join(&conflict.file));
            let base = read(folders.version(&pack.name, &conflict.base));
            let mine = read(folders.local(&pack.name));
            let theirs = read(folders.version(&pack.name, &pack.version));
            let text = match (base, mine, theirs) {
                (base, Ok(mine), Ok(theirs)) => {
                    let base = base.unwrap_or_default();
                    match diffy::merge(&base, &mine, &theirs) {
                        Ok(text) | Err(text) => text,
                    }
                }
                (_, Ok(_), Err(_)) => {
                    "the new version does not have this file any more\n".to_owned()
                }
                (_, Err(_), _) => "the local file is gone\n".to_owned(),
            };
            all.push(Waiting {
                pack: pack.name.clone(),
                file: conflict.file.clone(),
                base: conflict.base.clone(),
                version: pack.version.clone(),
                local: folders.local(&pack.name).join(&conflict.file).display().to_string(),
                text,
            });
        }
    }
    all
}
