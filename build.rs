//! Rebuilds after a change of the migrations, which are embedded in the binary.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
