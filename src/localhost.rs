//! This machine's own name and address, as Java's `InetAddress.getLocalHost()` has them: the name the kernel knows, and the
//! first address it resolves to.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

/// The name the kernel knows (`hostname`).
#[must_use]
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The address that [`name`] resolves to; an IPv4 one, if there is one. Asks the resolver, so it may take seconds.
pub fn address() -> io::Result<IpAddr> {
    let name = name();
    let addresses: Vec<IpAddr> =
        (name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied();
    first.ok_or_else(|| io::Error::other(format!("`{name}` has no address")))
}

/// The name that [`address`] resolves back to; the address itself where it resolves to none.
pub fn canonical_name() -> io::Result<String> {
    let address = address()?;
    Ok(dns_lookup::lookup_addr(&address).unwrap_or_else(|_| address.to_string()))
}
