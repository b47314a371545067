//! The options of the long-running commands: Flume's, the script's before them, and our own behind them. Help is made of the
//! same tables that reading is.

use super::commons_cli::OptionSpec;
use std::fmt::Write as _;

const fn flumes(
    short: Option<&'static str>,
    long: &'static str,
    argument: Option<&'static str>,
    about: &'static str,
) -> OptionSpec {
    OptionSpec { short, long, argument, about, flumes: true }
}

const fn ours(
    long: &'static str,
    argument: Option<&'static str>,
    about: &'static str,
) -> OptionSpec {
    OptionSpec { short: None, long, argument, about, flumes: false }
}

/// Of `agent` and `consumer`.
pub(crate) static AGENT: &[OptionSpec] = &[
    flumes(Some("n"), "name", Some("name"), "the name of this agent, as in the file (required)"),
    flumes(
        Some("f"),
        "conf-file",
        Some("file"),
        "a config file; given several times, merged in order",
    ),
    flumes(
        Some("u"),
        "conf-uri",
        Some("uri"),
        "a config's URI (file: or classpath:); -f does not count then",
    ),
    flumes(
        Some("i"),
        "poll-interval",
        Some("seconds"),
        "between two looks at the file (30; negative: none)",
    ),
    flumes(
        Some("b"),
        "backup-directory",
        Some("dir"),
        "where to keep a copy of the config in force",
    ),
    flumes(None, "no-reload-conf", None, "do not reload the config when it changes"),
    flumes(Some("user"), "conf-user", Some("user"), "user for a config from http(s)"),
    flumes(Some("pwd"), "conf-password", Some("password"), "password for a config from http(s)"),
    flumes(Some("a"), "auth-provider", Some("class"), "refused: no Java class can be loaded"),
    flumes(Some("prov"), "conf-provider", Some("class"), "refused: no Java class can be loaded"),
    flumes(
        Some("z"),
        "zkConnString",
        Some("hosts"),
        "refused: a config is not read from ZooKeeper",
    ),
    flumes(Some("p"), "zkBasePath", Some("path"), "refused with -z"),
    flumes(Some("h"), "help", None, "this text"),
    ours("status-port", Some("port"), "port of the status page on 127.0.0.1 (a free one)"),
    ours(
        "pid-file",
        Some("file"),
        "where to write the process id; its status address lies beside it",
    ),
    ours("status-file", Some("file"), "where to write the address of the status page"),
    ours(
        "drain-seconds",
        Some("seconds"),
        "how long a stop may take to deliver what is in flight (10)",
    ),
];

/// The help of a long-running command.
pub(crate) fn help(command: &str, options: &[OptionSpec]) -> String {
    let mut text = format!("Usage: tailwater {command} -n NAME -f FILE [options]\n\nOptions:\n");
    let line = |text: &mut String, option: &str, about: &str| {
        writeln!(text, "  {option:<34} {about}").expect("a String takes it");
    };
    for option in options {
        let argument = option.argument.map(|a| format!(" <{a}>")).unwrap_or_default();
        line(&mut text, &format!("{option}{argument}"), option.about);
    }
    text.push_str("\nTaken as flume-ng takes them:\n");
    line(
        &mut text,
        "-c,--conf <dir>",
        "the directory of flume.opts; flume-env.sh is read by scripts/flume-ng",
    );
    line(
        &mut text,
        "-D<name>=<value>",
        "a system property: ${sys:name}, flume.monitoring.*, flume.root.logger",
    );
    line(
        &mut text,
        "-Xmx<size>",
        "bounds memory channels; other -X… are accepted and have no meaning",
    );
    line(
        &mut text,
        "-C,--classpath, --plugins-path",
        "accepted; there are no Java classes to load",
    );
    text.push_str(
        "\nSignals: TERM and INT stop and deliver what is in flight (a second one ends at once); HUP reloads.\n\
         Exit status: 0 stopped on request, 1 failed, 2 wrong usage or nothing to start.\n",
    );
    text
}
