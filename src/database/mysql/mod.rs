//! MySQL and MariaDB, in pure Rust: `mysql_async` beneath diesel, driven on plain threads.
//!
//! The connection is made here and not by diesel, so that a private certificate authority, a password file and the server's
//! error numbers can be had. Tested against MariaDB 10.11.

mod dialect;
mod errors;
mod runtime;

pub(super) use dialect::MYSQL;

use crate::database::address::{Access, Server};
use crate::database::answer::Answer;
use crate::database::dialect::Dialect;
use crate::database::error::StoreError;
use crate::database::pool::{Driver, Pool};
use crate::database::statement::Statement;
use crate::database::store::{Limits, Session, Store};
use diesel::connection::{Connection, SimpleConnection, TransactionManager};
use diesel::r2d2::R2D2Connection;
use diesel::result::Error;
use diesel::{QueryResult, RunQueryDsl};
use diesel_async::AsyncMysqlConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use mysql_async::{Conn, OptsBuilder, SslOpts};
use runtime::OwnRuntime;
use std::path::Path;
use std::time::Duration;

type Wrapped = AsyncConnectionWrapper<AsyncMysqlConnection, OwnRuntime>;
type Transactions = <Wrapped as Connection>::TransactionManager;

/// A server.
#[derive(Debug)]
pub(super) struct MysqlStore(Pool<Connected>);

impl MysqlStore {
    pub(super) fn new(access: &Access, connections: usize) -> Self {
        let access = access.clone();
        let shown = access.address.to_string();
        Self(Pool::new(shown, connections, Box::new(move || connect(&access))))
    }
}

impl Store for MysqlStore {
    fn dialect(&self) -> &'static Dialect {
        &MYSQL
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, StoreError> {
        self.0.session().map(|session| -> Box<dyn Session> { Box::new(session) })
    }
}

/// How long a server may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that says nothing for so long is probed, in milliseconds: a server whose machine is gone would else be waited for
/// for ever. The kernel then gives it up after `net.ipv4.tcp_keepalive_probes` of them, some ten minutes as it comes.
const KEEPALIVE_MS: u32 = 30_000;

/// Each session's own settings.
///
/// - Strict, whatever the server's default: a value is stored as it is or refused.
/// - READ COMMITTED: no locks on gaps, which the ranges of other writers go into.
/// - A short `wait_timeout`: a process that is frozen in the middle of a transaction does not keep its locks for hours. A
///   healthy one waits never so long between two statements.
/// - A short wait for locks: whoever waits can be told.
const SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
     ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
     SESSION wait_timeout = 60, SESSION innodb_lock_wait_timeout = 10";
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

fn connect(access: &Access) -> Result<Connected, StoreError> {
    let Server::Mysql(opts) = &access.address.server else {
        return Err(StoreError::environment("database-away", "this is no MySQL address", ""));
    };
    let mut builder = OptsBuilder::from_opts((**opts).clone())
        .stmt_cache_size(0) // diesel keeps statements itself
        .tcp_keepalive(Some(KEEPALIVE_MS))
        .client_found_rows(true);
    if opts.user().is_none() {
        builder = builder.user(access.user.clone());
    }
    if let Some(file) = &access.password_file {
        builder = builder.pass(Some(password_in(file)?));
    } else if let Some(password) = &access.password {
        builder = builder.pass(Some(password.reveal()));
    }
    if let Some(file) = &access.tls_ca {
        let only = SslOpts::default()
            .with_root_certs(vec![file.clone().into()])
            .with_disable_built_in_roots(true);
        builder = builder.ssl_opts(only);
    }
    let runtime = OwnRuntime::new().map_err(|why| {
        StoreError::environment("database-away", format!("no runtime for a connection: {why}"), "")
    })?;
    let place = access.address.to_string();
    let connection = runtime.run(async {
        match tokio::time::timeout(CONNECT, Conn::new(builder)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(why)) => Err(errors::of_connecting(&place, &why)),
            Err(_) => Err(errors::away(&place, "no answer to the greeting")),
        }
    })?;
    let connection = runtime
        .run(AsyncMysqlConnection::try_from(connection))
        .map_err(|why| errors::away(&place, &why.to_string()))?;
    let connection = runtime.wrap(connection);
    let mut connected = Connected { connection, place, limits: limits_for(0), broken: false };
    for settings in [SETTINGS, ISOLATION] {
        let set = connected.connection.batch_execute(settings);
        connected.judged(set)?;
    }
    let question = "SELECT CAST(@@max_allowed_packet AS SIGNED) AS n_packet";
    let packet = connected.query(&Statement::rows(question, &[], &[], false))?;
    connected.limits = limits_for(packet.first().map_or(0, |row| row.number(0)));
    Ok(connected)
}

/// The first line of a file.
fn password_in(file: &Path) -> Result<String, StoreError> {
    let text = std::fs::read_to_string(file).map_err(|why| {
        StoreError::environment(
            "database-password",
            format!("cannot read the password from {}: {why}", file.display()),
            "look at `database.password.file`",
        )
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// What the server's `max_allowed_packet` lets in: a statement is one packet, and what is around its values needs room.
fn limits_for(packet: i64) -> Limits {
    const AROUND: usize = 64 << 10;
    // Above 16 MiB a statement's values are sent one by one, which is for single large ones.
    const STATEMENT: usize = 8 << 20;
    let packet = usize::try_from(packet).unwrap_or(0).max(1 << 20);
    Limits {
        row_bytes: packet - AROUND,
        statement_bytes: (packet - AROUND).min(STATEMENT),
        setting: "the server's max_allowed_packet (SET GLOBAL max_allowed_packet = …, at most 1073741824, and in my.cnf)",
    }
}

struct Connected {
    connection: Wrapped,
    place: String,
    limits: Limits,
    broken: bool,
}

impl Connected {
    /// Puts the server's number to a failure, before any rollback could make it forget (R17).
    fn judged<T>(&mut self, result: QueryResult<T>) -> Result<T, StoreError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error @ Error::DatabaseError(..)) => match self.diagnosis() {
                Some((number, text)) if number != 0 => errors::classify(number, &text),
                _ => errors::away(&self.place, &error.to_string()),
            },
            Err(error) => errors::ours(&error),
        };
        self.broken |= !error.is_the_rows();
        Err(error)
    }

    /// What the server itself says about the last failure.
    fn diagnosis(&mut self) -> Option<(i64, String)> {
        let ask = "GET DIAGNOSTICS CONDITION 1 @tailwater_number = MYSQL_ERRNO, @tailwater_text = MESSAGE_TEXT";
        self.connection.batch_execute(ask).ok()?;
        let question = "SELECT CAST(@tailwater_number AS SIGNED) AS n_number, CAST(@tailwater_text AS CHAR) AS t_text";
        let rows: Vec<Answer> = Statement::new(question, &[]).load(&mut self.connection).ok()?;
        rows.first().map(|row| (row.number(0), row.text(1).to_owned()))
    }
}

impl Session for Connected {
    fn begin(&mut self) -> Result<(), StoreError> {
        let begun = Transactions::begin_transaction(&mut self.connection);
        self.judged(begun)
    }

    fn execute(&mut self, statement: &Statement<'_>) -> Result<usize, StoreError> {
        let done = statement.execute(&mut self.connection);
        self.judged(done)
    }

    fn query(&mut self, statement: &Statement<'_>) -> Result<Vec<Answer>, StoreError> {
        let rows = statement.load(&mut self.connection);
        self.judged(rows)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let done = Transactions::commit_transaction(&mut self.connection);
        // R13: whatever came back, this connection's word is not taken again.
        self.broken |= done.is_err();
        done.map_err(|error| errors::away(&self.place, &error.to_string()))
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        let done = Transactions::rollback_transaction(&mut self.connection);
        self.broken |= done.is_err();
        done.map_err(|error| errors::away(&self.place, &error.to_string()))
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

impl Driver for Connected {
    fn ping(&mut self) -> Result<(), StoreError> {
        self.connection.ping().map_err(|error| errors::away(&self.place, &error.to_string()))
    }

    fn is_broken(&mut self) -> bool {
        self.broken || self.connection.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::limits_for;

    #[test]
    fn a_statement_leaves_room_in_the_servers_packet() {
        assert_eq!(limits_for(16 << 20).row_bytes, (16 << 20) - (64 << 10));
        assert_eq!(limits_for(64 << 20).statement_bytes, 8 << 20);
        assert_eq!(
            limits_for(1024).statement_bytes,
            (1 << 20) - (64 << 10),
            "the server's least is more"
        );
    }
}
