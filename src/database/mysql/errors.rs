//! MySQL's error numbers: which are a row's fault, and what to do about the others.
//!
//! An allow-list (R17): a number that is not known to be a row's is the environment's, so that a fault nobody thought of makes
//! the consumer wait and never throw records away. The list is as much MySQL's as MariaDB's.

use crate::database::error::{ErrorKind, StoreError};
use diesel::result::Error;

/// Numbers that a unique key answers with.
const DUPLICATE: &[i64] = &[1062, 1586, 1859];

/// Numbers that say: this row's values. Nothing that can also come of the table or the server as a whole.
const DATA: &[i64] = &[
    1048, // column cannot be null
    1264, // out of range
    1265, // data truncated
    1292, // incorrect date, or truncated wrong value
    1300, // invalid UTF-8 string
    1366, // incorrect value for the column
    1367, // illegal value while parsing
    1406, // data too long
    1411, // incorrect value for a function
    1441, // datetime overflow
    1452, // foreign key: no such parent
    1216, // the same, older
    1526, // no partition for the value
    1644, // a trigger's SIGNAL
    1690, // value out of range in an expression
    3140, // invalid JSON text
    3819, // CHECK violated (MySQL)
    4025, // CONSTRAINT failed (MariaDB)
];

/// What the operator can do, by number; the happening's code first.
const ADVICE: &[(&[i64], &str, &str)] = &[
    (
        &[1146, 1051],
        "table-missing",
        "make it with the statement that `tailwater consumer ddl` prints",
    ),
    (&[1054], "column-missing", "compare the table with what `tailwater consumer ddl` prints"),
    (&[1364], "column-missing", "give the column a default, or write it too"),
    (&[1049], "database-missing", "CREATE DATABASE, or mend the name in `database.url`"),
    (
        &[1045, 1698],
        "database-login",
        "look at user and password in `database.url`, `database.user`, `database.password`",
    ),
    (
        &[1044, 1142, 1143, 1227, 1370],
        "database-rights",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE on the database's tables to this user",
    ),
    (&[1040, 1203, 1226], "database-crowded", "raise max_connections, or lower `writers`"),
    (
        &[1290, 1836, 3100],
        "database-read-only",
        "send it to the primary, or end its read-only mode",
    ),
    (&[1021, 1041, 1114, 3675, 28], "database-full", "make room on the server's disk"),
    (&[1205], "database-lock-wait", "look in SHOW PROCESSLIST for who holds the locks"),
    (&[1213], "database-deadlock", "nothing, if it is seldom: the transaction is tried again"),
    (&[1153, 1301], "database-packet", "raise max_allowed_packet on the server"),
    (
        &[1118],
        "database-row-size",
        "the server cannot keep so large a row: see innodb_log_file_size, or other column types",
    ),
    (
        &[1665],
        "database-binlog",
        "SET GLOBAL binlog_format = MIXED or ROW: statements cannot be replicated safely here",
    ),
    (
        &[1053, 1077, 1078, 1079, 1158, 1159, 1160, 1161, 1927],
        "database-away",
        "nothing: it is tried again",
    ),
];

/// A failure by the server's own number.
pub(super) fn classify(number: i64, text: &str) -> StoreError {
    let what = format!("the database says {number}: {text}");
    let number_text = format!("error {number}");
    let kind = if DUPLICATE.contains(&number) {
        ErrorKind::Duplicate
    } else if DATA.contains(&number) {
        ErrorKind::Data
    } else {
        let known = ADVICE.iter().find(|(numbers, ..)| numbers.contains(&number));
        let (code, next) = known.map_or(
            ("database-refuses", "look at the server's error log; it is tried again"),
            |(_, code, next)| (*code, *next),
        );
        let environment = StoreError::environment(code, what, next);
        return StoreError { number: number_text, ..environment };
    };
    StoreError { kind, what, number: number_text, next: String::new() }
}

/// The server cannot be reached, or has broken off.
pub(super) fn away(place: &str, why: &str) -> StoreError {
    StoreError::environment(
        "database-away",
        format!("{place}: {why}"),
        "look whether the server runs and can be reached; it is tried again",
    )
}

/// A connection that was not made.
pub(super) fn of_connecting(place: &str, error: &mysql_async::Error) -> StoreError {
    match error {
        mysql_async::Error::Server(server) => {
            let classified = classify(i64::from(server.code), &server.message);
            // No row was there to be blamed.
            let code = match classified.kind {
                ErrorKind::Environment(code) => code,
                _ => "database-refuses",
            };
            StoreError { kind: ErrorKind::Environment(code), ..classified }
        }
        other => away(place, &other.to_string()),
    }
}

/// A statement that did not get as far as the server: a value that cannot be handed over.
pub(super) fn ours(error: &Error) -> StoreError {
    match error {
        Error::SerializationError(why) => StoreError {
            kind: ErrorKind::Data,
            what: format!("a value cannot be handed over: {why}"),
            number: "value".to_owned(),
            next: String::new(),
        },
        other => StoreError::environment("database-refuses", other.to_string(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::{ADVICE, DATA, DUPLICATE, classify};
    use crate::database::error::ErrorKind;

    #[test]
    fn a_number_nobody_knows_is_never_a_rows_fault() {
        for number in [0, 1, 1317, 1105, 4_000, 65_535, -1] {
            let kind = classify(number, "?").kind;
            assert!(matches!(kind, ErrorKind::Environment("database-refuses")), "{number}");
        }
        assert_eq!(classify(1406, "too long").kind, ErrorKind::Data);
        assert_eq!(classify(1062, "duplicate").kind, ErrorKind::Duplicate);
        assert_eq!(classify(1114, "full").kind, ErrorKind::Environment("database-full"));
    }

    #[test]
    fn a_number_stands_in_one_list_only() {
        let mut all: Vec<i64> = DUPLICATE.iter().chain(DATA).copied().collect();
        all.extend(ADVICE.iter().flat_map(|(numbers, ..)| numbers.iter().copied()));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
