//! Records of the Linux audit system: a line ([`line`]), its fields decoded ([`record`]), records assembled into
//! events ([`assemble`]), events in ECS ([`event`]).

pub mod assemble;
pub mod auoms;
pub mod classify;
pub mod command;
pub mod event;
pub mod fields;
pub mod kinds;
pub mod line;
pub mod names;
pub mod paths;
pub mod processes;
pub mod record;
pub mod saddr;
pub mod tables;
pub mod users;
