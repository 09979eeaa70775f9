//! A client that reads: it gets what is stored from its start on, as its credit allows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fe2o3_amqp::Sender;
use fe2o3_amqp::acceptor::LinkEndpoint;
use fe2o3_amqp_types::definitions::Error;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use tandem_sdk::sim::{Fault, FaultKind};

use crate::attach::ReadWish;
use crate::conditions;
use crate::readers::{Newcomer, Refused, Seat};
use crate::request_response::expired;
use crate::session::{Place, refuse};
use crate::settings::Right;

/// Events that are taken from the log at once.
const PAGE: usize = 100;
/// What can befall a page.
const FAULTS: [FaultKind; 4] =
    [FaultKind::Delay, FaultKind::ServerError, FaultKind::Timeout, FaultKind::UnknownOutcome];
/// How long a connection is silent when a page is lost by a fault.
const SILENCE: Duration = Duration::from_secs(1);

/// Why a link ends.
enum End {
    /// The client has detached, or its session is gone.
    Gone,
    /// The client is told why.
    Told(Error),
}

/// Serves a reader until its link ends.
pub(crate) async fn serve(wish: ReadWish, sender: Sender, place: &Place) {
    let id = place.namespace.new_id();
    let entered = wish.partition.readers().entry(wish.group.clone()).or_default().enter(id, &wish.name, wish.epoch);
    let seat = match entered {
        Ok(seat) => seat,
        Err(why) => {
            enter("reader.refused", &wish, place, json!({"why": format!("{why:?}")}));
            return refuse(LinkEndpoint::Sender(sender), refusal(&wish, &why), &wish.name, place).await;
        }
    };
    let held = Held { id, wish: &wish, place };
    for name in &seat.took_from {
        enter("reader.displaced", &wish, place, json!({"displaced": name}));
    }
    match wish.partition.first_of(wish.start) {
        Ok(first) => {
            enter("reader.attached", &wish, place, json!({"first": first}));
            let mut sender = sender;
            let end = read(first, &wish, seat, &mut sender, place).await;
            drop(held);
            let closed = match end {
                End::Gone => sender.close().await,
                End::Told(error) => sender.close_with_error(error).await,
            };
            if let Err(error) = closed {
                tracing::debug!(%error, "a reader's link did not close");
            }
        }
        Err(why) => {
            drop(held);
            refuse(LinkEndpoint::Sender(sender), conditions::argument_error(why), &wish.name, place).await;
        }
    }
}

/// A place that is given back when its link ends, in whatever way: a connection that is cut drops its links.
struct Held<'a> {
    id: u64,
    wish: &'a ReadWish,
    place: &'a Place,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(readers) = self.wish.partition.readers().get_mut(&self.wish.group) {
            readers.leave(self.id);
        }
        enter("reader.left", self.wish, self.place, json!({}));
    }
}

async fn read(first: i64, wish: &ReadWish, mut seat: Seat, sender: &mut Sender, place: &Place) -> End {
    let (mut growth, mut orders) = (wish.partition.growth(), place.namespace.detach.subscribe());
    let most = place.namespace.settings.bounds.unsettled;
    let (mut next, mut unsettled) = (first, VecDeque::new());
    loop {
        growth.borrow_and_update();
        let page = wish.partition.read(next, PAGE);
        let mut left = Duration::try_from(wish.until - Timestamp::now()).unwrap_or_default();
        if !page.is_empty()
            && let Some(end) = befallen(wish, place).await
        {
            return end;
        }
        let mut page = page.into_iter().peekable();
        loop {
            let event = page.peek().cloned();
            let work = async {
                match &event {
                    Some(event) => sender.send_batchable_ref(&event.delivery).await.map(Some).map_err(|_| ()),
                    None => {
                        tokio::select! {
                            _ = sender.on_detach() => Err(()),
                            grown = growth.changed() => grown.map(|()| None).map_err(|_| ()),
                        }
                    }
                }
            };
            let mut work = std::pin::pin!(work);
            // An order for somebody else must not drop the work: the event may be on its way already.
            let done = loop {
                tokio::select! {
                    biased;
                    Ok(newcomer) = &mut seat.displaced => return End::Told(stolen(wish, &newcomer)),
                    Ok(hub) = orders.recv() => {
                        if hub.is_none_or(|hub| hub.eq_ignore_ascii_case(&wish.hub)) {
                            return End::Told(conditions::detach_forced("the simulator was told to detach links"));
                        }
                    }
                    done = &mut work => break done,
                    () = tokio::time::sleep(left) => match still_allowed(wish, place) {
                        Some(until) => left = Duration::try_from(until - Timestamp::now()).unwrap_or_default(),
                        None => return End::Told(expired()),
                    },
                }
            };
            match done {
                Ok(Some(outcome)) => unsettled.push_back(outcome),
                Ok(None) => break,
                Err(()) => return End::Gone,
            }
            next = event.as_ref().map_or(next, |event| event.sequence + 1);
            page.next();
            // What a client answers changes nothing here, as in the service; only so many answers are waited for.
            while unsettled.len() > most {
                unsettled.pop_front();
            }
            if page.peek().is_none() {
                break;
            }
        }
    }
}

fn still_allowed(wish: &ReadWish, place: &Place) -> Option<Timestamp> {
    let path = format!("{}/ConsumerGroups/{}/Partitions/{}", wish.hub, wish.group, wish.partition.id);
    place.connection.grants.allow(&path, &[Right::Listen], Timestamp::now())
}

/// Draws what befalls a page; gives how the link ends, if it does.
async fn befallen(wish: &ReadWish, place: &Place) -> Option<End> {
    match place.namespace.faults.draw(&format!("deliver {}", wish.hub), &FAULTS)? {
        Fault::Delay(delay) => tokio::time::sleep(delay).await,
        Fault::ServerError => return Some(End::Told(conditions::internal("the simulated namespace failed"))),
        Fault::Timeout => place.connection.freeze(Instant::now() + SILENCE),
        Fault::UnknownOutcome => place.connection.cut.notify_one(),
        _ => {}
    }
    None
}

fn stolen(wish: &ReadWish, by: &Newcomer) -> Error {
    let (name, partition) = (&wish.name, &wish.partition.id);
    let newcomer = format!("{} with epoch {}", by.name, by.epoch);
    conditions::stolen(format!("{newcomer} reads partition {partition} in place of {name}"))
}

fn refusal(wish: &ReadWish, why: &Refused) -> Error {
    let who = format!("{} cannot read partition {}", wish.name, wish.partition.id);
    match why {
        Refused::EpochBelow(held) => conditions::stolen(format!("{who}: somebody reads with the higher epoch {held}")),
        Refused::BesideEpoch(held) => {
            conditions::stolen(format!("{who} without an epoch: somebody reads with epoch {held}"))
        }
        Refused::TooMany => conditions::limit_exceeded(format!("{who}: five read without an epoch already")),
    }
}

fn enter(effect: &str, wish: &ReadWish, place: &Place, more: Json) {
    let mut detail = Map::new();
    detail.insert("hub".to_owned(), json!(wish.hub));
    detail.insert("group".to_owned(), json!(wish.group));
    detail.insert("partition".to_owned(), json!(wish.partition.id));
    detail.insert("epoch".to_owned(), json!(wish.epoch));
    if let Json::Object(mut more) = more {
        detail.append(&mut more);
    }
    place.namespace.enter(effect, &wish.name, place.connection.id, detail);
}
