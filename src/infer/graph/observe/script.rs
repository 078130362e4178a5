//! Text that an interpreter ran: script blocks, commands of a pipeline, engines that start.

use crate::infer::graph::observation::bit_if;
use crate::infer::graph::observe::{Context, FIELDS};
use crate::infer::graph::{EdgeFlag, EdgeKind, Flag, NodeKind, hash};
use crate::infer::shape::text;
use crate::model::field;

/// A script was run.
pub fn run(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let block = context.text(field::POWERSHELL_SCRIPT_BLOCK_TEXT);
    let (flag, body) = if !block.is_empty() {
        (Flag::ScriptBlock, block)
    } else {
        match context.code() {
            400 | 403 | 600 | 40961 | 40962 => {
                (Flag::ScriptEngine, context.text(field::PROCESS_COMMAND_LINE))
            }
            _ => match context.text(field::POWERSHELL_COMMAND_VALUE) {
                "" => (Flag::ScriptCommand, context.data(FIELDS.payload)),
                value => (Flag::ScriptCommand, value),
            },
        }
    };
    let mut facts = text::script(context.platform, body);
    facts.set(flag);
    facts.label = hash(&[b"script", &[flag as u8], &facts.shape.to_le_bytes()]);
    // Commands of one shape are one node, whole scripts each their own.
    let key = match flag {
        Flag::ScriptBlock => hash(&[b"s", body.as_bytes()]),
        _ => hash(&[b"c", &[flag as u8], &facts.shape.to_le_bytes()]),
    };
    let flags = bit_if(facts.has(Flag::TextEncoded), EdgeFlag::Encoded)
        | bit_if(context.failed(), EdgeFlag::Failed);
    let node = context.out.node(NodeKind::Script, key, facts);
    context.out.edge(EdgeKind::Executed, subject, node, flags);
}
