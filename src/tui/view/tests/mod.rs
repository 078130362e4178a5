//! The screens, driven by keys through the real keymap, looked at as text and as looks.

mod bundles;
mod endpoint;
mod fixture;
mod flows;
mod hostile;
mod judged;
mod sizes;
mod snapshots;
mod stage;
