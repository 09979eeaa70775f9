//! Sockets that clients connect to.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::connection;
use crate::error::Error;
use crate::namespace::Namespace;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// The segment size of an Ethernet. Microsoft's client for Python reads the option of its socket and writes it back,
/// which fails now and then with the large one of the loopback.
const SEGMENT: u32 = 1_460;

/// A socket that has its address but is not listened on: whoever connects is refused.
///
/// # Errors
/// [`Error::NotLoopback`], or [`Error::Listen`] with what the operating system said.
pub(crate) fn take(addr: SocketAddr) -> Result<Socket, Error> {
    if !addr.ip().is_loopback() {
        return Err(Error::NotLoopback(addr));
    }
    let taken = || {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_mss(SEGMENT)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        Ok(socket)
    };
    taken().map_err(|source| Error::Listen { addr, source })
}

/// Listens on a socket.
///
/// # Errors
/// [`Error::Listen`] with what the operating system said.
pub(crate) fn listen(socket: Socket, addr: SocketAddr) -> Result<TcpListener, Error> {
    let listening = || {
        socket.listen(BACKLOG)?;
        TcpListener::from_std(StdListener::from(socket))
    };
    listening().map_err(|source| Error::Listen { addr, source })
}

/// Serves whoever connects, and nobody while the namespace says so.
pub(crate) async fn accept(mut listener: TcpListener, addr: SocketAddr, namespace: Arc<Namespace>) {
    let (mut connections, mut refusing) = (JoinSet::new(), namespace.refuse_until.subscribe());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                // One too many is closed before it was greeted.
                let Some(connection) = namespace.connect() else { continue };
                let namespace = Arc::clone(&namespace);
                connections.spawn(async move {
                    connection::serve(socket, Arc::clone(&connection), Arc::clone(&namespace)).await;
                    namespace.disconnect(&connection);
                });
            }
            Some(_) = connections.join_next() => {}
            Ok(()) = refusing.changed() => {
                let until = *refusing.borrow_and_update();
                let Some(until) = until else { continue };
                drop(listener);
                // Bound again at once, so that the port is nobody else's meanwhile.
                let socket = take(addr);
                tokio::time::sleep_until(until.into()).await;
                match socket.or_else(|_| take(addr)).and_then(|socket| listen(socket, addr)) {
                    Ok(again) => listener = again,
                    Err(error) => {
                        tracing::error!(%error, "the simulator does not listen any more");
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[tokio::test]
    async fn sockets_have_the_segment_size_of_an_ethernet_and_an_address_before_they_listen() {
        let socket = take(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        assert_eq!(socket.tcp_mss().unwrap(), SEGMENT);
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        assert!(std::net::TcpStream::connect(addr).is_err());
        let _listener = listen(socket, addr).unwrap();
        std::net::TcpStream::connect(addr).unwrap();
        assert!(matches!(take(SocketAddr::from(([0, 0, 0, 0], 0))), Err(Error::NotLoopback(_))));
    }
}
