//! The bytes between a client's socket and the acceptor.
//!
//! What leaves gets all of its fields ([`frames`]); and here a connection can be cut, or be frozen while its socket stays
//! open.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use fe2o3_amqp_types::performatives::{MaxFrameSize, Open};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

use crate::frames::{self, FILLING};
use crate::open_connection::OpenConnection;

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;
const OPEN: u8 = 0x10;
const CLOSE: u8 = 0x18;
/// The size and the header of a frame, and the descriptor of its performative.
const BODY: usize = 8;

/// Carries bytes until one side is done or the connection is cut.
pub(crate) async fn carry(mut socket: TcpStream, acceptor: DuplexStream, connection: Arc<OpenConnection>) {
    let (from_acceptor, to_acceptor) = tokio::io::split(acceptor);
    let (from_client, to_client) = socket.split();
    let is_cut = tokio::select! {
        ended = inwards(from_client, to_acceptor, &connection) => { drop(ended); false }
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
) -> io::Result<()> {
    // Up to the client's open frame, which is told a little shorter than it is what the client can take.
    while let Some(frame) = frames::next(&mut client).await? {
        thawed(connection).await;
        if frames::performative(&frame) == Some(OPEN) {
            acceptor.write_all(&with_room(frame)).await?;
            break;
        }
        acceptor.write_all(&frame).await?;
    }
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = client.read(&mut chunk).await?;
        if read == 0 {
            return acceptor.shutdown().await;
        }
        thawed(connection).await;
        acceptor.write_all(&chunk[..read]).await?;
    }
}

async fn outwards(
    mut acceptor: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    connection: &OpenConnection,
) -> io::Result<()> {
    while let Some(frame) = frames::next(&mut acceptor).await? {
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
