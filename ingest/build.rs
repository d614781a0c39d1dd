//! Builds anew when a file is added to the pages: what is embedded is read when the macro runs.

fn main() {
    println!("cargo:rerun-if-changed=pages");
}
