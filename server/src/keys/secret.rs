//! A key's text: `zyr_ID_SECRET`. The identifier is no secret and names the key everywhere; of the secret only a hash
//! is kept, which says nothing about it: it is random and too long to be guessed, so no slow hash is needed.

use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};

const PREFIX: &str = "zyr";
/// 62^10 identifiers.
const ID_LENGTH: usize = 10;
/// 40 of 62 letters: 238 bits.
const SECRET_LENGTH: usize = 40;

/// SHA-256 of a key's whole text.
pub(crate) type Hash = [u8; 32];

/// A new key's text, for an identifier.
pub(super) fn secret(id: &str) -> String {
    format!("{PREFIX}_{id}_{}", letters(SECRET_LENGTH))
}

/// A new identifier.
pub(super) fn identifier() -> String {
    letters(ID_LENGTH)
}

fn letters(count: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(count).map(char::from).collect()
}

/// Which key a text claims to be.
pub(super) fn claimed(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_').map(|(id, _)| id)
}

pub(crate) fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}
