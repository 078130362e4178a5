//! Tells Cargo that the program embeds these folders: without it a changed rule or mapping alone would not be built in.

fn main() {
    for folder in ["config", "keymaps", "themes"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
