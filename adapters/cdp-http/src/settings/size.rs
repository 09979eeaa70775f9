//! Sizes as people write them: `64KiB`, `1MiB`.

use serde::Deserialize;

/// A number of bytes, written with one of the units `B`, `KiB`, `MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub usize);

impl TryFrom<String> for Size {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let factor = match unit.trim_start() {
            "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            _ => None,
        };
        let bytes = factor.and_then(|factor: usize| number.parse::<usize>().ok()?.checked_mul(factor));
        bytes.map(Size).ok_or("wrong size, expected a size such as 64KiB or 1MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_number_and_a_binary_unit() {
        let cases = [
            ("64KiB", Some(65_536)),
            ("1 MiB", Some(1 << 20)),
            ("7B", Some(7)),
            ("7", None),
            ("MiB", None),
            ("1GB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(Size::try_from(text.to_owned()).ok(), bytes.map(Size), "{text}");
        }
        assert!(Size::try_from("18446744073709551615MiB".to_owned()).is_err());
    }
}
