//! Builds again when a migration changes: the macro that compiles them in cannot say so itself.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
