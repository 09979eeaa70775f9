//! Values in values: how deep they go is looked at before anything is decoded.
//!
//! The decoder calls itself for each value in a value, so that a mebibyte of described values would end the process.

use fe2o3_amqp_types::messaging::Body;
use fe2o3_amqp_types::messaging::message::DecodeIntoMessage as _;
use fe2o3_amqp_types::primitives::Value;
use serde::de::Error as _;
use serde_amqp::read::SliceReader;

use crate::event::AmqpMessage;

/// What clients send is never nearly so deep.
const DEEPEST: usize = 64;

/// A value that is being read.
enum Open {
    /// A list or a map that ends at this place.
    Compound(usize),
    /// A described value, of which so many parts are still to come.
    Described(u8),
}

/// Whether all values that these bytes hold are shallow. What cannot be read is left to the decoder.
pub(crate) fn is_shallow(bytes: &[u8]) -> bool {
    look(bytes, false)
}

/// The same for the first value alone: the performative of a frame, behind which a payload may follow.
pub(crate) fn begins_shallow(bytes: &[u8]) -> bool {
    look(bytes, true)
}

fn look(bytes: &[u8], only_first: bool) -> bool {
    let (mut open, mut at) = (Vec::new(), 0);
    let byte = |at: usize| bytes.get(at).map(|byte| usize::from(*byte));
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    while let Some(code) = byte(at) {
        at += 1;
        if code == 0 {
            open.push(Open::Described(2));
            if open.len() > DEEPEST {
                return false;
            }
            continue;
        }
        // By the upper half of its code: how long a value is, or that there are values in it (AMQP 1.0, section 1.2).
        let length = match code >> 4 {
            0x4 => Some(0),
            0x5 => Some(1),
            0x6 => Some(2),
            0x7 => Some(4),
            0x8 => Some(8),
            0x9 => Some(16),
            0xa => byte(at).map(|length| 1 + length),
            0xb => word(at).map(|length| 4 + length),
            0xc | 0xd => {
                let width = if code >> 4 == 0xc { 1 } else { 4 };
                let number = |at| if width == 1 { byte(at) } else { word(at) };
                let (Some(size), Some(count)) = (number(at), number(at + width)) else { return true };
                // A decoder that believes in the count would find values in it that are not looked at here.
                if size < width || count > size - width {
                    return false;
                }
                open.push(Open::Compound(at + width + size));
                at += 2 * width;
                if open.len() > DEEPEST {
                    return false;
                }
                Some(0)
            }
            0xe | 0xf => {
                let width = if code >> 4 == 0xe { 1 } else { 4 };
                let size = if width == 1 { byte(at) } else { word(at) };
                let (Some(size), Some(element)) = (size, byte(at + 2 * width)) else { return true };
                // Arrays of what may hold values are nobody's here.
                if !(0x40..0xc0).contains(&element) {
                    return false;
                }
                Some(width + size)
            }
            _ => None,
        };
        let Some(length) = length else { return true };
        at = at.saturating_add(length);
        // What ends here ends with it everything of which it is the last part.
        let mut has_ended = code >> 4 != 0xc && code >> 4 != 0xd;
        loop {
            match open.last_mut() {
                Some(Open::Compound(end)) if at >= *end => drop(open.pop()),
                Some(Open::Described(left)) if has_ended && *left == 1 => drop(open.pop()),
                Some(Open::Described(left)) if has_ended => {
                    *left -= 1;
                    break;
                }
                _ => break,
            }
            has_ended = true;
        }
        if only_first && open.is_empty() {
            return true;
        }
    }
    true
}

/// A message from its bytes.
///
/// # Errors
/// What the decoder says, or that there is nothing, or that it is too deep.
pub(crate) fn decode(bytes: &[u8]) -> Result<AmqpMessage, serde_amqp::Error> {
    if bytes.is_empty() || !is_shallow(bytes) {
        return Err(serde_amqp::Error::custom("no message, or one of values in values"));
    }
    Body::<Value>::decode_message_from_reader(SliceReader::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_values_as_one_likes_beside_each_other_are_shallow() {
        let section = [0x00, 0x53, 0x75, 0xa0, 1, b'x'];
        assert!(is_shallow(&section.repeat(10_000)));
        // A list of two thousand descriptions of nothing.
        let mut list = vec![0xd0];
        list.extend_from_slice(&(4 + 4 * 2_000_u32).to_be_bytes());
        list.extend_from_slice(&2_000_u32.to_be_bytes());
        list.extend_from_slice(&[0x00, 0x53, 0x01, 0x40].repeat(2_000));
        assert!(is_shallow(&list));
        assert!(is_shallow(&[0xc0, 1, 0, 0x45, 0xe0, 3, 1, 0x52, 7, 0x83, 0, 0]));
    }

    #[test]
    fn values_in_values_are_counted_whatever_they_are() {
        let described = [[0x00, 0x53, 0x01].repeat(100), vec![0x40]].concat();
        assert!(!is_shallow(&described));
        assert!(is_shallow(&described[described.len() - 3 * 60 - 1..]));
        // Descriptions as descriptors.
        assert!(!is_shallow(&[0x00].repeat(100)));
        let mut lists = vec![0x40];
        for _ in 0..100 {
            let size = u32::try_from(lists.len() + 4).unwrap_or(u32::MAX);
            let mut outer = vec![0xd0];
            outer.extend_from_slice(&size.to_be_bytes());
            outer.extend_from_slice(&[0, 0, 0, 1]);
            outer.append(&mut lists);
            lists = outer;
        }
        assert!(!is_shallow(&lists));
        // Lists that say that they hold more than they are long.
        assert!(!is_shallow(&[0xc0, 1, 1].repeat(100)));
        assert!(!is_shallow(&[0xe0, 9, 1, 0xc0, 1, 0]));
    }

    #[test]
    fn behind_the_first_value_anything_may_follow() {
        let frame = [[0xc0, 1, 0].as_slice(), &[0x00].repeat(100)].concat();
        assert!(begins_shallow(&frame));
        assert!(!is_shallow(&frame));
    }
}
