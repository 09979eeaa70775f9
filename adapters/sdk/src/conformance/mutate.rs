//! Damaged bytes: every kind of damage, at places spread over the whole. The same bytes are always damaged in the same
//! way.

use bytes::Bytes;

/// Places that are damaged, at most.
const PLACES: usize = 97;

/// The places of something this long, spread evenly; the first and the last are among them.
pub(super) fn places(length: usize) -> impl Iterator<Item = usize> {
    let step = length.div_ceil(PLACES).max(1);
    (0..length).step_by(step).chain(length.checked_sub(1))
}

/// The bytes with one bit turned, at many places.
pub(super) fn flipped(body: &[u8]) -> impl Iterator<Item = Bytes> {
    places(body.len()).map(|place| {
        let mut body = body.to_vec();
        body[place] ^= 1 << (place % 7);
        Bytes::from(body)
    })
}

/// The bytes cut off, at many places; never whole.
pub(super) fn truncated(body: &[u8]) -> impl Iterator<Item = Bytes> {
    places(body.len()).map(|place| Bytes::copy_from_slice(&body[..place]))
}

/// Bytes that are bad in a way of their own.
pub(super) fn hostile(body: &[u8]) -> Vec<Bytes> {
    let text = String::from_utf8_lossy(body).into_owned();
    let inside = |value: &str| text.replacen('{', &format!("{{\"unheard_of\":{value},"), 1);
    let mut all: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        ["[".repeat(5_000), "]".repeat(5_000)].concat().into_bytes(),
        inside(&format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000))).into_bytes(),
        inside("1e999").into_bytes(),
        inside("-0.0e-999").into_bytes(),
        inside("\"\\ud800\"").into_bytes(),
        inside("123456789012345678901234567890").into_bytes(),
        [text.as_bytes(), text.as_bytes()].concat(),
        text.replace("\":\"", "\":[\"").into_bytes(),
        text.replace("\":\"", "\":null,\"x\":\"").into_bytes(),
    ];
    let mut bytes = body.to_vec();
    let middle = bytes.len() / 2;
    bytes.insert(middle, 0xff);
    all.push(bytes);
    all.into_iter().map(Bytes::from).collect()
}
