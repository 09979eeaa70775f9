//! Which partition a key belongs to.
//!
//! The service hashes the key with Bob Jenkins's lookup3 (public domain; two seeds of zero), folds the two halves of the
//! result into sixteen signed bits and takes the remainder. Its SDKs do the same in their buffered producers, which is
//! where this is documented.

/// The partition of a key; `partitions` is at least 1.
pub(crate) fn partition_of(key: &str, partitions: usize) -> usize {
    let (first, second) = lookup3(key.as_bytes());
    let folded = (first ^ second) as u16 as i16;
    usize::from(folded.unsigned_abs()) % partitions.max(1)
}

fn lookup3(data: &[u8]) -> (u32, u32) {
    let start = 0xdead_beef_u32.wrapping_add(data.len() as u32);
    let mut state = [start; 3];
    let mut rest = data;
    // The last block, also a full one, is finished instead of mixed.
    while rest.len() > 12 {
        add(&mut state, &rest[..12]);
        mix(&mut state);
        rest = &rest[12..];
    }
    if !rest.is_empty() {
        add(&mut state, rest);
        finish(&mut state);
    }
    (state[2], state[1])
}

/// Adds up to twelve bytes, little endian; missing ones are zero.
fn add(state: &mut [u32; 3], block: &[u8]) {
    for (word, bytes) in state.iter_mut().zip(block.chunks(4)) {
        let mut whole = [0; 4];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = word.wrapping_add(u32::from_le_bytes(whole));
    }
}

fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for turns in [[4, 6, 8], [16, 19, 4]] {
        a = a.wrapping_sub(c) ^ c.rotate_left(turns[0]);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(turns[1]);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(turns[2]);
        b = b.wrapping_add(a);
    }
    *state = [a, b, c];
}

fn finish(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    *state = [a, b, c];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What azure-eventhub 5.15.1 for Python says of these keys.
    #[test]
    fn the_hash_is_that_of_the_vendors_sdk() {
        for (key, hash) in [
            ("", (3_735_928_559, 3_735_928_559)),
            ("a", (1_490_454_280, 1_478_903_724)),
            ("key", (2_033_577_996, 2_178_604_183)),
            ("0123456789ab", (275_113_226, 4_042_020_968)),
            ("0123456789abc", (1_934_741_078, 1_498_817_007)),
            ("partition-key", (2_284_295_853, 3_764_408_982)),
            ("thread:19:abc@thread.v2", (364_677_558, 1_174_389_346)),
            ("äö", (1_062_737_004, 2_954_791_212)),
        ] {
            assert_eq!(lookup3(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn a_key_keeps_its_partition_and_keys_spread() {
        let mut seen = [0; 4];
        for number in 0..400 {
            let key = format!("thread-{number}");
            assert_eq!(partition_of(&key, 4), partition_of(&key, 4));
            seen[partition_of(&key, 4)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }
}
