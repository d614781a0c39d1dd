//! Address: where webhooks may lead. Whoever may call the API must not be able to reach, through us, what only we can reach.
//!
//! The address that counts is the one that a connection is made to. Names are resolved here for each connection, and only addresses that
//! were looked at are handed on. A name that leads elsewhere a moment later changes nothing.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use url::{Host, Url};

/// Longest address of a webhook, in characters.
const LONGEST: usize = 2048;
/// Longest look-up of the name of a new webhook.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// A webhook may not lead there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error("the url is no address such as https://example.com/hook, of {LONGEST} characters at most")]
    NoUrl,
    #[error(
        "the url must begin with https://; http:// is taken only where the service allows private addresses (THROUGHLINE_WEBHOOK_ALLOW_PRIVATE)"
    )]
    Insecure,
    #[error("the url holds a user name or a password; leave them out, every request is signed")]
    Credentials,
    #[error(
        "{0} is a private, local or otherwise special address, to which nothing is sent unless the service allows it (THROUGHLINE_WEBHOOK_ALLOW_PRIVATE)"
    )]
    Special(String),
}

/// The address `text` of a new webhook, if events may be sent there. A name that cannot be resolved yet is taken.
pub(crate) async fn check(text: &str, allow_private: bool) -> Result<Url, AddressError> {
    let url = read(text, allow_private)?;
    if !allow_private && let Some(Host::Domain(name)) = url.host() {
        let port = url.port_or_known_default().unwrap_or_default();
        let looking_up = tokio::net::lookup_host((name, port));
        if let Ok(Ok(mut found)) = tokio::time::timeout(LOOK_UP_WITHIN, looking_up).await
            && found.any(|address| !is_public(address.ip()))
        {
            return Err(AddressError::Special(name.to_owned()));
        }
    }
    Ok(url)
}

/// Checks an address without looking its name up.
pub(crate) fn read(text: &str, allow_private: bool) -> Result<Url, AddressError> {
    let mut url = Url::parse(text).map_err(|_| AddressError::NoUrl)?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => return Err(AddressError::Insecure),
        _ => return Err(AddressError::NoUrl),
    }
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(AddressError::NoUrl);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials);
    }
    url.set_fragment(None);
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err(AddressError::NoUrl),
    };
    match address {
        Some(address) if !allow_private && !is_public(address) => {
            Err(AddressError::Special(address.to_string()))
        }
        _ => Ok(url),
    }
}

/// Resolves names to addresses that may be connected to. (Addresses that stand in the url itself are not resolved: [`read`].)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolver {
    pub allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let may = |address: &SocketAddr| allow_private || is_public(address.ip());
            if let Some(special) = found.iter().find(|address| !may(address)) {
                return Err(AddressError::Special(format!("{} ({})", name.as_str(), special.ip())).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// True where an address is one of the internet at large.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// None of the special-purpose addresses (RFC 6890 and its registry), nor multicast, nor reserved.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |net: [u8; 4], bits: u32| {
        (address.to_bits() ^ Ipv4Addr::from(net).to_bits()).checked_shr(32 - bits).unwrap_or_default() == 0
    };
    let special = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 3),
    ];
    !special.into_iter().any(|(net, bits)| within(net, bits))
}

/// Global unicast without what is special in it; an IPv4 address inside an IPv6 one counts as itself.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let parts = address.segments();
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(Ipv4Addr::from(((parts[6] as u32) << 16) | parts[7] as u32));
    }
    let global = parts[0] & 0xe000 == 0x2000;
    let special = (parts[0] == 0x2001 && (parts[1] < 0x0200 || parts[1] == 0x0db8))
        || parts[0] == 0x2002
        || (parts[0] == 0x3fff && parts[1] < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_at_large_are_public() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
        ] {
            assert!(!is_public(special.parse().expect("an address")), "{special}");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }

    #[test]
    fn an_address_is_refused_however_it_is_written() {
        for special in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://[::1]:8443/x",
            "https://[::ffff:169.254.169.254]/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(matches!(read(special, false), Err(AddressError::Special(_))), "{special}");
            assert!(read(special, true).is_ok(), "{special}");
        }
        assert_eq!(read("http://example.com/", false), Err(AddressError::Insecure));
        assert_eq!(read("https://u:p@example.com/", true), Err(AddressError::Credentials));
        for none in
            ["", "example.com/x", "ftp://example.com", "https://", "file:///etc/passwd", "https://x/\u{7}"]
        {
            assert_eq!(read(none, true), Err(AddressError::NoUrl), "{none}");
        }
        let url = read("https://example.com/hook?a=b#c", false).expect("is one");
        assert_eq!(url.as_str(), "https://example.com/hook?a=b");
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_special_address_is_refused_when_it_is_resolved() {
        let localhost = || "localhost".parse().expect("a name");
        let Err(error) = (Resolver { allow_private: false }).resolve(localhost()).await else {
            panic!("is resolved");
        };
        assert!(
            error.to_string().contains("localhost (") && error.to_string().contains("special address"),
            "{error}"
        );
        assert!((Resolver { allow_private: true }).resolve(localhost()).await.is_ok());
        let refused = check("https://localhost/", false).await;
        assert_eq!(refused, Err(AddressError::Special("localhost".to_owned())));
    }
}
