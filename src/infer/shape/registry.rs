//! Registry keys by class. The classes are what the operating system does with a key; values and names below are not read.

use crate::infer::graph::{Facts, Flag, Slot, hash};
use crate::infer::shape::text::collapse;

/// Parts of lower-case keys and the class they make. The first that fits counts.
const CLASSES: &[(Flag, &[&str])] = &[
    (
        Flag::RegHijack,
        &[
            "image file execution options",
            "appinit_dlls",
            "silentprocessexit",
            "appcertdlls",
            "\\knowndlls",
        ],
    ),
    (
        Flag::RegAutostart,
        &[
            "currentversion\\run",
            "currentversion\\policies\\explorer\\run",
            "winlogon",
            "active setup",
            "session manager",
            "userinit",
            "\\load",
            "currentversion\\explorer\\shell folders",
            "currentversion\\explorer\\user shell folders",
            "schedule\\taskcache",
            "command processor",
            "\\environment",
        ],
    ),
    (
        Flag::RegLogging,
        &[
            "eventlog",
            "\\wmi\\autologger",
            "winevt",
            "\\control\\minint",
            "scriptblocklogging",
            "modulelogging",
            "transcription",
        ],
    ),
    (
        Flag::RegSecurity,
        &[
            "\\control\\lsa",
            "securityproviders",
            "\\sam\\",
            "hklm\\sam",
            "hklm\\security",
            "\\security\\policy",
            "credential",
            "\\authentication\\",
            "windows defender",
            "safeboot",
            "\\terminal server",
            "uac",
        ],
    ),
    (Flag::RegTrust, &["systemcertificates", "\\cryptography", "\\wintrust", "trustedpublisher"]),
    (
        Flag::RegNetwork,
        &[
            "\\tcpip",
            "firewall",
            "internet settings",
            "\\networklist",
            "\\netbt",
            "\\winsock",
            "lanman",
            "\\dhcp",
            "\\dnscache",
            "\\network\\",
            "zonemap",
        ],
    ),
    (Flag::RegService, &["\\services\\", "\\control\\class\\", "\\enum\\"]),
    (Flag::RegPolicy, &["\\policies", "group policy", "\\policymanager"]),
    (Flag::RegClass, &["\\classes\\", "\\clsid", "hkcr\\", "_classes", "\\fileexts"]),
    (
        Flag::RegShell,
        &[
            "\\explorer\\",
            "\\shell\\",
            "\\bagmru",
            "\\bags\\",
            "\\notifications",
            "\\appcompatflags",
            "\\bam\\",
            "\\muicache",
        ],
    ),
];

/// Parts of a key that its label keeps.
const LABEL_PARTS_MAX: usize = 8;

/// The shape of a key (with or without the value's name at its end).
pub fn shape(hive: &str, path: &str) -> Facts {
    let mut facts = Facts::default();
    let lower = path.to_ascii_lowercase().replace('/', "\\");
    let class = CLASSES.iter().find(|(_, parts)| parts.iter().any(|part| lower.contains(part)));
    let class = class.map_or(Flag::RegOther, |(flag, _)| *flag);
    facts.set(class);
    let hive = hive.to_ascii_lowercase();
    let user =
        hive == "hku" || hive == "hkcu" || lower.starts_with("hku") || lower.starts_with("hkcu");
    facts.set_if(user, Flag::RegUserHive);
    facts.amount(Slot::PathDepth, lower.split('\\').count());
    facts.label = hash(&[b"reg", &[class as u8, u8::from(user)], normal(&lower, user).as_bytes()]);
    facts
}

/// Without accounts, GUIDs and numbers.
fn normal(lower: &str, user: bool) -> String {
    let mut out = String::with_capacity(lower.len());
    for part in lower.split('\\').skip(if user { 2 } else { 0 }).take(LABEL_PARTS_MAX) {
        if part.starts_with('{') || part.starts_with("s-1-") {
            out.push('*');
        } else {
            out.push_str(&collapse(part));
        }
        out.push('\\');
    }
    out
}

/// Does what was set look like a path or a command?
pub fn is_command(data: &str) -> bool {
    let data = data.trim_start_matches('"');
    data.get(1..3) == Some(":\\")
        || data.starts_with("\\\\")
        || data.starts_with('%')
        || (data.contains(' ') && data.contains(".") && data.len() > 12)
}
