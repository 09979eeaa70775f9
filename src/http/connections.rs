//! How many connections there are at once, and how long one may say nothing.

use std::future::ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Bytes that tell HTTP/2 from HTTP/1. Until they are there nobody else looks at the time.
const PREFACE: usize = 24;

/// Accepts as many connections as there are places. One too many is closed at once: whoever is behind it comes again.
#[derive(Clone, Debug)]
pub(super) struct Counted<A> {
    inner: A,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl<A> Counted<A> {
    /// At most `most` connections, each of which has `patience` to begin.
    pub(super) fn new(inner: A, most: usize, patience: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Counted { inner, places, patience }
    }
}

type Accepting<Stream, Service> = Pin<Box<dyn Future<Output = io::Result<(Stream, Service)>> + Send>>;

impl<A, I, S> Accept<I, S> for Counted<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: Send + 'static,
    A::Service: Send + 'static,
{
    type Stream = Guest<A::Stream>;
    type Service = A::Service;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::debug!("a connection too many was closed");
            return Box::pin(ready(Err(io::ErrorKind::ConnectionRefused.into())));
        };
        let (accepting, patience) = (self.inner.accept(stream, service), self.patience);
        Box::pin(async move {
            let (stream, service) = accepting.await?;
            let silence = Some(Box::pin(tokio::time::sleep(patience)));
            Ok((Guest { stream, _place: place, heard: 0, silence }, service))
        })
    }
}

/// A connection that has its place until it ends.
#[derive(Debug)]
pub(super) struct Guest<I> {
    stream: I,
    _place: OwnedSemaphorePermit,
    heard: usize,
    silence: Option<Pin<Box<Sleep>>>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Guest<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard = self.heard.saturating_add(buf.filled().len().saturating_sub(before));
        if self.heard >= PREFACE {
            self.silence = None;
        }
        let is_over = |silence: &mut Pin<Box<Sleep>>| silence.as_mut().poll(cx).is_ready();
        if read.is_pending() && self.silence.as_mut().is_some_and(is_over) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guest<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
