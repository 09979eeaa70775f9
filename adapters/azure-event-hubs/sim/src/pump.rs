//! The bytes between a client's socket and the acceptor.
//!
//! What leaves gets all of its fields ([`frames`]); and here a connection can be cut, or be frozen while its socket stays
//! open.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use fe2o3_amqp_types::performatives::{MaxFrameSize, Open};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

use crate::connection::MAX_FRAME;
use crate::frames::{self, FILLING};
use crate::nesting;
use crate::open_connection::OpenConnection;

/// Messages of one connection that may be on their way in at once.
const MOST_MESSAGES: usize = 256;
const OPEN: u8 = 0x10;
const CLOSE: u8 = 0x18;
/// The size and the header of a frame, and the descriptor of its performative.
const BODY: usize = 8;

/// Carries bytes until one side is done or the connection is cut. Messages are at most `longest` bytes.
pub(crate) async fn carry(
    mut socket: TcpStream,
    acceptor: DuplexStream,
    connection: Arc<OpenConnection>,
    longest: usize,
) {
    let (from_acceptor, to_acceptor) = tokio::io::split(acceptor);
    let (from_client, to_client) = socket.split();
    let is_cut = tokio::select! {
        ended = inwards(from_client, to_acceptor, &connection, longest) => { drop(ended); false }
        ended = outwards(from_acceptor, to_client, &connection) => { drop(ended); false }
        () = connection.cut.notified() => true,
    };
    if is_cut {
        // The client sees a reset, as when a machine between has gone.
        drop(SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)));
    }
}

async fn inwards(
    mut client: impl AsyncRead + Unpin,
    mut acceptor: impl AsyncWrite + Unpin,
    connection: &OpenConnection,
    longest: usize,
) -> io::Result<()> {
    let mut messages = Messages::default();
    while let Some(frame) = frames::next(&mut client, MAX_FRAME as usize).await? {
        thawed(connection).await;
        if !frame.get(BODY..).is_none_or(nesting::begins_shallow) || !messages.go_on(&frame, longest) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "values in values"));
        }
        // The acceptor is told that the client can take a little less than it can.
        let is_open = frames::performative(&frame) == Some(OPEN);
        acceptor.write_all(&if is_open { with_room(frame) } else { frame }).await?;
    }
    acceptor.shutdown().await
}

/// The messages that are on their way in, by channel and handle: they can be looked at only when they are whole.
#[derive(Default)]
struct Messages(HashMap<(u8, u8, u32), Vec<u8>>);

impl Messages {
    /// Takes a frame's part of a message; false when the message is too deep, or there are too many at once.
    fn go_on(&mut self, frame: &[u8], longest: usize) -> bool {
        let Some((transfer, payload)) = frames::transfer(frame) else { return true };
        let key = (frame[6], frame[7], transfer.handle.0);
        if !transfer.more && !self.0.contains_key(&key) {
            return transfer.aborted || nesting::is_shallow(payload);
        }
        let message = self.0.entry(key).or_default();
        // What is too long is refused by the acceptor; it is not read to its end.
        if message.len() <= longest {
            message.extend_from_slice(payload);
        }
        if transfer.more {
            return self.0.len() <= MOST_MESSAGES;
        }
        self.0.remove(&key).is_none_or(|message| transfer.aborted || nesting::is_shallow(&message))
    }
}

async fn outwards(
    mut acceptor: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    connection: &OpenConnection,
) -> io::Result<()> {
    while let Some(frame) = frames::next(&mut acceptor, frames::LONGEST).await? {
        thawed(connection).await;
        let was_last = frames::performative(&frame) == Some(CLOSE);
        client.write_all(&frames::filled_up(frame)).await?;
        if was_last {
            // The end of the stream comes right behind the close: rhea, which opens anew on the same object, takes an
            // end that comes later for that of its new socket. What the client still says is read until it is done.
            client.shutdown().await?;
            std::future::pending::<()>().await;
        }
    }
    client.shutdown().await
}

/// Waits while the connection is frozen.
async fn thawed(connection: &OpenConnection) {
    while let Some(until) = connection.frozen_until().filter(|until| Instant::now() < *until) {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// The open frame with a smaller longest frame, so that a frame which was filled up is still short enough.
fn with_room(frame: Vec<u8>) -> Vec<u8> {
    let changed = || {
        let mut open: Open = serde_amqp::from_slice(frame.get(BODY..)?).ok()?;
        open.max_frame_size = MaxFrameSize(open.max_frame_size.0.saturating_sub(FILLING).max(512));
        let body = serde_amqp::to_vec(&open).ok()?;
        let mut made = u32::try_from(BODY + body.len()).ok()?.to_be_bytes().to_vec();
        made.extend_from_slice(&frame[4..BODY]);
        made.extend_from_slice(&body);
        Some(made)
    };
    changed().unwrap_or(frame)
}
