//! The shape of what events name: classes of paths, texts, addresses, registry keys and accounts. What is not a class of
//! the operating system or a standard is read through a mask in which every letter is alike, so that no name gets through.

pub mod account;
pub mod address;
pub mod memo;
pub mod path;
pub mod registry;
pub mod text;
