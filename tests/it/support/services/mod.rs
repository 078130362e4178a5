//! Real servers for tests, by the scripts in `tests/services`.

pub mod postgres;
