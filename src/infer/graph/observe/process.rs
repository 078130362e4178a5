//! Processes: starts with their parents, ends, one opening another, code put into another.

use crate::infer::graph::observation::{bit, bit_if};
use crate::infer::graph::observe::{Context, FIELDS};
use crate::infer::graph::processes::Named;
use crate::infer::graph::{EdgeFlag, EdgeKind, Facts, Flag, Slot};
use crate::infer::shape::text;
use crate::model::field;
use crate::model::platform::Platform;

/// Integrity levels from low to high.
const LEVELS: [Flag; 4] =
    [Flag::IntegrityLow, Flag::IntegrityMedium, Flag::IntegrityHigh, Flag::IntegritySystem];

/// A process started.
pub fn start(context: &mut Context<'_>) {
    let (platform, at_ms) = (context.platform, context.at_ms);
    let parent_image = match context.text(field::PROCESS_PARENT_EXECUTABLE) {
        "" => context.text(field::PROCESS_PARENT_NAME),
        path => path,
    };
    let parent = Named {
        entity: context.entity(field::PROCESS_PARENT_ENTITY_ID),
        pid: context.pid(field::PROCESS_PARENT_PID),
        image: parent_image,
        at_ms,
        start: false,
    };
    let child = Named {
        entity: context.entity(field::PROCESS_ENTITY_ID),
        pid: context.pid(field::PROCESS_PID),
        image: context.text(field::PROCESS_EXECUTABLE),
        at_ms,
        start: true,
    };
    let own_parent = (child.pid != 0 && child.pid == parent.pid)
        || (!child.entity.is_empty() && child.entity == parent.entity);
    let parent = if own_parent { None } else { context.process(parent) };
    let account = context.account();
    let account_key = if account.is_empty() { 0 } else { account.key() };
    let mut facts = own_facts(context);
    if !account.is_empty() {
        facts.flags |= account.facts().flags;
    }
    facts.set_if(own_parent, Flag::SelfParent);
    match context.session(None) {
        Some(Flag::LogonNetwork) => facts.set(Flag::SessionNetwork),
        Some(Flag::LogonRemote) => facts.set(Flag::SessionRemote),
        Some(Flag::LogonNewCredentials | Flag::LogonService) => facts.set(Flag::SessionOther),
        _ => {}
    }
    if let Some((_, key)) = parent {
        of_parent(context, key, account_key, &mut facts);
    }
    let shape = context.memo.path(platform, child.image).shape;
    let Some(known) = context.processes.see(child, &shape) else { return };
    // Another sensor may have told of this start already.
    let again = known.account != 0 || known.parent != 0;
    known.facts.join(&facts);
    if known.account == 0 {
        known.account = account_key;
    }
    if let Some((_, key)) = parent
        && known.parent == 0
        && key != known.key
    {
        known.parent = key;
    }
    let (key, mut seen) = (known.key, known.facts.clone());
    seen.set(Flag::StartedHere);
    let node = context.out.node(super::NodeKind::Process, key, seen);
    let flags = start_flags(&facts, &shape.facts, context.failed());
    if let Some((parent, _)) = parent
        && !again
    {
        context.out.edge(EdgeKind::Spawned, parent, node, flags);
    }
    if let Some(user) = context.user(account)
        && !again
    {
        context.out.edge(EdgeKind::Executed, user, node, flags);
    }
}

/// What the edges to a started process say.
fn start_flags(facts: &Facts, image: &Facts, failed: bool) -> u32 {
    bit_if(facts.has(Flag::TextEncoded), EdgeFlag::Encoded)
        | bit_if(image.has(Flag::PathUserWritable), EdgeFlag::UserWritable)
        | bit_if(facts.has(Flag::Elevated), EdgeFlag::Elevated)
        | bit_if(failed, EdgeFlag::Failed)
}

/// What the start says of the process alone.
fn own_facts(context: &Context<'_>) -> Facts {
    let line = context.text(field::PROCESS_COMMAND_LINE);
    let mut facts = text::command(context.platform, line);
    facts.set_if(line.is_empty(), Flag::TextMissing);
    match context.text(field::PROCESS_INTEGRITY) {
        "Low" | "Untrusted" => facts.set(Flag::IntegrityLow),
        "Medium" | "MediumPlus" => facts.set(Flag::IntegrityMedium),
        "High" => facts.set(Flag::IntegrityHigh),
        "System" | "Protected" => facts.set(Flag::IntegritySystem),
        _ => {}
    }
    facts.set_if(context.data(FIELDS.token_elevation) == "%%1937", Flag::Elevated);
    if context.platform == Platform::Linux {
        let login = context.text(field::USER_AUDIT_ID);
        let raised = context.text(field::USER_EFFECTIVE_ID) == "0"
            && !matches!(login, "" | "0" | "4294967295" | "-1" | "unset");
        facts.set_if(raised, Flag::Elevated);
    }
    let built = context.text(field::PROCESS_PE_ORIGINAL_FILE_NAME);
    let now = context.text(field::PROCESS_NAME);
    let differs = built.len() > 1 && !now.is_empty() && stem(built) != stem(now);
    facts.set_if(differs, Flag::NameDiffers);
    let unknown = matches!(context.text(field::PROCESS_PE_COMPANY), "?" | "-");
    facts.set_if(unknown, Flag::PublisherMissing);
    facts
}

fn stem(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let name = lower.strip_suffix(".mui").unwrap_or(&lower);
    name.split('.').next().unwrap_or_default().to_owned()
}

/// What it is beside its parent.
fn of_parent(context: &Context<'_>, parent: u64, account: u64, facts: &mut Facts) {
    let Some(known) = context.processes.get(parent) else { return };
    let above = known.facts.flags | context.processes.ancestors(parent);
    let any = |flag: Flag| above & (1 << flag as u8) != 0;
    facts.set_if(any(Flag::TextEncoded), Flag::AncestorEncoded);
    facts.set_if(any(Flag::PathUserWritable), Flag::AncestorUserWritable);
    let parent = known;
    facts.set_if(parent.started_ms == 0, Flag::ParentUnknown);
    let other = parent.account != 0 && account != 0 && parent.account != account;
    facts.set_if(other, Flag::ParentOtherAccount);
    facts.set_if(parent.facts.has(Flag::PathUserWritable), Flag::ParentUserWritable);
    let level = |facts: &Facts| LEVELS.iter().rposition(|level| facts.has(*level));
    let raised = level(facts).zip(level(&parent.facts)).is_some_and(|(own, its)| own > its);
    facts.set_if(raised, Flag::ParentRaised);
}

/// A process ended: noted, but no node of its own.
pub fn stop(context: &mut Context<'_>) {
    let named = Named {
        entity: context.entity(field::PROCESS_ENTITY_ID),
        pid: context.pid(field::PROCESS_PID),
        image: context.text(field::PROCESS_EXECUTABLE),
        at_ms: context.at_ms,
        start: false,
    };
    let at_ms = context.at_ms;
    let shape = context.memo.path(context.platform, named.image).shape;
    if let Some(known) = context.processes.see(named, &shape) {
        known.ended_ms = at_ms;
    }
}

/// The other process of an access or injection.
fn target(context: &mut Context<'_>) -> Option<usize> {
    let entity = match context.data(FIELDS.target_entity) {
        "" => context.data(FIELDS.target_entity_too),
        entity => entity,
    };
    let entity = entity.trim_matches(|c| c == '{' || c == '}').to_ascii_lowercase();
    let pid = context.number(FIELDS.target_pid).and_then(|pid| u32::try_from(pid).ok());
    let image = match context.data(FIELDS.target_image) {
        "" => context.data(FIELDS.object_name),
        image => image,
    };
    let (pid, at_ms) = (pid.unwrap_or(0), context.at_ms);
    let named = Named { entity: &entity, pid, image, at_ms, start: false };
    context.process(named).map(|(node, _)| node)
}

/// One process opened another.
pub fn access(context: &mut Context<'_>) {
    let Some(source) = context.subject() else { return };
    if context.platform == Platform::Linux {
        let node = context.act_node(Flag::ActKernel, Facts::default());
        return context.out.edge(EdgeKind::Performed, source, node, failed(context));
    }
    let Some(target) = target(context) else { return };
    let mask = context.number(FIELDS.granted_access).or(context.number(FIELDS.access_mask));
    let trace = context.data(FIELDS.call_trace);
    let flags = rights(mask.unwrap_or(0)) | traced(trace) | failed(context);
    if let Some(node) = context.out.nodes.get_mut(source) {
        node.facts.amount(
            Slot::TraceModules,
            if trace.is_empty() { 0 } else { trace.split('|').count() },
        );
    }
    context.out.edge(EdgeKind::Accessed, source, target, flags);
}

fn failed(context: &Context<'_>) -> u32 {
    bit_if(context.failed(), EdgeFlag::Failed)
}

/// The rights of a process access mask, in classes.
fn rights(mask: u64) -> u32 {
    let any = |bits: u64| mask & bits != 0;
    // Terminate, query, synchronise, read control.
    let harmless = mask != 0 && mask & !0x0012_1401 == 0;
    bit_if(harmless, EdgeFlag::AccessQuery)
        | bit_if(any(0x10), EdgeFlag::AccessRead)
        | bit_if(any(0x28), EdgeFlag::AccessWrite)
        | bit_if(any(0x2), EdgeFlag::AccessThread)
        | bit_if(any(0x40), EdgeFlag::AccessDuplicate)
        | bit_if(mask & 0x001f_0fff == 0x001f_0fff, EdgeFlag::AccessAll)
}

/// Where the call came from.
fn traced(trace: &str) -> u32 {
    let mut flags = 0;
    for module in trace.split('|').filter(|module| !module.is_empty()) {
        let lower = module.to_ascii_lowercase();
        if lower.starts_with("unknown") {
            flags |= bit(EdgeFlag::TraceUnknown);
        } else if !lower.contains(":\\windows\\") {
            flags |= bit(EdgeFlag::TraceForeign);
        } else if lower.contains("\\assembly\\nativeimages") || lower.contains("\\microsoft.net\\")
        {
            // Code that was translated at run time: neither the system's nor anybody's.
            flags |= bit(EdgeFlag::TraceForeign);
        }
    }
    flags
}

/// One process put code into another, or into itself.
pub fn inject(context: &mut Context<'_>) {
    let Some(source) = context.subject() else { return };
    let mut flags = bit(EdgeFlag::RemoteThread) | bit(EdgeFlag::AccessWrite);
    let module = context.data(FIELDS.start_module);
    flags |= bit_if(matches!(module, "" | "-"), EdgeFlag::TraceUnknown);
    match target(context) {
        Some(target) => context.out.edge(EdgeKind::Accessed, source, target, flags),
        None => {
            let node = context.act_node(Flag::ActKernel, Facts::default());
            context.out.edge(EdgeKind::Performed, source, node, flags);
        }
    }
}
