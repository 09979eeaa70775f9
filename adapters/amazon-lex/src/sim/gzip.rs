//! The headers of PutSession's answer: JSON, gzipped, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest stored block of DEFLATE.
const MAX_BLOCK: usize = 65_535;

/// Text as the service puts it into a header. The gzip member (RFC 1952) holds stored blocks (RFC 1951, 3.2.4): every
/// reader takes them, and nothing here has to be small.
pub(super) fn packed(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(MAX_BLOCK).peekable();
    if blocks.peek().is_none() {
        member.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        member.push(u8::from(blocks.peek().is_none()));
        member.extend(length.to_le_bytes());
        member.extend((!length).to_le_bytes());
        member.extend_from_slice(block);
    }
    member.extend(crc32fast::hash(bytes).to_le_bytes());
    // The length modulo 2^32, as the format has it.
    member.extend((bytes.len() as u32).to_le_bytes());
    STANDARD.encode(member)
}
