//! What the hub is compared with: the same server, without a hub behind it.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use tandem::http::{Bounds, serve};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Reads the body and answers.
pub(crate) async fn bare() -> String {
    start(Router::new().route("/", post(|_: Bytes| async { StatusCode::OK }))).await
}

/// Appends the body and answers when it is durable. One sync for all that waits.
pub(crate) async fn append(path: &Path) -> String {
    let mut file = File::create(path).unwrap();
    let (lane, waiting) = mpsc::channel::<(Bytes, oneshot::Sender<()>)>();
    std::thread::spawn(move || {
        while let Ok(first) = waiting.recv() {
            let taken: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
            for (bytes, _) in &taken {
                file.write_all(bytes).unwrap();
            }
            file.sync_data().unwrap();
            taken.into_iter().for_each(|(_, reply)| reply.send(()).unwrap_or_default());
        }
    });
    start(Router::new().route("/", post(keep)).with_state(lane)).await
}

async fn keep(State(lane): State<mpsc::Sender<(Bytes, oneshot::Sender<()>)>>, body: Bytes) -> StatusCode {
    let (reply, durable) = oneshot::channel();
    match lane.send((body, reply)) {
        Ok(()) if durable.await.is_ok() => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Serves on a free port of loopback, as the hub does; gives the address.
pub(crate) async fn start(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let bounds = Bounds { connections: 4096, headers: Duration::from_secs(30), grace: Duration::ZERO };
    tokio::spawn(serve(listener, None, routes, CancellationToken::new(), bounds));
    tokio::task::yield_now().await;
    format!("http://{address}/")
}
