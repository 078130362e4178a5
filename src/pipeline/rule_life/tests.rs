//! Packs from hostile and from honest hands, signatures, edits that meet new versions, and a crash between two steps.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use proptest::prelude::*;

use super::overlay::{self, Met, meet};
use super::plan::{self, Known, Plan};
use super::stage::{Staged, Wanted, stage};
use super::{Folders, adopt, resolve, sign, unpack};
use crate::config::rules::RulesConfig;
use crate::model::desk::{Problem, ProblemKind};
use crate::model::rule_life::{PackInUse, RuleBook, RuleRequest};

fn rule(id: &str, word: &str) -> String {
    format!(
        "title: {id}\nid: {id}\nstatus: test\nlogsource: {{product: linux, service: sshd}}\n\
         detection:\n  s:\n    message|contains: {word}\n  condition: s\nlevel: high\n"
    )
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A tar entry whose name is written as it is: the library would refuse the bad ones.
fn tar_entry(tar: &mut Vec<u8>, name: &[u8], kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn packed(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    tar.resize(tar.len() + 1_024, 0);
    zstd::encode_all(Cursor::new(tar), 3).unwrap()
}

fn import(data: &Path, from: &Path, config: &RulesConfig) -> Result<Staged, Problem> {
    let wanted = Wanted { from, name: Some("p"), signature: None, by: "ana", dry_run: false };
    stage(config, data, &wanted)
}

fn nothing_staged(data: &Path) {
    let left = fs::read_dir(Folders::of(data).staging());
    assert_eq!(left.map_or(0, Iterator::count), 0, "something half-imported is left");
}

#[test]
fn an_archive_with_a_path_that_leaves_it_is_refused_as_a_whole() {
    let good = rule("r1", "a");
    for name in ["../evil.yml", "a/../../evil.yml", "/etc/evil.yml", "C:/evil.yml", "..\\evil.yml"]
    {
        let zipped = zip_of(&[("ok.yml", good.as_bytes()), (name, good.as_bytes())]);
        let problem = unpack::zip(&zipped).unwrap_err();
        assert!(problem.message.contains("evil"), "{name}: {problem:?}");
        let mut tar = Vec::new();
        tar_entry(&mut tar, b"ok.yml", tar::EntryType::Regular, good.as_bytes());
        tar_entry(&mut tar, name.as_bytes(), tar::EntryType::Regular, good.as_bytes());
        let problem = unpack::tar_zst(&packed(&tar)).unwrap_err();
        assert!(problem.message.contains("evil"), "{name}: {problem:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("evil.zip");
    fs::write(&file, zip_of(&[("ok.yml", good.as_bytes()), ("../evil.yml", b"x")])).unwrap();
    let data = dir.path().join("data");
    import(&data, &file, &RulesConfig::default()).unwrap_err();
    nothing_staged(&data);
    assert!(!dir.path().join("evil.yml").exists());
}

#[test]
fn bombs_are_refused_before_they_unfold() {
    let zeros = vec![b' '; 1 << 20];
    let names: Vec<String> = (0..100).map(|number| format!("r{number}.yml")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &zeros[..])).collect();
    let problem = unpack::zip(&zip_of(&files)).unwrap_err();
    assert!(problem.message.contains("come out of it"), "{problem:?}");

    // In a tar also what is not wanted must be read to get behind it.
    let mut tar = Vec::new();
    tar_entry(&mut tar, b"big.bin", tar::EntryType::Regular, &vec![0; 40 << 20]);
    tar_entry(&mut tar, b"r.yml", tar::EntryType::Regular, rule("r1", "a").as_bytes());
    let problem = unpack::tar_zst(&packed(&tar)).unwrap_err();
    assert!(problem.message.contains("come out of it"), "{problem:?}");

    let deep = format!("{}r.yml", "d/".repeat(unpack::PACK_DEPTH_MAX + 1));
    let problem = unpack::zip(&zip_of(&[(&deep, b"x")])).unwrap_err();
    assert!(problem.message.contains("folders deep"), "{problem:?}");
}

#[test]
fn links_and_special_files_are_listed_and_the_rest_is_taken() {
    let mut tar = Vec::new();
    tar_entry(&mut tar, b"p/r.yml", tar::EntryType::Regular, rule("r1", "a").as_bytes());
    for (name, kind) in [
        (&b"p/link.yml"[..], tar::EntryType::Symlink),
        (b"p/hard.yml", tar::EntryType::Link),
        (b"p/dev.yml", tar::EntryType::Char),
        (b"p/pipe.yml", tar::EntryType::Fifo),
    ] {
        tar_entry(&mut tar, name, kind, b"");
    }
    tar_entry(&mut tar, b"p/na\xffme.yml", tar::EntryType::Regular, b"x");
    let taken = unpack::tar_zst(&packed(&tar)).unwrap();
    assert_eq!(taken.files.keys().collect::<Vec<_>>(), ["r.yml"], "the one top folder is cut off");
    assert_eq!(taken.refused_count, 5, "{:?}", taken.refused);
}

#[test]
fn a_folder_with_everything_that_goes_wrong_gives_what_is_right_with_reasons_for_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("pack");
    fs::create_dir_all(pack.join("sub")).unwrap();
    fs::write(pack.join("a.yml"), rule("r1", "a")).unwrap();
    fs::write(pack.join("b.yml"), rule("r1", "b")).unwrap();
    fs::write(pack.join("latin1.yml"), b"title: caf\xe9\n").unwrap();
    fs::write(pack.join("notes.yml"), "just: [a, list\n").unwrap();
    fs::write(pack.join("odd.yml"), rule("r2", "x").replace("|contains", "|containz")).unwrap();
    fs::write(pack.join("sub/LICENSE.txt"), "# Licenses\n\nDetection Rule License 1.1\n").unwrap();
    fs::write(pack.join("readme.md"), "hello").unwrap();
    std::os::unix::fs::symlink("..", pack.join("sub/loop")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", pack.join("passwd.yml")).unwrap();
    let data = dir.path().join("data");
    let staged = import(&data, &pack, &RulesConfig::default()).unwrap();
    let manifest = &staged.manifest;
    assert_eq!(manifest.counts.rules, 1, "{manifest:#?}");
    let reason = |file: &str| {
        let all = manifest.problems.iter().chain(&manifest.refused);
        let of = all.filter(|note| note.file == file);
        of.map(|note| note.reason.clone()).collect::<Vec<_>>().join(" ")
    };
    assert!(reason("b.yml").contains("has the id r1"), "{manifest:#?}");
    assert!(reason("latin1.yml").contains("UTF-8"), "{manifest:#?}");
    assert!(reason("notes.yml").contains("left out"), "{manifest:#?}");
    assert!(!reason("odd.yml").is_empty(), "{manifest:#?}");
    assert!(reason("passwd.yml").contains("link"), "{manifest:#?}");
    assert!(reason("sub/loop").contains("link"), "{manifest:#?}");
    assert_eq!(manifest.licence, "Detection Rule License (DRL)");
    assert_eq!(manifest.licence_file, "sub/LICENSE.txt");
    assert_eq!((manifest.counts.skipped, manifest.counts.refused), (1, 3));
    let laid = Folders::of(&data).staging().join(&staged.folder);
    assert!(laid.join("a.yml").exists() && !laid.join("notes.yml").exists());
    assert!(!laid.join("passwd.yml").exists());
}

#[test]
fn what_holds_no_rule_or_is_no_pack_says_so_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let file = dir.path().join("x.zip");
    for (bytes, wanted) in [
        (zip_of(&[("readme.md", b"hello")]), "there is no rule"),
        (zip_of(&[("a.yml", b"just: [a, list")]), "no rule of the pack"),
        (b"PK\x03\x04 not really".to_vec(), "the zip cannot be read"),
        (vec![0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3], "the archive cannot be read"),
        (b"hello".to_vec(), "the zip cannot be read"),
    ] {
        fs::write(&file, bytes).unwrap();
        let problem = import(&data, &file, &RulesConfig::default()).unwrap_err();
        assert!(problem.message.contains(wanted), "{problem:?}");
        nothing_staged(&data);
    }
    let missing = import(&data, &dir.path().join("none"), &RulesConfig::default()).unwrap_err();
    assert_eq!(missing.kind, ProblemKind::NotFound);
}

proptest! {
    #[test]
    fn damaged_archives_never_panic_and_never_name_a_path_outside(
        places in proptest::collection::vec((0_usize..4_096, any::<u8>()), 0..8),
        cut in 0_usize..4_096,
    ) {
        let text = rule("r1", "a");
        let mut tar = Vec::new();
        tar_entry(&mut tar, b"p/r.yml", tar::EntryType::Regular, text.as_bytes());
        tar_entry(&mut tar, b"p/s.yml", tar::EntryType::Regular, text.as_bytes());
        for (at, byte) in &places {
            if let Some(there) = tar.get_mut(*at) {
                *there = *byte;
            }
        }
        let mut zipped = zip_of(&[("p/r.yml", text.as_bytes()), ("p/s.yml", text.as_bytes())]);
        for (at, byte) in &places {
            let length = zipped.len();
            if let Some(there) = zipped.get_mut(at % length) {
                *there = *byte;
            }
        }
        zipped.truncate(zipped.len().saturating_sub(cut % 64));
        for taken in [unpack::tar_zst(&packed(&tar)), unpack::zip(&zipped)].into_iter().flatten() {
            for name in taken.files.keys() {
                prop_assert!(!name.starts_with('/'));
                prop_assert!(name.split('/').all(|part| part != ".." && !part.is_empty()));
            }
        }
    }
}

#[test]
fn only_a_signature_by_a_trusted_key_over_these_very_bytes_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (data, archive) = (dir.path().join("data"), dir.path().join("pack.zip"));
    fs::write(&archive, zip_of(&[("a.yml", rule("r1", "a").as_bytes())])).unwrap();
    let key = dir.path().join("team.key");
    let public = sign::keygen(&key).unwrap();
    assert_eq!(sign::keygen(&key).unwrap_err().kind, ProblemKind::Conflict);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let other = sign::keygen(&dir.path().join("other.key")).unwrap();
    assert_ne!(public, other);
    let strict = |key: &str| RulesConfig {
        require_signature: true,
        trusted_keys: vec![key.to_owned()],
        ..RulesConfig::default()
    };
    let refusal = |config: &RulesConfig| import(&data, &archive, config).unwrap_err();

    let unsigned = refusal(&strict(&public));
    assert!(unsigned.message.contains("not signed"), "{unsigned:?}");
    assert!(unsigned.hint.contains("watchfloor rules sign"), "{unsigned:?}");
    let (file, by) = sign::sign(&archive, &key).unwrap();
    assert_eq!((file.extension().unwrap().to_str(), by.as_str()), (Some("sig"), public.as_str()));
    let staged = import(&data, &archive, &strict(&public)).unwrap();
    assert_eq!(staged.manifest.signed_by, public);
    assert!(refusal(&strict(&other)).message.contains("whom nobody here trusts"));
    assert!(refusal(&strict("no key")).message.contains("is no public key"));

    // A signature that is there and wrong is refused also where none is required.
    let trusting = RulesConfig { trusted_keys: vec![public.clone()], ..RulesConfig::default() };
    fs::write(&archive, zip_of(&[("a.yml", rule("r1", "b").as_bytes())])).unwrap();
    for config in [strict(&public), trusting] {
        assert!(refusal(&config).message.contains("does not fit"));
    }
    fs::write(&file, "watchfloor-pack-signature-1\nkey x\nsignature y\n").unwrap();
    assert!(refusal(&strict(&public)).message.contains("is no signature"));
    let folder = import(&data, dir.path(), &strict(&public)).unwrap_err();
    assert!(folder.message.contains("not signed"), "{folder:?}");
}

#[test]
fn two_changes_of_one_file_are_merged_or_left_to_a_person() {
    let base = rule("r1", "a");
    let (mine, theirs) =
        (base.replace("level: high", "level: low"), base.replace("title: r1", "title: new"));
    let of = |base: Option<&str>, mine: &str, theirs: Option<&str>| {
        meet(base.map(str::as_bytes), mine.as_bytes(), theirs.map(str::as_bytes))
    };
    let both = base.replace("level: high", "level: low").replace("title: r1", "title: new");
    assert_eq!(of(Some(&base), &mine, Some(&theirs)), Met::Merged(both.into_bytes()));
    assert_eq!(of(Some(&base), &mine, Some(&base)), Met::Kept, "only the edit changed");
    assert_eq!(of(Some(&base), &base, Some(&theirs)), Met::Dropped, "only the pack changed");
    assert_eq!(of(Some(&base), &mine, Some(&mine)), Met::Dropped, "both made the same change");
    assert_eq!(of(None, &mine, None), Met::Kept, "a file of one's own");
    assert_eq!(of(None, &mine, Some(&theirs)), Met::Conflict, "both added the file");
    assert_eq!(of(Some(&base), &mine, None), Met::Conflict, "the pack gave the file up");
    let clash = base.replace("level: high", "level: critical");
    assert_eq!(of(Some(&base), &mine, Some(&clash)), Met::Conflict);
}

fn make(data: &Path, book: &RuleBook, request: &RuleRequest) -> Plan {
    plan::plan(&Known { data_dir: data, book, target: None }, request).unwrap().unwrap()
}

#[test]
fn a_crash_between_history_and_folder_is_made_good_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (data, pack) = (dir.path().join("data"), dir.path().join("pack"));
    fs::create_dir_all(&pack).unwrap();
    fs::write(pack.join("a.yml"), rule("r1", "a")).unwrap();
    let staged = import(&data, &pack, &RulesConfig::default()).unwrap();
    let first = make(&data, &RuleBook::default(), &RuleRequest::Pack { staged: staged.folder });
    adopt::fulfil(&data, &first).unwrap();
    assert_eq!(resolve::read_book(&data).unwrap(), first.book);

    let folders = Folders::of(&data);
    fs::create_dir_all(folders.local("p")).unwrap();
    let edited = rule("r1", "a").replace("level: high", "level: low");
    fs::write(folders.local("p").join("a.yml"), &edited).unwrap();
    let edits = plan::edits_by_hand(&data, &first.book).unwrap().unwrap();
    assert!(!edits.book.pack("p").unwrap().local.is_empty());

    fs::write(pack.join("a.yml"), rule("r1", "a").replace("title: r1", "title: new")).unwrap();
    let staged = import(&data, &pack, &RulesConfig::default()).unwrap();
    let upgrade = make(&data, &edits.book, &RuleRequest::Pack { staged: staged.folder });
    assert_eq!(upgrade.kind, "upgrade");
    let there =
        |data: &Path| fs::read_to_string(Folders::of(data).local("p").join("a.yml")).unwrap();

    // Promised, and the history was not written: nothing changes.
    adopt::promise(&data, &upgrade).unwrap();
    adopt::recover(&data, &edits.book).unwrap();
    assert_eq!(there(&data), edited);
    // Promised and in the history: the folder follows.
    adopt::promise(&data, &upgrade).unwrap();
    adopt::recover(&data, &upgrade.book).unwrap();
    assert!(there(&data).contains("title: new") && there(&data).contains("level: low"));
    assert_eq!(resolve::read_book(&data).unwrap(), upgrade.book);
    // And an edit made by hand after that is nobody's to replace.
    fs::write(folders.local("p").join("a.yml"), &edited).unwrap();
    adopt::recover(&data, &upgrade.book).unwrap();
    assert_eq!(there(&data), edited);
}

#[test]
fn edits_that_conflict_stay_in_force_over_two_upgrades_and_remember_where_they_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let folders = Folders::of(dir.path());
    let versions = ["level: high", "level: critical", "level: medium"];
    for (number, level) in versions.iter().enumerate() {
        let place = folders.version("p", &number.to_string());
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("a.yml"), rule("r1", "a").replace("level: high", level)).unwrap();
    }
    let mine = rule("r1", "a").replace("level: high", "level: low").into_bytes();
    let edits = [("a.yml".to_owned(), mine.clone())].into();
    let old = PackInUse { name: "p".into(), version: "0".into(), ..PackInUse::default() };
    let moved = overlay::upgrade(&folders, &old, &edits, "1").unwrap();
    assert_eq!((moved.conflicts.len(), moved.files["a.yml"] == mine), (1, true));
    let old = PackInUse { version: "1".into(), conflicts: moved.conflicts, ..old };
    let again = overlay::upgrade(&folders, &old, &moved.files, "2").unwrap();
    assert_eq!(again.conflicts[0].base, "0", "the edit was made from the first version");
    assert_eq!(again.files["a.yml"], mine);
}
