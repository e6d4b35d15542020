//! A server, identified by the addresses that its name resolves to.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

/// The network addresses of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddresses {
    /// `host:port`, lower case.
    name: String,
    /// Every address of the host with the port. The addresses of this machine are all 127.0.0.1.
    /// Empty when the host does not resolve.
    resolved: BTreeSet<SocketAddr>,
}

impl ServerAddresses {
    /// Resolves a host, which may be an IPv6 address in brackets. Blocks while the system resolves it.
    pub fn resolve(host: &str, port: u16) -> ServerAddresses {
        let host = normal(host);
        let found = (host.as_str(), port).to_socket_addrs();
        let resolved = found.into_iter().flatten().map(|found| {
            let ip = found.ip().to_canonical();
            let ip = if is_this_machine(ip) { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { ip };
            SocketAddr::new(ip, found.port())
        });
        ServerAddresses { resolved: resolved.collect(), name: format!("{host}:{port}") }
    }

    /// A server of which nothing but its name is known.
    pub fn unresolved(host: &str, port: u16) -> ServerAddresses {
        ServerAddresses { name: format!("{}:{port}", normal(host)), resolved: BTreeSet::new() }
    }

    /// Returns true when the two have a name or an address in common. A tunnel or a proxy to the same
    /// server has neither.
    pub fn is_same(&self, other: &ServerAddresses) -> bool {
        self.name == other.name || !self.resolved.is_disjoint(&other.resolved)
    }
}

impl fmt::Display for ServerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A host without brackets, final dot and capitals.
fn normal(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

/// Returns true for loopback, unspecified and interface addresses of this machine.
fn is_this_machine(ip: IpAddr) -> bool {
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    // The system sends to an address of its own from that same address. Connecting a UDP socket
    // chooses the route and sends nothing.
    let any = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    source().is_ok_and(|source| source.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_many_names() {
        let one = ServerAddresses::resolve("127.0.0.1", 19530);
        for host in ["localhost", "LOCALHOST.", "[::1]", "127.0.0.2", "0.0.0.0", "::ffff:127.0.0.1"]
        {
            assert!(one.is_same(&ServerAddresses::resolve(host, 19530)), "{host}");
        }
        assert!(!one.is_same(&ServerAddresses::resolve("localhost", 19531)));
        // Reserved for documentation.
        assert!(!one.is_same(&ServerAddresses::resolve("192.0.2.1", 19530)));
    }

    #[test]
    fn a_name_that_does_not_resolve_is_itself() {
        let name = |name: &str| ServerAddresses::resolve(name, 1);
        assert!(name("no-such-host.invalid").is_same(&name("No-Such-Host.invalid")));
        assert!(!name("no-such-host.invalid").is_same(&name("other.invalid")));
    }
}
