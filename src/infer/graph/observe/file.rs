//! Files: written, deleted, loaded; named pipes; what is reached over a share.

use crate::infer::graph::observation::{bit, bit_if};
use crate::infer::graph::observe::{Context, FIELDS};
use crate::infer::graph::{EdgeFlag, EdgeKind, Facts, Flag, NodeKind, hash};
use crate::infer::shape::address;
use crate::infer::shape::text::collapse;
use crate::model::class::Class;
use crate::model::field;

/// Pipes of the system's own remote services: like ports, their names are their numbers.
const SERVICE_PIPES: &[&str] = &[
    "lsarpc",
    "samr",
    "netlogon",
    "lsass",
    "protected_storage",
    "svcctl",
    "ntsvcs",
    "atsvc",
    "srvsvc",
    "wkssvc",
    "browser",
    "spoolss",
    "eventlog",
    "winreg",
    "epmapper",
    "initshutdown",
    "trkwks",
    "router",
    "w32time",
];

/// A library or driver was loaded.
pub fn load(context: &mut Context<'_>) {
    let path = match context.text(field::DLL_PATH) {
        "" => context.text(field::FILE_PATH),
        path => path,
    };
    let subject = context.subject();
    if path.is_empty() {
        if let Some(subject) = subject {
            let node = context.act_node(Flag::ActKernel, Facts::default());
            context.out.edge(EdgeKind::Performed, subject, node, 0);
        }
        return;
    }
    let signed = context.data(FIELDS.signed);
    let status = context.text(field::DLL_SIGNATURE_STATUS);
    let bad = signed == "false" || !matches!(status, "" | "Valid");
    let good = signed == "true" && !bad;
    let file = context.file(path, |facts| {
        facts.set_if(good, Flag::Signed);
        facts.set_if(bad, Flag::SignatureBad);
    });
    let Some(subject) = subject else { return };
    let writable =
        context.out.nodes.get(file).is_some_and(|node| node.facts.has(Flag::PathUserWritable));
    let flags = bit_if(bad, EdgeFlag::Unsigned) | bit_if(writable, EdgeFlag::UserWritable);
    context.out.edge(EdgeKind::Loaded, subject, file, flags);
}

/// A file came, changed or went.
pub fn write(context: &mut Context<'_>) {
    let path = context.text(field::FILE_PATH);
    let Some(subject) = context.subject() else { return };
    if path.is_empty() {
        return;
    }
    write_as(context, subject, path, 0);
}

/// The same with facts that are known already.
pub fn write_as(context: &mut Context<'_>, subject: usize, path: &str, flags: u32) {
    let file = context.file(path, |_| {});
    let writable =
        context.out.nodes.get(file).is_some_and(|node| node.facts.has(Flag::PathUserWritable));
    let attributes = matches!(
        context.text(field::EVENT_ACTION),
        "changed-file-permissions-of"
            | "changed-file-ownership-of"
            | "file-creation-time-changed"
            | "changed-file-attributes-of"
            | "changed-timestamp-of"
    );
    let class = context.event.class;
    let linked = matches!(context.text(field::EVENT_ACTION), "linked" | "symlinked");
    let flags = flags
        | bit_if(class == Class::FileDelete, EdgeFlag::Deleted)
        | bit_if(class == Class::FileRename || linked, EdgeFlag::Renamed)
        | bit_if(attributes, EdgeFlag::Attributes)
        | bit_if(context.failed(), EdgeFlag::Failed)
        | bit_if(writable, EdgeFlag::UserWritable);
    context.out.edge(EdgeKind::Wrote, subject, file, flags);
}

/// A named pipe was made or used, here or from afar.
pub fn pipe(context: &mut Context<'_>) {
    let name = context.text(field::FILE_NAME).trim_start_matches('\\');
    let pipe = pipe_node(context, name);
    if context.data(FIELDS.share_name).is_empty() {
        let Some(subject) = context.subject() else { return };
        let made = context.code() == 17 || context.text(field::EVENT_ACTION) == "pipe-created";
        let kind = if made { EdgeKind::Wrote } else { EdgeKind::Accessed };
        return context.out.edge(kind, subject, pipe, 0);
    }
    from_afar(context, pipe, bit(EdgeFlag::AdminShare));
}

fn pipe_node(context: &mut Context<'_>, name: &str) -> usize {
    let lower = name.to_ascii_lowercase();
    let mut facts = Facts::default();
    facts.set(Flag::PathPipe);
    let service = SERVICE_PIPES.contains(&lower.as_str());
    // A service's pipe is the system's; any other is where anybody may make one.
    facts.set(if service { Flag::PathSystem } else { Flag::PathUserWritable });
    let anonymous = lower.starts_with('<') || lower.is_empty();
    let shown = if anonymous { String::new() } else { collapse(&lower) };
    facts.label = hash(&[b"pipe", &[u8::from(service)], shown.as_bytes()]);
    let key = hash(&[b"pipe", lower.as_bytes()]);
    context.out.node(NodeKind::File, key, facts)
}

/// A share, or a file on it, was used from another machine.
pub fn share(context: &mut Context<'_>) {
    let share = context.data(FIELDS.share_name);
    let path = context.text(field::FILE_PATH);
    let shown = if path.is_empty() { share } else { path };
    if shown.is_empty() {
        return;
    }
    let mask = context.number(FIELDS.access_mask).unwrap_or(0);
    let write = mask & 0x0005_0116 != 0; // write, append, attributes, delete, rights
    let flags =
        bit_if(share.ends_with('$'), EdgeFlag::AdminShare) | bit_if(write, EdgeFlag::AccessWrite);
    let file = context.file(shown, |facts| facts.set(Flag::PathShare));
    from_afar(context, file, flags);
}

/// Who from where used it.
fn from_afar(context: &mut Context<'_>, what: usize, flags: u32) {
    let flags = flags | bit(EdgeFlag::Inbound) | bit_if(context.failed(), EdgeFlag::Failed);
    let ip = context.text(field::SOURCE_IP);
    if !ip.is_empty() {
        let facts = address::far_end(ip, 445, true);
        let key = hash(&[b"n", ip.as_bytes(), b"in"]);
        let source = context.out.node(NodeKind::Network, key, facts);
        context.out.edge(EdgeKind::Accessed, source, what, flags);
    }
    if let Some(user) = context.user(context.account()) {
        context.out.edge(EdgeKind::Accessed, user, what, flags);
    }
}

/// A handle to a file, key or other object was asked for or used.
pub fn object(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let mask = context.number(FIELDS.access_mask).unwrap_or(0);
    let failed = bit_if(context.failed(), EdgeFlag::Failed);
    match context.data(FIELDS.object_type) {
        "Key" => {
            let node = super::registry::node(context, |_| {});
            let Some(node) = node else { return };
            let set = mask & 0x0005_0006 != 0; // set, make, delete, rights
            let kind = if set { EdgeKind::Set } else { EdgeKind::Read };
            context.out.edge(kind, subject, node, failed);
        }
        "File" => {
            let path = context.text(field::FILE_PATH);
            if path.is_empty() {
                return;
            }
            let file = context.file(path, |_| {});
            let write = mask & 0x0005_0116 != 0;
            let kind = if write { EdgeKind::Wrote } else { EdgeKind::Read };
            context.out.edge(kind, subject, file, failed);
        }
        "SERVICE OBJECT" | "SC_MANAGER OBJECT" => {
            let node = context.act_node(Flag::ActService, Facts::default());
            context.out.edge(EdgeKind::Accessed, subject, node, failed);
        }
        kind if kind.starts_with("SAM_") => {
            let node = context.act_node(Flag::ActDirectory, Facts::default());
            context.out.edge(EdgeKind::Accessed, subject, node, failed);
        }
        _ => {}
    }
}
