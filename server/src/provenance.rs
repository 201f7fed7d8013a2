//! Signed provenance: this text was written by this model, here, at that time. A claim is a JSON web token (RFC 7519)
//! signed with Ed25519 (RFC 8037) over the SHA-256 of the text, so it says nothing of the text to who does not have it.
//!
//! The key is made on the first start, stays in the state folder, and is published as a JSON web key set (RFC 7517).
//! A claim goes with a text for as long as nobody changes a byte of it; it does not find copies of the text elsewhere.

use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zyron_openapi::{JsonWebKey, JsonWebKeySet};

use crate::private;

/// The file in the state folder.
pub(crate) const FILE: &str = "provenance.pem";
/// What kind of token it is, so that none of another kind passes for one.
const KIND: &str = "zyron-provenance+jwt";

/// What is claimed of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always true.
    pub ai_generated: bool,
    /// When the answer ended, in seconds since 1970.
    pub iat: u64,
    /// The answer's `id`.
    pub jti: String,
    /// The text's place among the answer's choices.
    pub choice: u32,
    /// The model's name.
    pub model: String,
    /// SHA-256 over samples of its weights, in hexadecimal.
    pub weights_sha256: String,
    /// Names the model, its number format, the engine and the server's version.
    pub system_fingerprint: String,
    /// SHA-256 of the text in UTF-8, in hexadecimal.
    pub text_sha256: String,
}

/// Why a claim is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProvenanceError {
    /// It is no claim of this kind.
    #[error("this is no claim of provenance")]
    Malformed,
    /// The key that it names is none of those given.
    #[error("the key that signed this is not among those given")]
    UnknownKey,
    /// Somebody else signed it, or it was changed.
    #[error("the signature is wrong")]
    WrongSignature,
    /// It was made for another text.
    #[error("the claim is true, but of another text: this one was changed, or is not the one it came with")]
    OtherText,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Signs claims.
pub(crate) struct Signer {
    key: SigningKey,
    public: JsonWebKey,
}

impl Signer {
    /// With the key of a state folder, which is made where there is none.
    ///
    /// # Errors
    /// Those of the disk, or of a file that is no key.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
        let path = state.join(FILE);
        let key = match std::fs::read(&path) {
            Ok(text) => SigningKey::from_pkcs8_pem(&String::from_utf8_lossy(&text))
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{FILE} is no Ed25519 key")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path)?,
            Err(error) => return Err(error),
        };
        let x = BASE64.encode(key.verifying_key().as_bytes());
        // RFC 7638: the thumbprint of a key names it.
        let kid = BASE64.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)));
        let (kty, crv, alg, usage) = ("OKP".to_owned(), "Ed25519".to_owned(), "EdDSA".to_owned(), "sig".to_owned());
        Ok(Self { key, public: JsonWebKey { kty, crv, alg, usage, kid, x } })
    }

    /// What claims are checked with.
    pub(crate) fn public(&self) -> JsonWebKeySet {
        JsonWebKeySet { keys: vec![self.public.clone()] }
    }

    /// A claim as a token.
    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let header = Header { alg: self.public.alg.clone(), typ: KIND.to_owned(), kid: self.public.kid.clone() };
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.to_bytes()))
    }
}

/// Written whole or not at all: a key that is cut off would be no key for ever.
fn create(path: &Path) -> io::Result<SigningKey> {
    let key = SigningKey::from_bytes(&rand::rng().random());
    let text = key.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?;
    private::replace(path, |file| file.write_all(text.as_bytes()))?;
    Ok(key)
}

fn encode(value: &impl Serialize) -> String {
    // Types of our own, with string keys only.
    BASE64.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// SHA-256 of a text, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// What a token claims of a text, if one of the keys has signed that.
///
/// # Errors
/// [`ProvenanceError`].
pub fn verify(token: &str, text: &str, keys: &JsonWebKeySet) -> Result<Claims, ProvenanceError> {
    let (signed, signature) = token.trim().rsplit_once('.').ok_or(ProvenanceError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(ProvenanceError::Malformed)?;
    let header: Header = decode(header)?;
    if header.typ != KIND || header.alg != "EdDSA" {
        return Err(ProvenanceError::Malformed);
    }
    let key = keys.keys.iter().find(|key| key.kid == header.kid).ok_or(ProvenanceError::UnknownKey)?;
    let bytes = BASE64.decode(&key.x).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).ok_or(ProvenanceError::UnknownKey)?;
    let signature = BASE64.decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    let signature = signature.ok_or(ProvenanceError::Malformed)?;
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| ProvenanceError::WrongSignature)?;
    let claims: Claims = decode(claims)?;
    if claims.text_sha256 == digest(text) { Ok(claims) } else { Err(ProvenanceError::OtherText) }
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, ProvenanceError> {
    let bytes = BASE64.decode(part).map_err(|_| ProvenanceError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| ProvenanceError::Malformed)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn claims(text: &str) -> Claims {
        Claims {
            ai_generated: true,
            iat: 1,
            jti: "chatcmpl-1".to_owned(),
            choice: 0,
            model: "m".to_owned(),
            weights_sha256: digest("w"),
            system_fingerprint: "fp".to_owned(),
            text_sha256: digest(text),
        }
    }

    #[test]
    fn a_claim_is_of_its_text_and_of_its_key() {
        let folder = TempDir::new().unwrap();
        let signer = Signer::open(folder.path()).unwrap();
        let token = signer.sign(&claims("Bonjour"));
        assert_eq!(verify(&token, "Bonjour", &signer.public()), Ok(claims("Bonjour")));
        assert_eq!(verify(&token, "Bonjour ", &signer.public()), Err(ProvenanceError::OtherText));
        let again = Signer::open(folder.path()).unwrap();
        assert_eq!(again.public(), signer.public());
        let other = Signer::open(TempDir::new().unwrap().path()).unwrap();
        assert_eq!(verify(&token, "Bonjour", &other.public()), Err(ProvenanceError::UnknownKey));
        let mut forged = other.public();
        forged.keys[0].kid = signer.public.kid;
        assert_eq!(verify(&token, "Bonjour", &forged), Err(ProvenanceError::WrongSignature));
    }

    #[test]
    fn a_claim_that_is_changed_anywhere_is_not_believed() {
        let signer = Signer::open(TempDir::new().unwrap().path()).unwrap();
        let token = signer.sign(&claims("Bonjour"));
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&changed, "Bonjour", &signer.public()).is_err(), "{at}");
            assert!(verify(&token[..at], "Bonjour", &signer.public()).is_err(), "{at}");
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_said() {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(FILE), "no key").unwrap();
        assert!(Signer::open(folder.path()).is_err_and(|error| error.to_string().contains(FILE)));
    }
}
