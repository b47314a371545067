//! What stands before the colon of a reference: `env:`, `sys:`, `java:`, `date:`.

use super::{Failure, date};
use crate::config::surroundings::Surroundings;

/// With this value of `propertiesImplementation`, names without a prefix are environment variables too.
const ENVIRONMENT_INSTEAD: &str = "org.apache.flume.node.EnvVarResolverProperties";

/// The lookups that have a prefix.
pub(super) struct Prefixed<'a> {
    surroundings: &'a Surroundings,
}

impl<'a> Prefixed<'a> {
    pub(super) fn new(surroundings: &'a Surroundings) -> Self {
        Self { surroundings }
    }

    /// What `prefix:name` stands for. Prefixes may be in any case.
    pub(super) fn get(&self, prefix: &str, name: &str) -> Result<Option<String>, Failure> {
        let given = self.surroundings;
        match prefix.to_lowercase().as_str() {
            "env" => Ok(given.variable(name).map(str::to_owned)),
            "sys" => Ok(given.property(name).map(str::to_owned)),
            "java" => self.java(name),
            "date" => date::format(name, given.now_ms).map(Some).map_err(|letter| {
                Failure::Lookup(format!(
                    "`${{date:{name}}}`: `{letter}` is no letter of a date pattern"
                ))
            }),
            _ => Ok(None),
        }
    }

    /// What a name without a result is when it is no key either.
    pub(super) fn instead_of_key(&self, name: &str) -> Option<String> {
        let wanted = self.surroundings.property("propertiesImplementation");
        (wanted == Some(ENVIRONMENT_INSTEAD))
            .then(|| self.surroundings.variable(name).map(str::to_owned))
            .flatten()
    }

    /// What Java says about itself. There is none here: what depends on it has no value unless `-D` gives its parts.
    fn java(&self, name: &str) -> Result<Option<String>, Failure> {
        let part = |name: &str| self.surroundings.property(name);
        let all = |names: &[&str]| names.iter().map(|name| part(name)).collect::<Option<Vec<_>>>();
        Ok(match name {
            "version" => part("java.version").map(|version| format!("Java version {version}")),
            "runtime" => all(&["java.runtime.name", "java.runtime.version", "java.vendor"])
                .map(|parts| format!("{} (build {}) from {}", parts[0], parts[1], parts[2])),
            "vm" => all(&["java.vm.name", "java.vm.version", "java.vm.info"])
                .map(|parts| format!("{} (build {}, {})", parts[0], parts[1], parts[2])),
            "os" => all(&["os.name", "os.version", "os.arch"])
                .map(|parts| format!("{} {}, architecture: {}-64", parts[0], parts[1], parts[2])),
            "hardware" => part("os.arch").map(|arch| {
                let processors = std::thread::available_parallelism().map_or(1, usize::from);
                format!("processors: {processors}, architecture: {arch}-64")
            }),
            "locale" => all(&["user.language", "user.country", "file.encoding"]).map(|parts| {
                format!(
                    "default locale: {}_{}, platform encoding: {}",
                    parts[0], parts[1], parts[2]
                )
            }),
            other => {
                return Err(Failure::Lookup(format!(
                    "`${{java:{other}}}`: `java:` knows no `{other}`"
                )));
            }
        })
    }
}
