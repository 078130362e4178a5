//! Layer 0: what every stage needs and none owns: time, ids, limits, queues, tasks, the field interner.

pub mod api_key;
pub mod cursor;
pub mod gauges;
pub mod id;
pub mod intern;
pub mod kafka;
pub mod limits;
pub mod mark;
pub mod pool;
pub mod queue;
pub mod signature;
pub mod stop;
pub mod task;
pub mod ticket;
pub mod time;
pub mod yaml;
