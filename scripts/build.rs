//! How the program is linked: what must be moved to where it was loaded is kept as a list of bits instead of 24 bytes for
//! each place. The loader reads that list at every start, so that it is memory of every running agent: 2 MB of 14.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is how cargo speaks and is spoken to"
)]

fn main() {
    println!("cargo::rerun-if-changed=scripts/build.rs");
    let target = |what| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // A linker that does not know the option (binutils before 2.38) passes it over.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
