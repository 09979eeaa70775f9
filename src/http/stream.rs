//! One stream of Server-Sent Events. It reads when its consumer has taken what was read before, and nobody waits for it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::following::Following;
use crate::delivery::{Among, Cursor, Item, ReadError, Wanted};

/// Events read ahead at most.
const READ_AHEAD: usize = 64;
/// How long a consumer waits before it comes again, unless it knows better.
const OPENING: &str = "retry: 2000\n\n";
/// A comment that shows that the stream is alive.
const HEARTBEAT: &str = ": still here\n\n";

/// A stream.
pub(super) struct Stream {
    following: Following,
    at: Cursor,
    wanted: Wanted,
    among: Option<Among>,
    committed: watch::Receiver<u64>,
    has_begun: bool,
    is_over: bool,
    /// One of the places for streams, given back when the consumer is gone.
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// A stream from a cursor on.
    pub(super) fn new(
        following: Following,
        at: Cursor,
        wanted: Wanted,
        among: Option<Among>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let committed = following.desk.committed();
        let wanted = Wanted { most: wanted.most.min(READ_AHEAD), ..wanted };
        Stream { following, at, wanted, among, committed, has_begun: false, is_over: false, _place: place }
    }

    /// The next bytes; `None` when the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(Bytes::from_static(OPENING.as_bytes()));
        }
        let stop = self.following.tasks.soft().clone();
        while !self.is_over && !stop.is_cancelled() {
            self.committed.borrow_and_update();
            let (at, wanted, among) = (self.at, self.wanted.clone(), self.among.take());
            let reader = self.following.reader.clone();
            let read = self.following.tasks.blocking(move || (reader.page(Some(at), &wanted, among.as_ref()), among));
            let (page, among) = read.await;
            let page = match page {
                Ok(page) => page,
                Err(error) => return Some(self.end_with(&error)),
            };
            // Behind its end the list is of no use.
            self.among = among.filter(|among| page.next.seq < among.until);
            self.at = page.next;
            if !page.items.is_empty() {
                return Some(self.frames(&page.items));
            }
            if page.at_end && !self.wait(self.following.settings.heartbeat.get()).await {
                return (!self.is_over).then(|| Bytes::from_static(HEARTBEAT.as_bytes()));
            }
        }
        None
    }

    /// Waits until something is recorded; `false` when it is time for a sign of life, or all is over.
    async fn wait(&mut self, heartbeat: Duration) -> bool {
        tokio::select! {
            () = self.following.tasks.soft().cancelled() => {
                self.is_over = true;
                false
            }
            changed = self.committed.changed() => {
                self.is_over = changed.is_err();
                !self.is_over
            }
            () = tokio::time::sleep(heartbeat) => false,
        }
    }

    fn frames(&self, items: &[Item]) -> Bytes {
        let mut text = String::new();
        for item in items {
            let cursor = item.cursor.write(self.following.reader.source());
            let event = serde_json::to_string(&item.event).unwrap_or_default();
            // JSON has no line breaks of its own, so one `data` line holds it.
            if write!(text, "id: {cursor}\ndata: {event}\n\n").is_err() {
                break;
            }
        }
        Bytes::from(text)
    }

    /// Says why the stream ends before its consumer wanted it to.
    fn end_with(&mut self, error: &ReadError) -> Bytes {
        self.is_over = true;
        let (code, first) = match error {
            ReadError::Gone { first } => ("gone", first.write(self.following.reader.source())),
            _ => {
                tracing::error!(%error, "a stream of events ends");
                ("unexpected", String::new())
            }
        };
        Bytes::from(format!("event: {code}\ndata: {{\"code\":\"{code}\",\"first\":\"{first}\"}}\n\n"))
    }
}

/// The stream as a body. It is read only as fast as its consumer takes it.
pub(super) fn body(stream: Stream) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    futures_util::stream::unfold(stream, |mut stream| async move {
        let bytes = stream.next().await?;
        Some((Ok(bytes), stream))
    })
}
