//! The screens, driven by keys through the real keymap, looked at as text and as looks.

mod bundles;
mod fixture;
mod flows;
mod hostile;
mod sizes;
mod snapshots;
mod stage;
