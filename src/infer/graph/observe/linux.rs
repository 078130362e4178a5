//! Linux: system calls that have no class of their own, changes of identity, sessions.

use crate::infer::graph::observation::{bit, bit_if};
use crate::infer::graph::observe::{Context, FIELDS, file, network, session};
use crate::infer::graph::{EdgeFlag, EdgeKind, Facts, Flag, NodeKind, hash};
use crate::model::field;

/// A system call of class `syscall`: those that failed, and those that are nothing else.
pub fn syscall(context: &mut Context<'_>) {
    let action = context.text(field::EVENT_ACTION);
    let act = match action {
        "executed" => return failed_exec(context),
        "connected-to" | "sent-to" | "accepted-connection-from" => return socket(context),
        "bound-socket" => return network_bind(context),
        "forked" => Flag::ActFork,
        "killed-pid" => Flag::ActSignal,
        "changed-identity-of" => return identity(context),
        "changed-namespace-of"
        | "changed-root-of"
        | "mounted"
        | "unmounted"
        | "loaded-kernel-module"
        | "unloaded-kernel-module"
        | "bpf-program"
        | "traced-process"
        | "wrote-process-memory"
        | "allowed-tracing"
        | "created-memory-file"
        | "used-kernel-keys" => Flag::ActKernel,
        "changed-system-time" | "changed-system-name" | "rebooted-system" | "changed-system" => {
            Flag::ActOther
        }
        "changed-memory-of"
        | "adjusted-scheduling-policy-of"
        | "opened-socket"
        | "changed-socket"
        | "closed-connection"
        | "received-from"
        | "checked-metadata-of"
        | "changed-directory-of"
        | "checked-filesystem-metadata-of" => return,
        _ => {
            let path = context.text(field::FILE_PATH);
            let Some(subject) = context.subject() else { return };
            if !path.is_empty() {
                file::write_as(context, subject, path, mode(context));
            }
            return;
        }
    };
    let Some(subject) = context.subject() else { return };
    let node = context.act_node(act, Facts::default());
    let flags = bit_if(context.failed(), EdgeFlag::Failed);
    context.out.edge(EdgeKind::Performed, subject, node, flags);
}

/// A mode that lets a file run with its owner's rights.
fn mode(context: &Context<'_>) -> u32 {
    if context.text(field::EVENT_ACTION) != "changed-file-permissions-of" {
        return 0;
    }
    let hex = |field| u32::from_str_radix(context.data(field), 16).ok();
    let mode = match context.text(field::AUDITD_SYSCALL) {
        "fchmodat" | "fchmodat2" => hex(FIELDS.mode_at),
        _ => hex(FIELDS.mode),
    };
    bit_if(mode.is_some_and(|mode| mode & 0o6000 != 0 && mode < 0o10000), EdgeFlag::Elevated)
}

fn failed_exec(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let path = context.text(field::FILE_PATH);
    if path.is_empty() {
        return;
    }
    let node = context.file(path, |_| {});
    context.out.edge(EdgeKind::Executed, subject, node, bit(EdgeFlag::Failed));
}

/// A socket that is not of the internet, or a connection that failed.
fn socket(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let path = context.data(FIELDS.socket_path);
    if path.is_empty() {
        return network::connect_as(context, subject);
    }
    let node = context.file(path, |facts| facts.set(Flag::PathPipe));
    let flags = bit_if(context.failed(), EdgeFlag::Failed);
    context.out.edge(EdgeKind::Accessed, subject, node, flags);
}

fn network_bind(context: &mut Context<'_>) {
    if context.event.has(field::SOURCE_PORT) || context.event.has(field::DESTINATION_PORT) {
        return network::listen(context);
    }
    let path = context.data(FIELDS.socket_path);
    let Some(subject) = context.subject() else { return };
    if !path.is_empty() {
        let node = context.file(path, |facts| facts.set(Flag::PathPipe));
        context.out.edge(EdgeKind::Wrote, subject, node, 0);
    }
}

/// A process changed its user or group.
pub fn identity(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let to_root =
        context.text(field::USER_EFFECTIVE_ID) == "0" && context.text(field::USER_ID) != "0";
    let mut facts = Facts::default();
    facts.set_if(to_root, Flag::ActSensitive);
    let node = context.act_node(Flag::ActIdentity, facts);
    let flags = bit_if(context.failed(), EdgeFlag::Failed) | bit_if(to_root, EdgeFlag::Elevated);
    context.out.edge(EdgeKind::Performed, subject, node, flags);
}

/// Events of no class: sessions that began.
pub fn other(context: &mut Context<'_>) {
    match context.text(field::EVENT_ACTION) {
        "started-session" | "session_opened" => {}
        "changed-login-id-to" => return session::act(context, Flag::ActIdentity),
        "changed-audit-configuration" | "changed-audit-feature" => {
            return session::act(context, Flag::ActPolicy);
        }
        _ => return,
    }
    let account = context.account();
    if account.is_empty() {
        return;
    }
    let ip = context.text(field::SOURCE_IP);
    let mut facts = account.facts();
    if !ip.is_empty() {
        facts.set(Flag::LogonRemote);
        context.session(Some(Flag::LogonRemote));
    }
    let user = context.out.node(NodeKind::User, account.key(), facts);
    let source = if ip.is_empty() {
        context.subject()
    } else {
        let key = hash(&[b"n", ip.as_bytes(), b"in"]);
        let facts = crate::infer::shape::address::far_end(ip, 22, true);
        Some(context.out.node(NodeKind::Network, key, facts))
    };
    if let Some(source) = source {
        context.out.edge(EdgeKind::LoggedOn, source, user, 0);
    }
}
