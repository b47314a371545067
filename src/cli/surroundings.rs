//! Reads the process's environment, once, and makes of it what a Java program would see: `${env:…}` and `${sys:…}`.

use crate::clock::SystemClock;
use crate::config::surroundings::Surroundings;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The environment, and Java's system properties of this process as `-D` changes them. Where a name is defined twice the
/// last counts.
pub(crate) fn gather(defines: &[(String, String)]) -> Surroundings {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut properties = of_the_process(&environment);
    properties.extend(defines.iter().cloned());
    Surroundings { environment, properties, now_ms: SystemClock::shared().wall_ms() }
}

fn of_the_process(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let (user, home) = account(&passwd, rustix::process::getuid().as_raw(), environment);
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let os = if cfg!(target_os = "linux") { "Linux" } else { std::env::consts::OS };
    let pairs = [
        ("user.name", user.as_str()),
        ("user.home", home.as_str()),
        ("user.dir", &directory.to_string_lossy()),
        ("os.name", os),
        ("java.io.tmpdir", "/tmp"),
        ("file.separator", "/"),
        ("path.separator", ":"),
        ("line.separator", "\n"),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Name and home of the user, as the JVM finds them: from the accounts, and only where there is none from the environment.
fn account(passwd: &str, uid: u32, environment: &BTreeMap<String, String>) -> (String, String) {
    let uid = uid.to_string();
    let mut accounts = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = accounts.find(|fields| fields.get(2).is_some_and(|field| **field == uid));
    let field = |index: usize, variable: &str| {
        let of_account = own.as_ref().and_then(|fields| fields.get(index)).copied();
        let of_account = of_account.filter(|text| !text.is_empty());
        of_account
            .or_else(|| environment.get(variable).map(String::as_str))
            .unwrap_or("?")
            .to_owned()
    };
    (field(0, "USER"), field(5, "HOME"))
}

#[cfg(test)]
mod tests {
    use super::{account, gather};
    use std::collections::BTreeMap;

    #[test]
    fn home_is_the_accounts_as_in_java_and_the_environments_only_without_one() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nflume:x:7:7::/var/lib/flume:/bin/false\n";
        let environment =
            BTreeMap::from([("HOME".into(), "/elsewhere".into()), ("USER".into(), "u".into())]);
        assert_eq!(account(passwd, 7, &environment), ("flume".into(), "/var/lib/flume".into()));
        assert_eq!(account(passwd, 8, &environment), ("u".into(), "/elsewhere".into()));
        assert_eq!(account("", 8, &BTreeMap::new()), ("?".into(), "?".into()));
    }

    #[test]
    fn a_define_wins_over_what_the_process_has() {
        let define = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let all = gather(&[define("os.name", "x"), define("a", "1"), define("a", "2")]);
        assert_eq!((all.property("os.name"), all.property("a")), (Some("x"), Some("2")));
        assert_eq!(all.property("file.separator"), Some("/"));
    }
}
