//! `tailwater version`: five lines, as Flume's.

use super::{Exit, print};
use std::io;

/// The version of Flume that this one is held against.
pub(crate) const FLUME: &str = "1.11.0";

/// Prints the version; `name` is what the program calls itself.
pub(crate) fn run(name: &str) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    let first = match name {
        "Flume" => format!("Flume {FLUME} (as Tailwater {version})"),
        name => format!("{name} {version} (compatible with Apache Flume {FLUME})"),
    };
    let revision = option_env!("TAILWATER_REVISION").unwrap_or("Unknown");
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    let text = format!(
        "{first}\n\
         Source code licence: {}\n\
         Revision: {revision}\n\
         Compiled for {os} on {arch}, {profile} build\n\
         With librdkafka {librdkafka}\n",
        env!("CARGO_PKG_LICENSE"),
    );
    print(&mut io::stdout(), &text);
    Exit::Done
}
