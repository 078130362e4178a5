//! What the author of a rule asks: do its tests pass, why did it hold or not, what does it cover, what would it have
//! said, what does it cost. Everything here reads files or the store and changes nothing.

pub mod backtest;
pub mod coverage;
pub mod explain;
pub mod find;
pub mod forecast;
pub mod noise;
pub mod profile;
pub mod test;
