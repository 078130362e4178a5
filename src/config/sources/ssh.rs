//! `type = "ssh"`: files on other machines, read through their SSH server.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::sources::From;

/// The port of SSH.
const PORT: u16 = 22;

/// `type = "ssh"`.
#[derive(Clone, Debug, PartialEq)]
pub struct SshSource {
    /// Machines: name and port.
    pub hosts: Vec<(String, u16)>,
    /// Who logs in.
    pub user: String,
    /// The file of the private key.
    pub key_file: PathBuf,
    /// The file of the machines' public keys.
    pub known_hosts: PathBuf,
    /// Absolute paths there; `*`, `?` and `[…]` are patterns.
    pub paths: Vec<String>,
    /// Where to begin in files never seen before.
    pub from: From,
    /// How often a machine that writes is looked at.
    pub poll_min: Duration,
    /// How often one that does not is.
    pub poll_max: Duration,
    /// Only while this local folder is missing.
    pub unless_folder: Option<PathBuf>,
}

/// Take the keys of an SSH source.
pub(super) fn read(reader: &mut Reader, index: usize) -> SshSource {
    let key = |name: &str| format!("sources[{index}].{name}");
    let hosts =
        reader.texts(&key("hosts"), &[], "Machines to log in to; `web01:2222` names a port.");
    if hosts.is_empty() {
        let hint = "for example hosts = [\"web01\"]".to_owned();
        reader.complain(&key("hosts"), "an ssh source needs at least one host".to_owned(), hint);
    }
    let mut parsed = Vec::new();
    for host in &hosts {
        match host_and_port(host) {
            Some(host) => parsed.push(host),
            None => {
                let hint = "write web01, web01:2222 or [2001:db8::1]:22".to_owned();
                reader.complain(&key("hosts"), format!("{host:?} is no host"), hint);
            }
        }
    }
    let mut needed = |name: &str, hint: &str, doc: &'static str| {
        let text = reader.text(&key(name), "", doc);
        if text.is_empty() {
            let hint = format!("for example {name} = \"{hint}\"");
            reader.complain(&key(name), format!("an ssh source needs {name}"), hint);
        }
        text
    };
    let user = needed("user", "watchfloor", "Who logs in there.");
    let key_file = needed("key_file", "/etc/watchfloor/ssh_key", "The file of the private key.");
    let known_hosts = needed(
        "known_hosts",
        "/etc/watchfloor/known_hosts",
        "The file of the machines' public keys, in the form of OpenSSH; a machine that is not in it is not read.",
    );
    let paths = reader.texts(
        &key("paths"),
        &[],
        "Absolute paths on those machines; `*`, `?` and `[…]` are patterns.",
    );
    if paths.is_empty() {
        let hint = "for example paths = [\"/var/log/auth.log*\"]".to_owned();
        reader.complain(&key("paths"), "an ssh source needs at least one path".to_owned(), hint);
    }
    for path in paths.iter().filter(|path| !is_tame(path)) {
        let hint = "an absolute path of letters, digits and . _ - + = : , @ % ~ / * ? [ ]";
        let message = format!("{path:?} cannot be asked for");
        reader.complain(&key("paths"), message, hint.to_owned());
    }
    let from = [("start", From::Start), ("end", From::End)];
    SshSource {
        hosts: parsed,
        user,
        key_file: PathBuf::from(key_file),
        known_hosts: PathBuf::from(known_hosts),
        paths,
        from: reader
            .choice(&key("from"), "start", &from, "Where to begin in files never seen before.")
            .unwrap_or_default(),
        poll_min: reader.duration(
            &key("poll_min"),
            Duration::from_secs(5),
            "How often a machine is looked at whose files grow.",
        ),
        poll_max: reader.duration(
            &key("poll_max"),
            Duration::from_secs(300),
            "How often one is looked at whose files do not.",
        ),
        unless_folder: reader
            .optional_text(
                &key("unless_folder"),
                "Read only while this local folder is missing: the fallback for logs that are usually mounted or shipped here.",
            )
            .map(PathBuf::from),
    }
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':')?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Some(PORT), |port| port.parse().ok())?;
    (!host.is_empty() && !host.contains(char::is_whitespace)).then(|| (host.to_owned(), port))
}

/// What reaches the shell there as it is: nothing that it would run.
fn is_tame(path: &str) -> bool {
    path.starts_with('/')
        && path.chars().all(|c| c.is_ascii_alphanumeric() || "._-+=:,@%~/*?[]".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_ports_and_paths_hold_nothing_that_a_shell_runs() {
        assert_eq!(host_and_port("web01"), Some(("web01".to_owned(), 22)));
        assert_eq!(host_and_port("web01:2222"), Some(("web01".to_owned(), 2222)));
        assert_eq!(host_and_port("[::1]:2222"), Some(("::1".to_owned(), 2222)));
        assert_eq!(host_and_port("web01:ssh"), None);
        assert!(is_tame("/var/log/auth.log*"));
        for path in ["var/log", "/x;reboot", "/$(id)", "/a b", "/`id`", "/x'", "/x\n/y"] {
            assert!(!is_tame(path), "{path}");
        }
    }
}
