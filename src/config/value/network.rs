//! Where something listens.

use crate::config::java::trim;
use crate::config::value::{Value, Wrong};
use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Value for HostPort {
    const EXPECTED: &'static str = "`host:port`";

    /// As Kafka's client takes it: an optional `PROTOCOL://`, brackets around an IPv6 address, a port.
    fn parse(text: &str) -> Result<Self, Wrong> {
        let address = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, port) = address.rsplit_once(':').ok_or(Wrong::Expected)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(Wrong::Expected);
        }
        let port = port.parse().map_err(|_| Wrong::Expected)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Hosts and ports between commas: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPorts(Vec<HostPort>);

impl HostPorts {
    /// Each of them, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = &HostPort> {
        self.0.iter()
    }
}

impl fmt::Display for HostPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

impl Value for HostPorts {
    const EXPECTED: &'static str = "`host:port`, or several with commas between them";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let addresses = text.split(',').map(trim).filter(|address| !address.is_empty());
        let parsed = addresses
            .map(|address| {
                HostPort::parse(address)
                    .map_err(|_| Wrong::Because(format!("`{address}` is not `host:port`")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if parsed.is_empty() { Err(Wrong::Expected) } else { Ok(Self(parsed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{HostPort, HostPorts};
    use crate::config::value::{Value, Wrong};

    #[test]
    fn brokers_are_written_as_for_kafkas_client() {
        let brokers = HostPorts::parse(" a:1 , SSL://b.c:2,[::1]:3 ").unwrap();
        assert_eq!(brokers.to_string(), "a:1,b.c:2,[::1]:3");
        assert_eq!(brokers.iter().last(), Some(&HostPort { host: "::1".to_owned(), port: 3 }));
        assert!(
            matches!(HostPorts::parse("a:1,b"), Err(Wrong::Because(why)) if why.contains("`b`"))
        );
        assert_eq!(HostPorts::parse(" , "), Err(Wrong::Expected));
    }
}
