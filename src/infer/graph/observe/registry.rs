//! The registry: keys and values set or deleted.

use crate::infer::graph::observation::bit_if;
use crate::infer::graph::observe::Context;
use crate::infer::graph::{EdgeFlag, EdgeKind, Facts, Flag, NodeKind, hash};
use crate::infer::shape::{path, registry, text};
use crate::model::class::Class;
use crate::model::field;

/// A key or value was set or deleted.
pub fn set(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let data = context.text(field::REGISTRY_DATA);
    let command = registry::is_command(data);
    let platform = context.platform;
    let node = node(context, |facts| {
        if command {
            facts.set(Flag::RegData);
            let first = data.trim_start_matches('"').split(['"', ' ']).next().unwrap_or_default();
            facts.set_if(path::user_writable(platform, first), Flag::TextUserWritable);
            let label = facts.label;
            facts.join(&text::command(platform, data));
            facts.label = label;
        }
    });
    let Some(node) = node else { return };
    let writable =
        context.out.nodes.get(node).is_some_and(|node| node.facts.has(Flag::TextUserWritable));
    let flags = bit_if(context.event.class == Class::RegistryDelete, EdgeFlag::Deleted)
        | bit_if(context.failed(), EdgeFlag::Failed)
        | bit_if(writable, EdgeFlag::UserWritable);
    context.out.edge(EdgeKind::Set, subject, node, flags);
}

/// The key of the event as a node.
pub fn node(context: &mut Context<'_>, more: impl FnOnce(&mut Facts)) -> Option<usize> {
    let key = match context.text(field::REGISTRY_KEY) {
        "" => context.text(field::REGISTRY_PATH),
        key => key,
    };
    if key.is_empty() {
        return None;
    }
    let hive = context.text(field::REGISTRY_HIVE);
    let mut facts = registry::shape(hive, key);
    more(&mut facts);
    let lower = key.to_ascii_lowercase();
    let key = hash(&[b"r", hive.as_bytes(), lower.as_bytes()]);
    Some(context.out.node(NodeKind::Registry, key, facts))
}
