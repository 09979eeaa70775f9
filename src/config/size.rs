//! Sizes as people write them: `"16KiB"`, `"1MiB"`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number of bytes. Written with one of the units `B`, `KiB`, `MiB`, `GiB`: units of 1000 are refused, since nobody
/// agrees on what "MB" is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(u64);

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Size(bytes)
    }

    /// So many KiB.
    pub const fn kib(kib: u64) -> Self {
        Size(kib << 10)
    }

    /// So many MiB.
    pub const fn mib(mib: u64) -> Self {
        Size(mib << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes, as far as memory of this machine can be addressed.
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("invalid value: string \"{text}\", expected a size such as \"16KiB\" or \"1MiB\"");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?.1;
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).map(Size).ok_or_else(wrong)
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        let (name, unit) = whole.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Size, String> {
        Size::try_from(text.to_owned())
    }

    #[test]
    fn sizes_have_a_number_and_a_binary_unit() {
        for (text, size) in
            [("1MiB", Size::mib(1)), ("16 KiB", Size::kib(16)), ("7B", Size(7)), ("2GiB", Size::mib(2048))]
        {
            assert_eq!(read(text).unwrap(), size, "{text}");
        }
        assert_eq!([Size::mib(1), Size::kib(1025), Size(0)].map(|size| size.to_string()), ["1MiB", "1025KiB", "0B"]);
    }

    #[test]
    fn what_is_no_size_is_refused_with_examples() {
        for text in ["", "1", "MiB", "1MB", "-1MiB", "1.5MiB", "99999999999999999999B", "18446744073709551615KiB"] {
            assert!(read(text).unwrap_err().ends_with("expected a size such as \"16KiB\" or \"1MiB\""), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in any::<u64>()) {
            prop_assert_eq!(read(&Size(bytes).to_string()).unwrap(), Size(bytes));
        }
    }
}
