//! The clients: keep-alive connections, each with one request on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::events::Script;
use crate::hub::Carried;

/// Connections.
pub(crate) const CONNECTIONS: usize = 64;

/// Clients of one server.
pub(crate) struct Load {
    http: reqwest::Client,
    url: String,
}

/// What a run took.
pub(crate) struct Figures {
    took: Duration,
    each: Vec<Duration>,
}

impl Figures {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.each.len() as f64 / self.took.as_secs_f64()
    }

    /// The time within which this share of the answers came, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let place = (self.each.len().saturating_sub(1)) as f64 * share;
        self.each.get(place as usize).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }
}

/// The one in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

impl Load {
    pub(crate) fn new(url: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(CONNECTIONS).http1_only();
        Load { http: http.build().unwrap(), url }
    }

    /// As fast as answers come.
    pub(crate) async fn run(&self, requests: Vec<Bytes>) -> Figures {
        self.drive(move |request| requests.get(request).cloned(), |_| None, None).await
    }

    /// As fast as answers come; requests are written when they are sent.
    pub(crate) async fn run_on(&self, script: Script, requests: usize, size: u64) {
        let write = move |request| (request < requests).then(|| script.requests(&script.next, 1, size).remove(0));
        self.drive(write, |_| None, None).await;
    }

    /// At a given rate, whether answers come or not.
    pub(crate) async fn paced(&self, requests: Vec<Bytes>, rate: f64, carried: &Arc<Carried>) -> Figures {
        let start = Instant::now();
        let due = move |request: usize| Some(start + Duration::from_secs_f64(request as f64 / rate));
        self.drive(move |request| requests.get(request).cloned(), due, Some(Arc::clone(carried))).await
    }

    async fn drive(
        &self,
        requests: impl Fn(usize) -> Option<Bytes> + Send + Sync + 'static,
        due: impl Fn(usize) -> Option<Instant> + Copy + Send + 'static,
        carried: Option<Arc<Carried>>,
    ) -> Figures {
        let requests = Arc::new(requests);
        let next = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (http, url) = (self.http.clone(), self.url.clone());
            let (requests, next, carried) = (Arc::clone(&requests), Arc::clone(&next), carried.clone());
            clients.spawn(async move {
                let mut each = Vec::new();
                loop {
                    let request = next.fetch_add(1, Ordering::Relaxed);
                    let Some(body) = requests(request) else { return each };
                    if let Some(due) = due(request) {
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let start = Instant::now();
                    if let Some(carried) = &carried {
                        carried.begins(request, start);
                    }
                    // Told to come again, it comes again: nothing is lost, and the time counts.
                    loop {
                        let post = http.post(&url).header("content-type", "application/json").body(body.clone());
                        let answer = post.send().await.unwrap();
                        let status = answer.status().as_u16();
                        answer.bytes().await.unwrap();
                        match status {
                            200 => break,
                            503 => tokio::time::sleep(Duration::from_millis(1)).await,
                            other => panic!("answered {other}"),
                        }
                    }
                    each.push(start.elapsed());
                }
            });
        }
        let mut each: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
        let took = start.elapsed();
        each.sort_unstable();
        Figures { took, each }
    }
}
