//! Where random bytes come from.

use std::sync::Mutex;

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

/// The operating system would not give random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoEntropy;

/// A source of random bytes for keys and nonces.
pub trait Entropy: Send + Sync {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The operating system's source; the only one for real data.
#[derive(Debug, Clone)]
pub struct OsEntropy(SystemRandom);

impl OsEntropy {
    /// The source.
    pub fn new() -> OsEntropy {
        OsEntropy(SystemRandom::new())
    }
}

impl Default for OsEntropy {
    fn default() -> OsEntropy {
        OsEntropy::new()
    }
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        self.0.fill(bytes).map_err(|_| NoEntropy)
    }
}

/// The same bytes for the same seed, for simulations that must repeat. Two stores with one seed share their keys and nonces, so it
/// never seals real data.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    block: Mutex<u64>,
}

impl SeededEntropy {
    /// A source that begins at the seed.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy { seed, block: Mutex::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        let mut block = self.block.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let mut hashed = digest::Context::new(&digest::SHA256);
            hashed.update(&self.seed.to_be_bytes());
            hashed.update(&block.to_be_bytes());
            chunk.copy_from_slice(&hashed.finish().as_ref()[..chunk.len()]);
            *block += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let draw = |source: &dyn Entropy| {
            let mut bytes = [0; 70];
            source.fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(draw(&SeededEntropy::new(1)), draw(&SeededEntropy::new(1)));
        assert_ne!(draw(&SeededEntropy::new(1)), draw(&SeededEntropy::new(2)));
        assert_ne!(draw(&OsEntropy::new()), draw(&OsEntropy::new()));
        let source = SeededEntropy::new(1);
        assert_ne!(draw(&source), draw(&source));
    }
}
