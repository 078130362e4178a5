//! The network: connections either way, sockets that listen, names that are resolved.

use crate::infer::graph::observation::bit_if;
use crate::infer::graph::observe::{Context, FIELDS};
use crate::infer::graph::{EdgeFlag, EdgeKind, Flag, NodeKind, hash};
use crate::infer::shape::address;
use crate::model::field;

/// A connection was made, taken or refused.
pub fn connect(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    connect_as(context, subject);
}

/// The same for a process that is a node already.
pub fn connect_as(context: &mut Context<'_>, subject: usize) {
    let accepted = context.text(field::EVENT_ACTION) == "accepted-connection-from";
    let inbound = context.text(field::NETWORK_DIRECTION) == "ingress" || accepted;
    let (source, destination) =
        (context.text(field::SOURCE_IP), context.text(field::DESTINATION_IP));
    let port = port(context, field::DESTINATION_PORT);
    // Of what comes in, sensors name the far end as source, the filtering platform too.
    let (far, service) = if inbound { (source, port) } else { (destination, port) };
    if far.is_empty() {
        return;
    }
    let facts = address::far_end(far, service, inbound);
    let key = hash(&[b"n", far.as_bytes(), &service.to_le_bytes(), &[u8::from(inbound)]]);
    let node = context.out.node(NodeKind::Network, key, facts);
    let flags = bit_if(context.failed(), EdgeFlag::Failed) | bit_if(inbound, EdgeFlag::Inbound);
    context.out.edge(EdgeKind::ConnectedTo, subject, node, flags);
}

fn port(context: &Context<'_>, field: crate::model::field::FieldId) -> u16 {
    context.number(Some(field)).and_then(|port| u16::try_from(port).ok()).unwrap_or(0)
}

/// A socket listens, or was bound.
pub fn listen(context: &mut Context<'_>) {
    let Some(subject) = context.subject() else { return };
    let local = [field::SOURCE_PORT, field::SERVER_PORT, field::DESTINATION_PORT];
    let number =
        local.iter().map(|field| port(context, *field)).find(|port| *port != 0).unwrap_or(0);
    let mut facts = address::far_end("", number, true);
    facts.set(Flag::Listening);
    // High ports are handed out by chance: all are one node.
    let high = if address::port(number) == Flag::PortHigh { 0 } else { number };
    let key = hash(&[b"l", &high.to_le_bytes()]);
    let node = context.out.node(NodeKind::Network, key, facts);
    context.out.edge(
        EdgeKind::ConnectedTo,
        subject,
        node,
        bit_if(context.failed(), EdgeFlag::Failed),
    );
}

/// A name was asked for.
pub fn resolve(context: &mut Context<'_>) {
    let name = context.text(field::DNS_QUESTION_NAME);
    let Some(subject) = context.subject() else { return };
    if name.is_empty() {
        return;
    }
    let failed = context.number(FIELDS.query_status).is_some_and(|status| status != 0);
    let facts = address::name(name, failed);
    let key = hash(&[b"d", name.to_ascii_lowercase().as_bytes()]);
    let node = context.out.node(NodeKind::Network, key, facts);
    context.out.edge(EdgeKind::Resolved, subject, node, bit_if(failed, EdgeFlag::Failed));
}
