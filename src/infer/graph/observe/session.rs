//! Accounts and acts: log-ins, rights, services, tasks, logs, the directory, management instrumentation.

use crate::infer::graph::observation::{bit, bit_if};
use crate::infer::graph::observe::{Context, FIELDS, file};
use crate::infer::graph::{EdgeFlag, EdgeKind, Facts, Flag, NodeKind, Slot, hash};
use crate::infer::shape::account::Account;
use crate::infer::shape::{address, text};
use crate::model::class::Class;
use crate::model::field;
use crate::model::platform::Platform;

/// Rights that lead to all others.
const SENSITIVE: &[&str] = &[
    "SeDebugPrivilege",
    "SeTcbPrivilege",
    "SeLoadDriverPrivilege",
    "SeTakeOwnershipPrivilege",
    "SeBackupPrivilege",
];

/// Somebody logged on, or failed to.
pub fn logon(context: &mut Context<'_>) {
    let failed = context.event.class == Class::LogonFailure || context.failed();
    let explicit = context.code() == 4648;
    let account = if explicit {
        Account {
            id: context.text(field::USER_TARGET_ID),
            name: context.text(field::USER_TARGET_NAME),
            domain: context.text(field::USER_TARGET_DOMAIN),
        }
    } else {
        context.account()
    };
    if account.is_empty() {
        return;
    }
    let mut facts = account.facts();
    let kind = kind(context);
    if let Some(kind) = kind {
        facts.set(kind);
        if !failed {
            context.session(Some(kind));
        }
    }
    facts.set_if(failed, Flag::LogonFailed);
    let ntlm = context.code() == 4776 || context.data(FIELDS.auth_package).contains("NTLM");
    facts.set_if(ntlm, Flag::LogonNtlm);
    let weak = matches!(context.number(FIELDS.ticket_encryption), Some(1 | 3 | 0x17 | 0x18));
    facts.set_if(weak, Flag::WeakCrypto);
    let elevated = context.data(FIELDS.elevated_token) == "%%1842";
    let user = context.out.node(NodeKind::User, account.key(), facts);
    let flags = bit_if(failed, EdgeFlag::Failed)
        | bit_if(explicit, EdgeFlag::Explicit)
        | bit_if(elevated, EdgeFlag::Elevated);
    let mut source = None;
    let ip = context.text(field::SOURCE_IP);
    if !ip.is_empty() {
        let port = if context.platform == Platform::Linux { 22 } else { 0 };
        let facts = address::far_end(ip, port, true);
        let key = hash(&[b"n", ip.as_bytes(), b"in"]);
        source = Some(context.out.node(NodeKind::Network, key, facts));
    }
    let flags = flags | bit_if(source.is_some(), EdgeFlag::Inbound);
    let source = source.or_else(|| context.subject());
    if let Some(source) = source {
        context.out.edge(EdgeKind::LoggedOn, source, user, flags);
    }
}

/// The way of logging on.
fn kind(context: &Context<'_>) -> Option<Flag> {
    match context.number(Some(field::WINLOG_LOGON_TYPE)) {
        Some(2 | 7 | 11 | 13) => Some(Flag::LogonInteractive),
        Some(3 | 8) => Some(Flag::LogonNetwork),
        Some(0 | 4 | 5) => Some(Flag::LogonService),
        Some(9) => Some(Flag::LogonNewCredentials),
        Some(10 | 12) => Some(Flag::LogonRemote),
        _ if context.platform == Platform::Linux => {
            let ssh = context.text(field::NETWORK_PROTOCOL) == "ssh"
                || context.event.has(field::SOURCE_IP);
            Some(if ssh { Flag::LogonRemote } else { Flag::LogonInteractive })
        }
        _ => None,
    }
}

/// Rights were used or given.
pub fn privilege(context: &mut Context<'_>) {
    if context.text(field::EVENT_ACTION) == "changed-identity-of" {
        return super::linux::identity(context);
    }
    let list = match context.data(FIELDS.privileges) {
        "" => context.data(FIELDS.enabled_privileges),
        list => list,
    };
    let mut facts = match context.platform {
        Platform::Linux => {
            text::command(context.platform, context.text(field::PROCESS_COMMAND_LINE))
        }
        Platform::Windows => Facts::default(),
    };
    facts.amount(Slot::Privileges, list.split_ascii_whitespace().count());
    facts.set_if(SENSITIVE.iter().any(|right| list.contains(right)), Flag::ActSensitive);
    perform(context, Flag::ActPrivilege, facts, 0);
}

/// An act whose kind says everything.
pub fn act(context: &mut Context<'_>, act: Flag) {
    perform(context, act, Facts::default(), 0);
}

/// Who did it: the process, else the account, else a caller from afar.
fn perform(context: &mut Context<'_>, act: Flag, facts: Facts, flags: u32) {
    let flags = flags | bit_if(context.failed(), EdgeFlag::Failed);
    let windows = context.platform == Platform::Windows;
    // Log-in daemons of Linux name themselves in every line: the account did it.
    let subject =
        if windows || context.event.has(field::AUDITD_TYPE) { context.subject() } else { None };
    let user = context.user(context.account());
    let node = context.act_node(act, facts);
    for doer in [subject, user].into_iter().flatten() {
        context.out.edge(EdgeKind::Performed, doer, node, flags);
    }
    if subject.is_none() && user.is_none() {
        let ip = context.text(field::SOURCE_IP);
        if !ip.is_empty() {
            let key = hash(&[b"n", ip.as_bytes(), b"in"]);
            let facts = address::far_end(ip, 0, true);
            let source = context.out.node(NodeKind::Network, key, facts);
            context.out.edge(EdgeKind::Performed, source, node, flags | bit(EdgeFlag::Inbound));
        }
    }
}

/// A service was installed: its command is what it will run.
pub fn service(context: &mut Context<'_>) {
    let command = match context.data(FIELDS.image_path) {
        "" => context.data(FIELDS.service_file),
        path => path,
    };
    let mut facts = text::command(context.platform, command);
    let program = command.trim_start_matches('"').split(['"', ' ']).next().unwrap_or_default();
    let path = context.memo.facts(context.platform, program);
    facts.flags |= path.flags;
    let writable = bit_if(path.has(Flag::PathUserWritable), EdgeFlag::UserWritable);
    perform(context, Flag::ActService, facts, writable);
}

/// A task was made, changed or run.
pub fn task(context: &mut Context<'_>) {
    let facts = match context.data(FIELDS.task_content) {
        "" => text::command(context.platform, context.text(field::PROCESS_COMMAND_LINE)),
        content => {
            let part = |tag: &str| {
                let after = content.split_once(&format!("<{tag}>"))?.1;
                Some(after.split_once('<')?.0)
            };
            let command = part("Command").unwrap_or_default();
            let mut facts = text::script(context.platform, part("Arguments").unwrap_or_default());
            facts.flags |= context.memo.facts(context.platform, command).flags;
            facts
        }
    };
    perform(context, Flag::ActTask, facts, 0);
}

/// Windows events of no class of their own that still tell of an act.
pub fn other(context: &mut Context<'_>) {
    let channel = context.text(field::WINLOG_CHANNEL);
    let code = context.code();
    match (channel, code) {
        ("Security", 5140 | 5142..=5145) => file::share(context),
        ("Security", 4656 | 4661 | 4663 | 4670) => file::object(context),
        ("Security", 4662 | 5136..=5139 | 5141 | 4928..=4937) => {
            let mask = context.number(FIELDS.access_mask).unwrap_or(0);
            let flags = bit_if(mask & 0x100 != 0, EdgeFlag::Extended);
            perform(context, Flag::ActDirectory, Facts::default(), flags);
        }
        ("Security", 4798 | 4799) => act(context, Flag::ActListing),
        (
            "Security",
            4715 | 4719 | 4902..=4908 | 4912 | 4944..=4958 | 5024..=5037 | 5446..=5450,
        ) => {
            act(context, Flag::ActPolicy);
        }
        ("System", 16962..=16969) => act(context, Flag::ActDirectory),
        ("System", 7040) => act(context, Flag::ActService),
        (_, 9) if channel.contains("Sysmon") => raw_read(context),
        (_, 19..=21) if channel.contains("Sysmon") => {
            let body = match context.data(FIELDS.consumer) {
                "" => context.data(FIELDS.query),
                body => body,
            };
            let facts = text::script(context.platform, body);
            perform(context, Flag::ActWmi, facts, 0);
        }
        (_, 5857) if channel.contains("WMI-Activity") => {
            file::load(context);
        }
        (_, 5858..=5861) if channel.contains("WMI-Activity") => act(context, Flag::ActWmi),
        (_, 2002..=2099) if channel.contains("Firewall") => act(context, Flag::ActPolicy),
        (_, 3 | 59) if channel.contains("Bits") => act(context, Flag::ActOther),
        _ => {}
    }
}

/// A disk was read past the file system.
fn raw_read(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let node = context.act_node(Flag::ActKernel, Facts::default());
    context.out.edge(EdgeKind::Read, subject, node, 0);
}
