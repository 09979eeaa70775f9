//! Sizes as people write them: `512KiB`, `8MiB`.

use serde::Deserialize;

/// A number of bytes, written with one of the units `B`, `KiB`, `MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub usize);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("invalid value: string \"{text}\", expected a size such as 512KiB or 8MiB");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit: usize = match unit.trim_start() {
            "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => return Err(wrong()),
        };
        number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).map(Size).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn a_size_has_a_number_and_a_binary_unit() {
        assert_eq!(Size::try_from("8MiB".to_owned()).unwrap(), Size(8 << 20));
        assert_eq!(Size::try_from("512 KiB".to_owned()).unwrap(), Size(512 << 10));
        assert_eq!(Size::try_from("7B".to_owned()).unwrap(), Size(7));
        for wrong in ["", "8", "MiB", "8MB", "-1MiB", "1.5MiB", "99999999999999999999MiB", "18446744073709551615MiB"] {
            assert!(Size::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
