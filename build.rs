//! Makes a build notice a new migration: the files are embedded in the binary.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
