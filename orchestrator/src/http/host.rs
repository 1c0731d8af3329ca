//! By which name a browser called this server. Where nobody is asked who they are, that is what keeps a page of elsewhere out
//! that made its own name lead to this machine.

/// Whether the name is one of the machine itself, or among these. A program that says none is no browser.
pub(super) fn is_ours(host: Option<&str>, hosts: &[String]) -> bool {
    host.is_none_or(|host| is_name_of(host, hosts))
}

fn is_name_of(host: &str, hosts: &[String]) -> bool {
    let name = without_port(host).trim_end_matches('.');
    let is_loopback =
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    name.eq_ignore_ascii_case("localhost")
        || is_loopback()
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_and_those_that_were_added_are_ours() {
        let hosts = ["drover.example".to_owned()];
        for good in [
            "127.0.0.1:8420",
            "127.0.0.1",
            "localhost:8420",
            "LocalHost",
            "localhost.",
            "[::1]:8420",
            "[::1]",
            "drover.example",
            "Drover.Example:443",
        ] {
            assert!(is_name_of(good, &hosts), "{good}");
        }
        for bad in [
            "",
            "?",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8420",
            "192.168.0.7:8420",
            "[::2]",
            "x.drover.example",
            "drover.example.evil:1",
            "127.0.0.1:8420:80",
            "user@127.0.0.1",
        ] {
            assert!(!is_name_of(bad, &hosts), "{bad}");
        }
    }
}
