//! Ids and tokens from a seed: unguessable with a random one, repeatable with a fixed one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use uuid::Uuid;

/// A source of ids. Each is made from the seed and how many came before.
pub(super) struct Ids {
    seed: [u8; 16],
    next: u64,
}

impl Ids {
    pub(super) fn from_seed(seed: [u8; 16]) -> Self {
        Self { seed, next: 0 }
    }

    /// A UUID that looks like a random one.
    pub(super) fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.digest()[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// An opaque token of 86 characters.
    pub(super) fn token(&mut self) -> String {
        let (first, second) = (self.digest(), self.digest());
        URL_SAFE_NO_PAD.encode([first, second].concat())
    }

    fn digest(&mut self) -> [u8; 32] {
        self.next += 1;
        let mut digest = [0; 32];
        let bytes = [self.seed.as_slice(), &self.next.to_be_bytes()].concat();
        digest.copy_from_slice(digest::digest(&digest::SHA256, &bytes).as_ref());
        digest
    }
}

/// A seed that nobody can guess.
pub(super) fn fresh_seed() -> [u8; 16] {
    *Uuid::new_v4().as_bytes()
}
