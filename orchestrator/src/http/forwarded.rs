//! Behind a proxy every connection is the proxy's. Those of `http.proxies` are believed about whom they speak for: anybody else could
//! write what he likes into the header.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";

/// Whose request it is: the peer's, or the last one of whom a trusted proxy says that it spoke for him.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(&address.to_canonical()));
    let mut client = peer;
    // Each proxy adds whom it saw at the end.
    let lines = headers.get_all(HEADER).iter().rev();
    let mut names = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    while is_proxy(&client) {
        let Some(before) = names.next().and_then(address) else { break };
        client = before;
    }
    client
}

/// An address, some write it with a port.
fn address(name: &str) -> Option<IpAddr> {
    let name = name.trim();
    let address = name.parse().or_else(|_| name.parse::<std::net::SocketAddr>().map(|socket| socket.ip())).ok();
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, lines: &[&str]) -> String {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a network")).into();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, line.parse().expect("a value"));
        }
        client(peer.parse().expect("an address"), &headers, &proxies).to_string()
    }

    #[test]
    fn only_trusted_proxies_speak_for_others_and_only_for_whom_they_saw() {
        assert_eq!(of("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "no proxy of ours");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("10.0.0.1", &["1.1.1.1, 198.51.100.7"]), "198.51.100.7", "the first was written by the client");
        assert_eq!(of("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7", "through two proxies");
        assert_eq!(of("10.0.0.1", &["1.1.1.1,198.51.100.7", "10.0.0.2"]), "198.51.100.7", "in two lines");
        assert_eq!(of("::ffff:10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(of("::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(of("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["10.0.0.3, unknown, 10.0.0.2"]), "10.0.0.2");
    }
}
