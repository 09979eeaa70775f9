//! The canonical request: what both sides derive from a request before they sign.

use http::HeaderMap;
use ring::digest;

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path as it stood on the request line, percent-encoded once.
    pub path: &'a str,
    /// What followed the question mark, or nothing.
    pub query: &'a str,
    /// All of them, signed or not.
    pub headers: &'a HeaderMap,
    /// `:authority` of HTTP/2, where there is no `host` header.
    pub authority: Option<&'a str>,
    /// The bytes whose hash is signed.
    pub body: &'a [u8],
}

/// None when a header that is said to be signed is not there.
pub(super) fn canonical_request(arrived: &Arrived<'_>, signed: &[&str]) -> Option<String> {
    let mut canonical =
        format!("{}\n{}\n{}\n", arrived.method, canonical_path(arrived.path), canonical_query(arrived.query));
    for name in signed {
        let value = header_value(arrived, name)?;
        canonical.push_str(&format!("{name}:{value}\n"));
    }
    let hash = hex::encode(digest::digest(&digest::SHA256, arrived.body));
    canonical.push_str(&format!("\n{}\n{hash}", signed.join(";")));
    Some(canonical)
}

/// Every segment is encoded again, since all services but S3 sign a path encoded twice.
fn canonical_path(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { encode(path.as_bytes(), b"/") }
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (encode(&decode(name), b""), encode(&decode(value), b"")))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn header_value(arrived: &Arrived<'_>, name: &str) -> Option<String> {
    let values: Vec<String> = arrived
        .headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    match (values.is_empty(), name) {
        (false, _) => Some(values.join(",")),
        (true, "host") => arrived.authority.map(str::to_owned),
        (true, _) => None,
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters and those in `keep`.
fn encode(bytes: &[u8], keep: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || keep.contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| hex::decode(digits).ok()) {
            Some(value) => {
                decoded.extend(value);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_twice_and_queries_sorted() {
        assert_eq!(canonical_path("/contacts/arn%3Aaws%2Fx/y"), "/contacts/arn%253Aaws%252Fx/y");
        assert_eq!(canonical_path(""), "/");
        assert_eq!(canonical_query("b=2&a=%20x&a=%2Fy&c"), "a=%20x&a=%2Fy&b=2&c=");
        assert_eq!(canonical_query("a=%zz%4"), "a=%25zz%254");
    }
}
