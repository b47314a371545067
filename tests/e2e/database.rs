//! The real MariaDB server that `scripts/mariadb` runs, asked by its own client.

use crate::script;

/// Starts it if it does not run; its URL.
pub(crate) fn up() -> String {
    script::run("mariadb", &["up"])
}

pub(crate) fn down() {
    script::run("mariadb", &["down"]);
}

pub(crate) fn kill() {
    script::kill_server("mariadb");
}

/// The rows' fields, as text.
pub(crate) fn sql(statement: &str) -> Vec<Vec<String>> {
    let answer = script::run("mariadb", &["sql", statement]);
    answer.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The one number that the statement selects.
pub(crate) fn number(statement: &str) -> u64 {
    sql(statement)[0][0].parse().unwrap()
}
