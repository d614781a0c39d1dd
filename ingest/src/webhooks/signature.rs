//! Signature: that an event comes from us and was not changed, as the specification Standard Webhooks has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use rand::RngCore;
use sha2::Sha256;
use std::fmt;

/// Bytes of a secret.
const LENGTH: usize = 32;

/// Secret that only we and the receiver know. It is never printed but by [`Secret::shown`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// A new one.
    pub fn random() -> Self {
        let mut bytes = vec![0; LENGTH];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// As it is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As its owner is told it, once.
    pub fn shown(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// The header `webhook-signature` of `body`, sent as `message` at `timestamp`, in seconds since 1970.
    pub fn sign(&self, message: &str, timestamp: i64, body: &str) -> String {
        // A key of any length will do.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!());
        mac.update(format!("{message}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of the reference implementations.
        let secret = Secret::from(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64"));
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_long_new_each_time_and_not_printed() {
        let (one, other) = (Secret::random(), Secret::random());
        assert_ne!(one, other);
        assert_eq!(one.bytes().len(), LENGTH);
        assert!(one.shown().starts_with("whsec_") && one.shown().len() == 50);
        assert_eq!(format!("{one:?}"), "Secret(…)");
    }
}
