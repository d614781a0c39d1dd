//! Hosts: the names by which the service may be called. A browser sends the name that it was given, whatever address that leads to: a page
//! that has its own name lead here (DNS rebinding) could read and change everything, and would be taken for one of ours.

use super::list::List;
use axum::http::uri::Authority;
use clap::Args;
use std::net::IpAddr;
use std::str::FromStr;

/// By which names the service may be called.
#[derive(Args, Clone, Debug)]
pub struct HostsConfig {
    /// Names by which the service is called, with commas between, for example `throughline.example.org,transcripts`. localhost and the
    /// address that it listens on need not be named; `*` takes any name, for where a proxy in front looks at it. Others are answered 421.
    #[arg(long, env = "THROUGHLINE_HOSTS", default_value = "", hide_default_value = true)]
    pub hosts: List<HostName>,
}

/// A name that is given as one of the service's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// Whatever is sent.
    Any,
    /// A name or an address, in lower case.
    Name(String),
}

/// A setting that is no name.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is not the name of a host; write names without http:// and without a port, with commas between, as in throughline.example.org,transcripts"
)]
pub struct BadHostName(String);

impl FromStr for HostName {
    type Err = BadHostName;

    fn from_str(text: &str) -> Result<Self, BadHostName> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let bad = || BadHostName(text.to_owned());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Name(address.to_canonical().to_string()));
        }
        let authority: Authority = text.parse().map_err(|_| bad())?;
        let name = plain(&authority).filter(|_| authority.port().is_none() && !text.contains(':'));
        name.filter(|name| !name.contains('*')).map(Self::Name).ok_or_else(bad)
    }
}

/// The names by which a service may be called that listens on an address.
#[derive(Clone, Debug)]
pub struct Hosts {
    listen: IpAddr,
    named: Vec<HostName>,
}

impl Hosts {
    /// Those `named`, and those of the address that it listens on.
    pub fn new(listen: IpAddr, named: Vec<HostName>) -> Self {
        Self { listen, named }
    }

    /// True where `host`, the header or the authority of an address, is one of these names. The port is not compared: it may be another one
    /// outside.
    pub fn allow(&self, host: &Authority) -> bool {
        if self.named.contains(&HostName::Any) {
            return true;
        }
        let Some(name) = plain(host) else { return false };
        if name == "localhost" || self.named.contains(&HostName::Name(name.clone())) {
            return true;
        }
        let Ok(address) = name.parse::<IpAddr>() else { return false };
        // On all addresses, any may be one of them, or of a machine before this one. An address leads nowhere else than it says.
        address.is_loopback() || self.listen.is_unspecified() || address == self.listen.to_canonical()
    }
}

/// The name in `host` without port, brackets, capitals and the point of the root; `None` where somebody's name stands before it.
fn plain(host: &Authority) -> Option<String> {
    if host.as_str().contains('@') {
        return None;
    }
    let name = host.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let name = name.parse::<IpAddr>().map_or(name.to_owned(), |address| address.to_canonical().to_string());
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, named: &[&str]) -> Hosts {
        let named = named.iter().map(|name| name.parse().expect("a name")).collect();
        Hosts::new(listen.parse().expect("an address"), named)
    }

    fn allowed<'a>(hosts: &Hosts, asked: &[&'a str]) -> Vec<&'a str> {
        let allow = |host: &&str| hosts.allow(&host.parse().expect("an authority"));
        asked.iter().copied().filter(allow).collect()
    }

    #[test]
    fn on_loopback_only_loopback_names_are_answered_on_any_port() {
        let own = [
            "localhost:8080",
            "LocalHost",
            "localhost.",
            "127.0.0.1:9",
            "127.8.9.1",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
        ];
        let others = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.168.1.5:8080",
            "0.0.0.0",
            "a@localhost",
            "2130706433",
            "[::2]",
        ];
        let hosts = hosts("127.0.0.1", &[]);
        assert_eq!(allowed(&hosts, &own), own);
        assert_eq!(allowed(&hosts, &others), [""; 0]);
    }

    #[test]
    fn on_all_addresses_any_address_is_answered_and_no_name_that_is_not_given() {
        let addresses = ["10.42.0.7:8080", "192.168.1.5", "[fd00::7]:8080"];
        let asked = [addresses.as_slice(), &["server-name:8080", "throughline.example.org"]].concat();
        assert_eq!(allowed(&hosts("0.0.0.0", &[]), &asked), addresses);
        assert_eq!(allowed(&hosts("::", &["Server-Name"]), &asked), asked[..4]);
        assert_eq!(allowed(&hosts("192.168.1.5", &[]), &asked), asked[1..2]);
        assert_eq!(allowed(&hosts("127.0.0.1", &["*"]), &asked), asked);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in ["", "http://a", "a:8080", "a/b", "a b", "*.example.org", "a@b"] {
            assert!(wrong.parse::<HostName>().is_err(), "{wrong}");
        }
        assert_eq!("fd00::7".parse::<HostName>().ok(), Some(HostName::Name("fd00::7".to_owned())));
    }
}
