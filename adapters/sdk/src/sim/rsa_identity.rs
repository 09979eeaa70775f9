//! An RSA key with a certificate, for signing messages and tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use super::SimError;

/// DER of a `DigestInfo` up to the digest, RFC 8017 section 9.2 note 1.
const SHA1_PREFIX: &[u8] = &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

/// An RSA-2048 key and a certificate for it, signed by an [`Authority`](super::Authority).
pub struct RsaIdentity {
    /// The leaf, PEM.
    pub certificate_pem: String,
    key: RsaPrivateKey,
    /// The same key: ring signs several times as fast, but never over SHA-1.
    pair: RsaKeyPair,
    key_id: String,
}

impl RsaIdentity {
    pub(super) fn issue(
        common_name: &str,
        certify: impl FnOnce(&KeyPair) -> Result<String, SimError>,
    ) -> Result<Self, SimError> {
        let wrong = |error: &dyn std::fmt::Display| SimError::RsaKey(error.to_string());
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).map_err(|error| wrong(&error))?;
        let encoded = key.to_pkcs8_der().map_err(|error| wrong(&error))?;
        let ring_pair = RsaKeyPair::from_pkcs8(encoded.as_bytes()).map_err(|error| wrong(&error))?;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(encoded.as_bytes().to_vec()),
            &PKCS_RSA_SHA256,
        )?;
        let modulus_digest = digest(&SHA256, &key.n().to_bytes_be());
        let key_id = format!("{common_name}-{}", hex::encode(&modulus_digest.as_ref()[..8]));
        Ok(Self { certificate_pem: certify(&pair)?, key, pair: ring_pair, key_id })
    }

    /// RSASSA-PKCS1-v1_5 over SHA-1: what SNS calls signature version 1.
    #[must_use]
    pub fn sign_sha1(&self, message: &[u8]) -> Vec<u8> {
        let algorithm = &SHA1_FOR_LEGACY_USE_ONLY;
        let padding = Pkcs1v15Sign { hash_len: Some(algorithm.output_len()), prefix: SHA1_PREFIX.into() };
        self.key
            .sign(padding, digest(algorithm, message).as_ref())
            .expect("a 2048 bit key has room for the digest, and the digest has the length announced")
    }

    /// RSASSA-PKCS1-v1_5 over SHA-256: SNS signature version 2, and JWT's RS256.
    #[must_use]
    pub fn sign_sha256(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("the signature is as long as the modulus, and the system gives randomness");
        signature
    }

    /// The modulus, big endian.
    #[must_use]
    pub fn modulus(&self) -> Vec<u8> {
        self.key.n().to_bytes_be()
    }

    /// The public exponent, big endian.
    #[must_use]
    pub fn exponent(&self) -> Vec<u8> {
        self.key.e().to_bytes_be()
    }

    /// The name of the key in a JWKS and in a token's header.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// This key as a JWKS document (RFC 7517) with one key.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id,
            "n": URL_SAFE_NO_PAD.encode(self.modulus()), "e": URL_SAFE_NO_PAD.encode(self.exponent()),
        }]})
    }

    /// A JWT (RFC 7519) with these claims, RS256, its header naming [`key_id`](Self::key_id).
    #[must_use]
    pub fn jwt(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign_sha256(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

impl std::fmt::Debug for RsaIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RsaIdentity").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use ring::signature::{
        RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    };

    use super::super::Authority;

    #[test]
    fn another_library_accepts_both_signatures() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Authority::open(dir.path()).unwrap().issue_rsa("sns.amazonaws.com").unwrap();
        let (n, e) = (identity.modulus(), identity.exponent());
        let public = RsaPublicKeyComponents { n: &n, e: &e };
        public
            .verify(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, b"message", &identity.sign_sha1(b"message"))
            .unwrap();
        public.verify(&RSA_PKCS1_2048_8192_SHA256, b"message", &identity.sign_sha256(b"message")).unwrap();
        let token = identity.jwt(&serde_json::json!({"aud": "hub"}));
        assert_eq!(token.split('.').count(), 3);
        assert!(identity.certificate_pem.contains("BEGIN CERTIFICATE"));
    }
}
