//! Frames as they go over the socket, and performatives with all of their fields.
//!
//! AMQP lets a sender leave out what is null at the end of a list, and fe2o3-amqp does. The service never does, and
//! Microsoft's client for Python reads fields by their place without asking how many there are; so what leaves is filled
//! up with nulls.

use std::io;

use fe2o3_amqp_types::performatives::Transfer;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest frame of the acceptor, when a peer allows any length.
pub(crate) const LONGEST: usize = 16 << 20;
/// By how much [`filled_up`] may make a frame longer: the transfer, at most eleven fields of which at least one is there.
pub(crate) const FILLING: u32 = 32;

const NULL: u8 = 0x40;
const LIST0: u8 = 0x45;
const LIST8: u8 = 0xc0;
const LIST32: u8 = 0xd0;
/// Where the performative begins when the header of the frame has no extension.
const BODY: usize = 8;

/// The next protocol header or frame of at most `longest` bytes, whole; none at the end of the stream.
///
/// # Errors
/// What the stream says, or `InvalidData` for a frame that cannot be one.
pub(crate) async fn next(stream: &mut (impl AsyncRead + Unpin), longest: usize) -> io::Result<Option<Vec<u8>>> {
    let mut start = [0; 4];
    match stream.read_exact(&mut start).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = if start == *b"AMQP" { 8 } else { u32::from_be_bytes(start) as usize };
    if !(8..=longest).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no frame has this length"));
    }
    let mut frame = vec![0; length];
    frame[..4].copy_from_slice(&start);
    stream.read_exact(&mut frame[4..]).await?;
    Ok(Some(frame))
}

/// The code of the performative of an AMQP frame.
pub(crate) fn performative(frame: &[u8]) -> Option<u8> {
    let is_amqp = frame.get(4) == Some(&2) && frame.get(5) == Some(&0) && !frame.starts_with(b"AMQP");
    match frame.get(BODY..) {
        Some([0x00, 0x53, code, ..]) if is_amqp => Some(*code),
        Some([0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, code, ..]) if is_amqp => Some(*code),
        _ => None,
    }
}

/// How many fields a performative has (AMQP 1.0, section 2.7).
fn fields_of(code: u8) -> Option<u32> {
    Some(match code {
        0x10 => 10,
        0x11 => 8,
        0x12 => 14,
        0x13 | 0x14 => 11,
        0x15 => 6,
        0x16 => 3,
        0x17 | 0x18 => 1,
        _ => return None,
    })
}

/// The same frame with every field of its performative; what is none is given back as it is.
pub(crate) fn filled_up(frame: Vec<u8>) -> Vec<u8> {
    refilled(&frame).unwrap_or(frame)
}

/// A transfer and what it carries; none for other frames and for what cannot be read.
pub(crate) fn transfer(frame: &[u8]) -> Option<(Transfer, &[u8])> {
    if performative(frame)? != 0x14 {
        return None;
    }
    let (_, fields, length, _) = layout(frame)?;
    let (head, payload) = frame.get(BODY..)?.split_at_checked(fields + length - BODY)?;
    Some((serde_amqp::from_slice(head).ok()?, payload))
}

/// Of the list of a performative: where it begins, where its fields begin, how many bytes they are, how many there are.
fn layout(frame: &[u8]) -> Option<(usize, usize, usize, u32)> {
    let list = BODY + if frame.get(BODY + 1) == Some(&0x53) { 3 } else { 10 };
    let number = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let (fields, length, count) = match *frame.get(list)? {
        LIST0 => (list + 1, 0, 0),
        LIST8 => (list + 3, usize::from(*frame.get(list + 1)?).checked_sub(1)?, u32::from(*frame.get(list + 2)?)),
        LIST32 => (list + 9, (number(list + 1)? as usize).checked_sub(4)?, number(list + 5)?),
        _ => return None,
    };
    Some((list, fields, length, count))
}

fn refilled(frame: &[u8]) -> Option<Vec<u8>> {
    let wanted = fields_of(performative(frame)?)?;
    let (list, fields, length, count) = layout(frame)?;
    let missing = wanted.checked_sub(count).filter(|missing| *missing > 0)?;
    let (present, payload) = (frame.get(fields..fields + length)?, frame.get(fields + length..)?);
    let length = u32::try_from(length).ok()? + missing;
    let mut made = frame[..list].to_vec();
    match (u8::try_from(length + 1), u8::try_from(wanted)) {
        (Ok(length), Ok(wanted)) => made.extend_from_slice(&[LIST8, length, wanted]),
        _ => {
            made.push(LIST32);
            made.extend_from_slice(&(length + 4).to_be_bytes());
            made.extend_from_slice(&wanted.to_be_bytes());
        }
    }
    made.extend_from_slice(present);
    made.resize(made.len() + missing as usize, NULL);
    made.extend_from_slice(payload);
    let size = u32::try_from(made.len()).ok()?;
    made[..4].copy_from_slice(&size.to_be_bytes());
    Some(made)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = (8 + body.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(&[2, 0, 0, 1]);
        frame.extend_from_slice(body);
        frame
    }

    #[test]
    fn a_performative_gets_its_missing_fields() {
        let end = filled_up(frame(&[0x00, 0x53, 0x17, LIST0]));
        assert_eq!(end, frame(&[0x00, 0x53, 0x17, LIST8, 2, 1, NULL]));
        // A detach of handle 1 that closes.
        let detach = filled_up(frame(&[0x00, 0x53, 0x16, LIST8, 4, 2, 0x52, 1, 0x41]));
        assert_eq!(detach, frame(&[0x00, 0x53, 0x16, LIST8, 5, 3, 0x52, 1, 0x41, NULL]));
    }

    #[test]
    fn the_payload_of_a_transfer_stays_behind_the_fields() {
        let transfer = filled_up(frame(&[0x00, 0x53, 0x14, LIST32, 0, 0, 0, 5, 0, 0, 0, 1, 0x43, b'p', b'q']));
        let mut wanted = vec![0x00, 0x53, 0x14, LIST8, 12, 11, 0x43];
        wanted.extend_from_slice(&[NULL; 10]);
        wanted.extend_from_slice(b"pq");
        assert_eq!(transfer, frame(&wanted));
    }

    #[test]
    fn long_lists_keep_long_lengths() {
        let mut body = vec![0x00, 0x53, 0x12, LIST32, 0, 0, 1, 0x08, 0, 0, 0, 1, 0xb1, 0, 0, 0, 0xff];
        body.resize(body.len() + 0xff, b'x');
        let attach = filled_up(frame(&body));
        assert_eq!(&attach[11..20], &[LIST32, 0, 0, 1, 0x15, 0, 0, 0, 14]);
        assert!(attach.ends_with(&[NULL; 13]));
    }

    #[test]
    fn whatever_else_passes_as_it_is() {
        for frame in [
            b"AMQP\x00\x01\x00\x00".to_vec(),
            frame(&[]),
            frame(&[0x00, 0x53, 0x17, LIST8, 2, 1, NULL]),
            frame(&[0x00, 0x53, 0x14, LIST8, 200, 1, NULL]),
            frame(&[0x00, 0x53, 0x44, LIST0]),
            frame(&[0x00, 0x53]),
        ] {
            assert_eq!(filled_up(frame.clone()), frame);
        }
    }

    #[tokio::test]
    async fn frames_are_read_whole_and_impossible_lengths_are_refused() {
        let mut stream: &[u8] = &[b"AMQP\x00\x01\x00\x00".as_slice(), &frame(&[1, 2])].concat();
        assert_eq!(next(&mut stream, LONGEST).await.unwrap().unwrap(), b"AMQP\x00\x01\x00\x00");
        assert_eq!(next(&mut stream, LONGEST).await.unwrap().unwrap(), frame(&[1, 2]));
        assert!(next(&mut stream, LONGEST).await.unwrap().is_none());
        assert!(next(&mut [0, 0, 0, 7].as_slice(), LONGEST).await.is_err());
        assert!(next(&mut [0xff; 8].as_slice(), LONGEST).await.is_err());
    }
}
