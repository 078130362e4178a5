//! Paths by class. The folders are those of the operating systems; the base name counts only by length, digits, ending,
//! and as a hash by which it is counted how rare a program is.

use crate::infer::graph::{Facts, Flag, Slot, hash};
use crate::infer::shape::text::{Mask, collapse};
use crate::model::platform::Platform;

/// What a path shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathShape {
    /// Class, ending and amounts; the label counts it elsewhere.
    pub facts: Facts,
}

/// The longest path that is looked at.
const PATH_BYTES_MAX: usize = 1_024;

/// The shape of a path.
pub fn shape(platform: Platform, path: &str) -> PathShape {
    let mut facts = Facts::default();
    if path.is_empty() || path == "-" {
        return PathShape { facts };
    }
    let cut = path.floor_char_boundary(PATH_BYTES_MAX);
    let path = path.get(..cut).unwrap_or(path);
    let lower = match platform {
        Platform::Windows => path.to_ascii_lowercase().replace('/', "\\"),
        Platform::Linux => path.to_owned(),
    };
    let (class, folder, name) = match platform {
        Platform::Windows => {
            let (folder, name) = split(bare(&lower), '\\');
            (windows(&lower, folder, name), folder, name)
        }
        Platform::Linux => {
            let (folder, name) = split(&lower, '/');
            (linux(folder, name), folder, name)
        }
    };
    for flag in class.into_iter().flatten() {
        facts.set(flag);
    }
    let separator = if platform == Platform::Windows { '\\' } else { '/' };
    facts.amount(Slot::PathDepth, folder.split(separator).filter(|part| !part.is_empty()).count());
    ending(&mut facts, platform, &lower, name);
    amounts(&mut facts, name);
    facts.label = label(&facts, class.first().copied().flatten(), name);
    PathShape { facts }
}

fn split(path: &str, separator: char) -> (&str, &str) {
    path.rsplit_once(separator).map_or(("", path), |(folder, name)| (folder, name))
}

/// A Windows path without device prefixes and drive.
fn bare(path: &str) -> &str {
    let mut rest = path.trim_matches('"');
    for prefix in ["\\\\?\\", "\\??\\", "\\\\.\\"] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    if let Some(after) = rest.strip_prefix("\\device\\harddiskvolume") {
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    for (prefix, _) in [("\\systemroot", ""), ("%systemroot%", ""), ("%windir%", "")] {
        if rest.starts_with(prefix) {
            return rest; // windows() knows them
        }
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some(drive), Some(':')) if drive.is_ascii_alphabetic() => rest.get(2..).unwrap_or(rest),
        _ => rest,
    }
}

/// The first is the class that labels go by.
type Classes = [Option<Flag>; 4];

fn windows(whole: &str, folder: &str, name: &str) -> Classes {
    use Flag::*;
    if whole.starts_with("\\device\\") && !whole.starts_with("\\device\\harddiskvolume") {
        let share = whole.starts_with("\\device\\mup") || whole.starts_with("\\device\\lanman");
        return [Some(if share { PathShare } else { PathDevice }), None, None, None];
    }
    let rest = folder.strip_prefix("\\systemroot").or_else(|| folder.strip_prefix("%systemroot%"));
    let rest = rest.or_else(|| folder.strip_prefix("%windir%"));
    let folder = match rest {
        Some(rest) => &format!("\\windows{rest}"),
        None => folder,
    };
    let hidden = folder.contains("\\$") || name.starts_with('.');
    let hidden = hidden.then_some(PathHidden);
    if folder.starts_with("\\\\") {
        return [Some(PathShare), None, hidden, None];
    }
    let within = |prefix: &str| {
        folder.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
    };
    if within("\\windows") {
        if within("\\windows\\temp") || within("\\windows\\system32\\spool\\drivers\\color") {
            return [Some(PathTemp), Some(PathUserWritable), hidden, None];
        }
        if within("\\windows\\system32\\config") || within("\\windows\\ntds") {
            return [Some(PathSecret), None, hidden, None];
        }
        if within("\\windows\\system32\\tasks") || within("\\windows\\tasks") {
            return [Some(PathAutostart), Some(PathUserWritable), hidden, None];
        }
        if within("\\windows\\system32\\winevt") || within("\\windows\\logs") {
            return [Some(PathLog), None, hidden, None];
        }
        let system = within("\\windows\\system32") || within("\\windows\\syswow64");
        let system = system || within("\\windows\\winsxs");
        return [Some(if system { PathSystem } else { PathSystemOther }), None, hidden, None];
    }
    if within("\\program files") || within("\\program files (x86)") {
        return [Some(PathProgram), None, hidden, None];
    }
    if within("\\programdata") {
        let start = folder.contains("\\start menu\\programs\\startup");
        let class = if start { PathAutostart } else { PathData };
        return [Some(class), Some(PathUserWritable), hidden, None];
    }
    if within("\\users") || within("\\documents and settings") {
        let class = if folder.contains("\\start menu\\programs\\startup") {
            PathAutostart
        } else if folder.contains("\\appdata\\local\\temp") {
            PathTemp
        } else if folder.contains("\\microsoft\\credentials")
            || folder.contains("\\microsoft\\protect")
        {
            PathSecret
        } else {
            PathProfile
        };
        return [Some(class), Some(PathUserWritable), hidden, None];
    }
    if folder.starts_with('\\') || whole.get(1..3) == Some(":\\") {
        return [Some(PathRoot), Some(PathUserWritable), hidden, None];
    }
    [Some(PathNone), None, hidden, None]
}

fn linux(folder: &str, name: &str) -> Classes {
    use Flag::*;
    let hidden = folder.contains("/.") || (name.starts_with('.') && name.len() > 2);
    let hidden = hidden.then_some(PathHidden);
    if !folder.starts_with('/') && (!folder.is_empty() || name.is_empty()) {
        return [Some(PathNone), None, hidden, None];
    }
    let within = |prefix: &str| {
        folder.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| within(prefix));
    if folder.contains("/.ssh") || any(&["/etc/ssl/private", "/etc/ssh", "/etc/sudoers.d"]) {
        return [Some(PathSecret), None, hidden, None];
    }
    if any(&["/tmp", "/var/tmp", "/dev/shm", "/run/user"]) {
        return [Some(PathTemp), Some(PathUserWritable), hidden, None];
    }
    if any(&["/dev", "/proc", "/sys"]) {
        return [Some(PathDevice), None, hidden, None];
    }
    let start = ["/etc/cron.d", "/etc/cron.daily", "/etc/cron.hourly", "/etc/cron.weekly"];
    let more = ["/etc/systemd", "/etc/init.d", "/etc/profile.d", "/var/spool/cron"];
    let lib =
        ["/lib/systemd", "/usr/lib/systemd/system", "/etc/cron.monthly", "/etc/xdg/autostart"];
    if any(&start) || any(&more) || any(&lib) {
        return [Some(PathAutostart), None, hidden, None];
    }
    if within("/etc") {
        return [Some(PathConfig), None, hidden, None];
    }
    if any(&["/var/log", "/run/log"]) {
        return [Some(PathLog), None, hidden, None];
    }
    if any(&["/usr/local", "/opt", "/srv", "/snap"]) {
        return [Some(PathProgram), None, hidden, None];
    }
    if any(&["/bin", "/sbin", "/usr/bin", "/usr/sbin"]) {
        return [Some(PathSystem), None, hidden, None];
    }
    if any(&["/usr", "/lib", "/lib64", "/boot"]) {
        return [Some(PathSystemOther), None, hidden, None];
    }
    if any(&["/home", "/root"]) {
        return [Some(PathProfile), Some(PathUserWritable), hidden, None];
    }
    if any(&["/var", "/run"]) {
        return [Some(PathData), None, hidden, None];
    }
    let bare = folder.is_empty() && !name.is_empty();
    [Some(if bare { PathNone } else { PathRoot }), None, hidden, None]
}

/// Is it a place where an ordinary account may write? For words of a command line.
pub fn user_writable(platform: Platform, path: &str) -> bool {
    shape(platform, path).facts.has(Flag::PathUserWritable)
}

const PROGRAMS: &[&str] = &["exe", "com", "scr", "cpl", "msi", "pif", "run", "bin", "appimage"];
const LIBRARIES: &[&str] = &["dll", "sys", "ocx", "drv", "so", "ko", "ax", "tlb", "mui"];
const SCRIPTS: &[&str] = &[
    "ps1", "psm1", "psd1", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "sct",
    "py", "pl", "rb", "sh", "bash", "php", "lua", "mof", "inf", "chm", "xsl", "lnk", "url", "jsp",
    "aspx", "asp",
];
const DOCUMENTS: &[&str] = &[
    "doc", "docx", "docm", "xls", "xlsx", "xlsm", "ppt", "pptx", "pdf", "rtf", "txt", "htm",
    "html", "csv", "md", "one", "eml", "msg",
];
const ARCHIVES: &[&str] = &[
    "zip", "rar", "7z", "cab", "gz", "tgz", "bz2", "xz", "zst", "tar", "iso", "img", "vhd", "vhdx",
    "jar", "deb", "rpm",
];

fn ending(facts: &mut Facts, platform: Platform, path: &str, name: &str) {
    let Some((stem, end)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        // Programs of Linux have no ending; their folders say what they are.
        let program = platform == Platform::Linux
            && ["/bin/", "/sbin/", "/libexec/"].iter().any(|part| path.contains(part));
        facts.set_if(program, Flag::ExtProgram);
        return;
    };
    let library = platform == Platform::Linux && name.contains(".so.");
    let end = end.to_ascii_lowercase();
    let among = |list: &[&str]| list.contains(&end.as_str());
    let flag = if library || among(LIBRARIES) {
        Flag::ExtLibrary
    } else if among(PROGRAMS) {
        Flag::ExtProgram
    } else if among(SCRIPTS) {
        Flag::ExtScript
    } else if among(DOCUMENTS) {
        Flag::ExtDocument
    } else if among(ARCHIVES) {
        Flag::ExtArchive
    } else {
        Flag::ExtOther
    };
    facts.set(flag);
    let active = matches!(flag, Flag::ExtProgram | Flag::ExtLibrary | Flag::ExtScript);
    let inner = stem.rsplit_once('.').map_or("", |(_, inner)| inner);
    let second = DOCUMENTS.contains(&inner) || ARCHIVES.contains(&inner);
    facts.set_if(active && second, Flag::ExtDouble);
}

fn amounts(facts: &mut Facts, name: &str) {
    let mask = Mask::of(name);
    facts.amount(Slot::NameLength, name.len());
    facts.share(Slot::NameDigits, mask.digits_share());
    facts.share(Slot::NameChanges, mask.changes_share());
}

/// What makes it alike elsewhere: for what can be run its class and name, for other files class and ending.
/// The first byte is the class, so that of two sights of one program the one that knows its folder counts.
fn label(facts: &Facts, class: Option<Flag>, name: &str) -> u64 {
    let rank = class.map_or(255, |flag| flag as u8);
    (hash_of(facts, [rank], name) >> 8) | (u64::from(rank) << 56) | 1
}

fn hash_of(facts: &Facts, class: [u8; 1], name: &str) -> u64 {
    let active =
        [Flag::ExtProgram, Flag::ExtLibrary, Flag::ExtScript].iter().any(|flag| facts.has(*flag));
    if active {
        return hash(&[b"path", &class, collapse(name).as_bytes()]);
    }
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    hash(&[b"file", &class, collapse(end).as_bytes()])
}
