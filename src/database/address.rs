//! Which database, and how to get in.

use crate::config::value::{Secret, Value, Wrong};
use std::fmt;
use std::path::PathBuf;

/// Which database, and how to get in.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where it is.
    pub address: Address,
    /// User, where the address names none.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// File with the password on its first line; read again for each connection.
    pub password_file: Option<PathBuf>,
    /// File with the certificates (PEM) that the server's is checked against; the connection is then encrypted or not made.
    pub tls_ca: Option<PathBuf>,
}

impl Access {
    /// The way to `address`, with nothing but what it says.
    #[must_use]
    pub fn to(address: Address) -> Self {
        Self { address, user: None, password: None, password_file: None, tls_ca: None }
    }
}

/// Where a database is. It may hold a password: nothing shows it whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Which kind, and where.
    pub server: Server,
    /// What may be shown.
    shown: String,
}

/// Which kind of database, and where.
#[derive(Clone, PartialEq, Eq)]
pub enum Server {
    /// MySQL or MariaDB, by its whole URL.
    Mysql(Box<mysql_async::Opts>),
    /// A file.
    Sqlite(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

impl Value for Address {
    const EXPECTED: &'static str = "`mysql://user@host:3306/database` or `sqlite:FILE`";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some(file) = text.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            if file.is_empty() || file == ":memory:" {
                let why = "a database in memory forgets what was delivered: name a file";
                return Err(Wrong::Because(why.to_owned()));
            }
            let shown = format!("sqlite:{file}");
            return Ok(Self { server: Server::Sqlite(file.into()), shown });
        }
        let text = text.strip_prefix("jdbc:").unwrap_or(text);
        let text = match text.strip_prefix("mariadb://") {
            Some(rest) => format!("mysql://{rest}"),
            None => text.to_owned(),
        };
        if !text.starts_with("mysql://") {
            return Err(Wrong::Expected);
        }
        let opts = mysql_async::Opts::from_url(&text)
            .map_err(|why| Wrong::Because(format!("{why}; expected {}", Self::EXPECTED)))?;
        let Some(database) = opts.db_name().filter(|name| !name.is_empty()) else {
            let why = "it names no database: `mysql://user@host:3306/database`";
            return Err(Wrong::Because(why.to_owned()));
        };
        let shown = format!("mysql://{}:{}/{database}", opts.ip_or_hostname(), opts.tcp_port());
        Ok(Self { server: Server::Mysql(Box::new(opts)), shown })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Server};
    use crate::config::value::{Value, Wrong};

    #[test]
    fn a_password_in_an_address_is_in_no_message() {
        let address = Address::parse("mysql://joe:geheim@db.example:3307/weblog").unwrap();
        assert_eq!(address.to_string(), "mysql://db.example:3307/weblog");
        assert!(!format!("{address:?}").contains("geheim"));
        let refused = Address::parse("mysql://joe:geheim@db").unwrap_err();
        assert!(!format!("{refused:?}").contains("geheim"), "{refused:?}");
    }

    #[test]
    fn a_file_is_a_database_and_memory_is_none() {
        let address = Address::parse("sqlite:rows.db").unwrap();
        assert!(matches!(&address.server, Server::Sqlite(path) if path.as_os_str() == "rows.db"));
        assert!(matches!(Address::parse("sqlite::memory:"), Err(Wrong::Because(_))));
        assert_eq!(Address::parse("postgres://h/d"), Err(Wrong::Expected));
        let jdbc = Address::parse("jdbc:mariadb://h:3306/d").unwrap();
        assert_eq!(jdbc.to_string(), "mysql://h:3306/d");
    }
}
