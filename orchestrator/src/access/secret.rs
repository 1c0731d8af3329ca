//! Secrets of tokens and sessions: made, shown once, and from then on known by their hash alone.

use std::fmt;

use rustls::crypto::ring;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::AccountError;

/// Bytes of a secret, all of them random.
const BYTES: usize = 32;
/// What a token begins with, so that people and scanners of repositories know what it is.
const PREFIX: &str = "drover_";

/// The SHA-256 of a secret. 256 random bits cannot be guessed, which is why no slow hash is needed: those are for what people
/// make up. What is looked up is the hash, so that how long it takes tells nothing of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// As the database keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As the database has it; nothing where it is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Hash {
    /// Not even the hash: a secret of the configuration may be a weak one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

/// A new token.
pub(super) fn token() -> Result<SecretString, AccountError> {
    Ok(format!("{PREFIX}{}", random()?).into())
}

/// What a session's cookie holds.
pub(super) fn cookie() -> Result<SecretString, AccountError> {
    Ok(random()?.into())
}

fn random() -> Result<String, AccountError> {
    let mut bytes = [0; BYTES];
    ring::default_provider().secure_random.fill(&mut bytes).map_err(|_| AccountError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_beginning_and_no_two_are_alike() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!(one.expose_secret().strip_prefix("drover_").unwrap().len(), 64);
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert_ne!(cookie().unwrap().expose_secret(), cookie().unwrap().expose_secret());
    }

    #[test]
    fn a_hash_is_the_one_of_its_secret_and_shows_nothing() {
        let hash = Hash::of("abc");
        assert_eq!(hash.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(Hash::read(hash.as_bytes()), Some(hash));
        assert_eq!(Hash::read(b"short"), None);
        assert_eq!(format!("{hash:?}"), "Hash(…)");
    }
}
