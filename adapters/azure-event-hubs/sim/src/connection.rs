//! One connection: greeted, opened, and its sessions served until it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fe2o3_amqp::acceptor::sasl_acceptor::SaslServerFrame;
use fe2o3_amqp::acceptor::{ConnectionAcceptor, SaslAcceptor, SessionAcceptor};
use fe2o3_amqp_types::primitives::{Array, Symbol};
use fe2o3_amqp_types::sasl::{SaslCode, SaslInit, SaslOutcome, SaslResponse};
use serde_json::Map;
use tandem_sdk::sim::{Fault, FaultKind};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::conditions;
use crate::namespace::Namespace;
use crate::open_connection::OpenConnection;
use crate::{pump, session};

/// Bytes between socket and acceptor that wait to be read.
const BUFFER: usize = 256 << 10;
/// Frames that a client may send, in bytes.
pub(crate) const MAX_FRAME: u32 = 64 << 10;
/// The highest number of a channel and of a link's handle.
const MAX_CHANNEL: u16 = 255;
/// After so many milliseconds of silence the service closes a connection.
const IDLE_MS: u32 = 240_000;
/// How long a connection that is being closed waits for its client.
const GOODBYE: Duration = Duration::from_secs(2);

/// Serves a connection until it ends.
pub(crate) async fn serve(socket: TcpStream, connection: Arc<OpenConnection>, namespace: Arc<Namespace>) {
    drop(socket.set_nodelay(true));
    let (near, far) = tokio::io::duplex(BUFFER);
    let id = connection.id;
    let name = format!("connection-{id}");
    namespace.enter("connection.opened", &name, id, Map::new());
    let longest = usize::try_from(namespace.settings.bounds.message_bytes).unwrap_or(usize::MAX);
    let pump = pump::carry(socket, far, Arc::clone(&connection), longest);
    let speak = speak(near, connection, Arc::clone(&namespace));
    let mut pump = std::pin::pin!(pump);
    tokio::select! {
        () = &mut pump => {}
        // What the acceptor still has to say goes out before the socket closes.
        () = speak => drop(tokio::time::timeout(GOODBYE, pump).await),
    }
    namespace.enter("connection.closed", &name, id, Map::new());
}

async fn speak(stream: tokio::io::DuplexStream, connection: Arc<OpenConnection>, namespace: Arc<Namespace>) {
    let acceptor = ConnectionAcceptor::builder()
        .container_id(namespace.settings.namespace.as_str())
        .max_frame_size(MAX_FRAME)
        .channel_max(MAX_CHANNEL)
        .idle_time_out(IDLE_MS)
        .sasl_acceptor(Mechanisms)
        .build();
    let within = Duration::from_millis(namespace.settings.bounds.open_within_ms);
    let mut open = match tokio::time::timeout(within, acceptor.accept(stream)).await {
        Ok(Ok(open)) => open,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection was not opened"),
        Err(_) => return tracing::debug!("a connection took too long to open"),
    };
    let sessions = SessionAcceptor::builder().handle_max(u32::from(MAX_CHANNEL)).build();
    let mut running = JoinSet::new();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            incoming = open.next_incoming_session() => {
                let Some(incoming) = incoming else { break };
                match sessions.accept_incoming_session(incoming, &mut open).await {
                    Ok(begun) => {
                        running.spawn(session::serve(begun, Arc::clone(&connection), Arc::clone(&namespace)));
                    }
                    Err(error) => tracing::debug!(%error, "a session did not begin"),
                }
            }
            Some(_) = running.join_next() => {}
            _ = seconds.tick() => befall(&connection, &namespace),
            () = connection.force.notified() => {
                let closing = open.close_with_error(conditions::connection_forced());
                drop(tokio::time::timeout(GOODBYE, closing).await);
                return;
            }
        }
    }
    drop(tokio::time::timeout(GOODBYE, open.on_close()).await);
}

/// Draws what befalls a connection in a second.
fn befall(connection: &OpenConnection, namespace: &Namespace) {
    let kinds = [FaultKind::Drop, FaultKind::ServerError, FaultKind::Timeout, FaultKind::UnknownOutcome];
    match namespace.faults.draw("connection", &kinds) {
        Some(Fault::Drop) => connection.force.notify_one(),
        // Nobody may be there to be told.
        Some(Fault::ServerError) => drop(namespace.detach.send(None)),
        Some(Fault::Timeout) => connection.freeze(Instant::now() + Duration::from_secs(1)),
        Some(Fault::UnknownOutcome) => connection.cut.notify_one(),
        _ => {}
    }
}

/// What a client may greet with. Both mean that it says who it is later, by tokens.
#[derive(Clone, Debug)]
struct Mechanisms;

impl SaslAcceptor for Mechanisms {
    fn mechanisms(&self) -> Array<Symbol> {
        Array::from(vec![Symbol::from("MSSBCBS"), Symbol::from("ANONYMOUS")])
    }

    fn on_init(&mut self, init: SaslInit) -> SaslServerFrame {
        let known = matches!(init.mechanism.as_str(), "MSSBCBS" | "ANONYMOUS");
        let code = if known { SaslCode::Ok } else { SaslCode::Auth };
        SaslServerFrame::Outcome(SaslOutcome { code, additional_data: None })
    }

    fn on_response(&mut self, _: SaslResponse) -> SaslServerFrame {
        SaslServerFrame::Outcome(SaslOutcome { code: SaslCode::Sys, additional_data: None })
    }
}
