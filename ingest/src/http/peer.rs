//! Peer: at which address a client is, and how much each may hold at once.

use crate::context::Context;
use axum::http::{Extensions, HeaderMap};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Header in which proxies name the address that a request came from. The last address is the one that the nearest proxy saw.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Address at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub IpAddr);

impl Peer {
    /// The client behind it: itself, unless it is one of our `proxies`; then the last in the header that is none of them.
    pub fn client(self, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
        if !self.is_one_of(proxies) {
            return self.0;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
        let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let mut client = self.0;
        for name in named.into_iter().rev() {
            let Ok(address) = name.parse::<IpAddr>() else { break };
            client = address;
            if !Self(address).is_one_of(proxies) {
                break;
            }
        }
        client
    }

    /// True where the peer is one of our `proxies`.
    pub fn is_one_of(self, proxies: &[IpAddr]) -> bool {
        proxies.iter().any(|proxy| proxy.to_canonical() == self.0.to_canonical())
    }
}

/// The client of a request.
pub(crate) fn client(context: &Context, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    // Every connection has its peer; whoever calls the handlers without one is this machine.
    let peer = extensions.get::<Peer>().map_or(Peer(Ipv4Addr::LOCALHOST.into()), |peer| *peer);
    peer.client(headers, &context.limits.proxies.0)
}

/// Number of shares that each client holds, up to a limit for each.
#[derive(Clone, Debug)]
pub struct Shares {
    most: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Share {
    of: IpAddr,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Shares {
    /// Up to `most` for each.
    pub fn new(most: u32) -> Self {
        Self { most: most as usize, held: Arc::default() }
    }

    /// One for `address`; `None` where it has as many as it may.
    pub fn take(&self, address: IpAddr) -> Option<Share> {
        let of = network(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(of).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { of, held: self.held.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.of);
            }
        }
    }
}

/// Address by which a client is counted: its own, or the 64-bit network of an IPv6 address, which every machine has for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(peer: &str, forwarded: &[&'static str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        Peer(address(peer)).client(&headers, &[address("10.0.0.1"), address("10.0.0.2")])
    }

    #[test]
    fn only_what_our_own_proxies_say_is_believed() {
        assert_eq!(client("192.0.2.7", &["198.51.100.1"]), address("192.0.2.7"));
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 192.0.2.7"]), address("192.0.2.7"));
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1", "192.0.2.7, 10.0.0.2"]), address("192.0.2.7"));
        assert_eq!(client("10.0.0.1", &[]), address("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &["192.0.2.7, unknown"]), address("10.0.0.1"));
    }

    #[test]
    fn each_address_has_its_share_and_gives_it_back() {
        let shares = Shares::new(2);
        let of = |text| shares.take(address(text));
        let (first, _second) = (of("192.0.2.7"), of("::ffff:192.0.2.7"));
        assert!(first.is_some() && of("192.0.2.7").is_none() && of("192.0.2.8").is_some());
        drop(first);
        assert!(of("192.0.2.7").is_some());
        let _network = (of("2001:db8::1"), of("2001:db8::2"));
        assert!(of("2001:db8::3").is_none() && of("2001:db8:0:1::3").is_some());
        drop((_second, _network));
        assert!(shares.held.lock().expect("whole").is_empty(), "nothing is kept of who is gone");
    }
}
