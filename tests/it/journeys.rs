//! Whole journeys, from the first sign to the end.

use tandem::clock::Clock;
use tandem::desk::{Priority, Work};
use tandem_sdk::model::FactKind;
use tandem_sdk::secret::Secret;

use crate::desk_house::{CUSTOMER, thread};
use crate::play::Play;

/// A chat in the site's own thread: profile, placement, relay both ways, transfer, the end by grace, tokens renewed.
pub(crate) async fn a_thread_of_the_site(mut play: Play) -> Play {
    play.rest().await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "I need help");
    play.rest().await;
    play.wait(1).await;
    play.clouds.contact_moves(FactKind::LegConnected, "c1", play.clock.now(), Some("agent-1"));
    play.rest().await;
    play.wait(1).await;
    play.clouds.agent_writes("c1", play.clock.now(), "Hello Jane");
    play.clouds.agent_writes("c1", play.clock.now(), "How can I help?");
    play.rest().await;
    play.wait(1).await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "It is broken");
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "Quite");
    play.rest().await;
    play.wait(1).await;
    play.clouds.hand_over("c1", "c2", play.clock.now(), "agent-2");
    play.rest().await;
    play.wait(1).await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "Still there?");
    play.rest().await;
    play.wait(1).await;
    play.clouds.contact_moves(FactKind::LegEnded, "c2", play.clock.now(), None);
    play.rest().await;
    play.wait(21).await;
    // After a stop grace begins anew.
    play.wait(21).await;
    play.wait(20 * 3600).await;
    let rejected = || Work::TokenRejected { secret: "hub/acs".into(), value: Secret::new("user-token") };
    while !play.submit(Priority::Outcome, rejected()).await {}
    play.rest().await;
    play
}

/// A chat that `POST /v1/chats` begins; Connect is quicker with its events than with its answer; the customer leaves.
async fn a_chat_that_a_caller_begins(mut play: Play) -> Play {
    play.clouds.tells_early = true;
    play.rest().await;
    let opened = play.open_chat("order-1").await;
    // The customer's token has little life left, and the chat is not idle long enough to be over.
    play.wait(24 * 3600 - 300).await;
    play.renew_token().await;
    play.clouds.customer_writes(opened.clone(), play.clock.now(), "8:acs:1", "Hello?");
    play.rest().await;
    play.wait(2).await;
    play.clouds.contact_moves(FactKind::LegConnected, "c1", play.clock.now(), Some("agent-1"));
    play.rest().await;
    play.wait(2).await;
    play.clouds.leaves(opened, play.clock.now(), "8:acs:1");
    play.rest().await;
    play.open_chat("order-2").await;
    play
}

/// Nobody says anything and nobody comes: the placement is overdue, asked about, and given up; a contact that nobody
/// knows is parked, asked about and adopted.
async fn a_customer_whom_nobody_serves(mut play: Play) -> Play {
    play.clouds.is_silent = true;
    let confirm =
        || Work::Confirm { instance: "connect".into(), topic: "chat".into(), address: Secret::new("https://confirm") };
    while !play.submit(Priority::Webhook, confirm()).await {}
    play.rest().await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "Anybody?");
    play.clouds.contact_moves(FactKind::LegQueued, "c77", play.clock.now(), None);
    play.rest().await;
    play.wait(11).await;
    for _ in 0..12 {
        play.wait(90).await;
    }
    play
}

/// How a journey is played.
pub(crate) type Journey = fn(Play) -> std::pin::Pin<Box<dyn Future<Output = Play>>>;

/// The journeys: name, whether there is a CDP, and how each is played.
pub(crate) const JOURNEYS: [(&str, bool, Journey); 3] = [
    ("a thread of the site", true, |play| Box::pin(a_thread_of_the_site(play))),
    ("a chat that a caller begins", false, |play| Box::pin(a_chat_that_a_caller_begins(play))),
    ("a customer whom nobody serves", false, |play| Box::pin(a_customer_whom_nobody_serves(play))),
];
