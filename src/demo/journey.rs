//! One journey: what its customer and its agents do, in acts.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::judge::{Said, Words};
use super::ledgers::Entry;
use super::people::{Customer, Desktop};
use super::stage::Stage;
use super::town::{PRIORITY, agent};
use crate::clock::{Clock as _, SystemClock};

/// The last act.
const ACTS: usize = 6;
/// What stands for a message that was taken back.
const TAKEN_BACK: &str = "(a message was taken back)";

/// Every other customer is one of whom the CDP says gold.
fn is_gold(journey: usize) -> bool {
    journey.is_multiple_of(2)
}

/// A message of a burst: its text, its form, and the marks to listen for.
type Line = (String, &'static str, Vec<String>);
/// A mark to listen for, and since when.
type Awaited = Vec<(String, Timestamp)>;

/// A journey that is under way.
struct Scene<'s> {
    stage: &'s Stage,
    n: usize,
    customer: Customer,
    desktop: Desktop,
    /// The segment of the chat that is going on.
    contact: String,
    said: Said,
}

impl Stage {
    pub(super) async fn journey(&self, n: usize) -> Result<Said, String> {
        self.killing.pause(n, 0, ACTS).await;
        let (interaction, customer) = self.open_chat(n).await?;
        self.report.step(n, "site", "opens a chat for a customer", &json!(customer.thread));
        let desktop = Desktop { http: self.http.clone(), endpoint: format!("https://{}", self.town.connect) };
        let seed = self.seed.unwrap_or(0);
        let said = Said {
            journey: n,
            thread: customer.thread.clone(),
            customer_leaves: (seed / 2 + n as u64) % 2 == 1,
            ..Said::default()
        };
        let mut scene = Scene { stage: self, n, customer, desktop, contact: String::new(), said };
        let told = async |scene: &mut Scene<'_>| {
            scene.ask_for_help(&interaction).await?;
            scene.talk().await?;
            scene.correct().await?;
            scene.hand_over().await?;
            scene.end().await
        };
        told(&mut scene).await.map_err(|complaint| format!("journey {n}: {complaint}"))?;
        Ok(scene.said)
    }

    async fn open_chat(&self, n: usize) -> Result<(String, Customer), String> {
        let url = format!("https://{}/v1/chats", self.town.hub);
        let wish = json!({
            "idempotency_key": format!("demo-{n}"),
            "customer": { "name": "Jane Doe", "customer": if is_gold(n) { "C-1001" } else { "C-2002" } },
            "topic": "A parcel",
            "attributes": { "order": format!("4711-{n}") },
        });
        let opened = tokio::sync::OnceCell::new();
        let ask = || async {
            let Ok(answer) = self.http.post(&url).json(&wish).send().await else { return false };
            if answer.status() != 201 {
                return false;
            }
            answer.json::<Value>().await.is_ok_and(|body| opened.set(body).is_ok())
        };
        self.need("the hub opens a chat", ask).await?;
        let body = opened.into_inner().unwrap_or(Value::Null);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let customer = Customer {
            http: self.http.clone(),
            endpoint: text("endpoint"),
            thread: text("thread"),
            identity: text("identity"),
            token: text("token"),
            name: "Jane Doe".to_owned(),
        };
        Ok((text("interaction"), customer))
    }
}

impl Scene<'_> {
    fn step(&self, who: &str, what: &str, detail: &str) {
        self.stage.report.step(self.n, who, what, &json!(detail));
    }

    /// A text of the customer's that is like no other.
    fn of_customer(&mut self, text: &str) -> String {
        let text = format!("{text} [{}.c{}]", self.n, self.said.by_customer.len());
        self.said.by_customer.push(Words { text: text.clone(), goes_on: false });
        text
    }

    /// A text of the agents' that is like no other.
    fn of_agents(&mut self, text: &str) -> String {
        let text = format!("{text} [{}.a{}]", self.n, self.said.by_agents.len());
        self.said.by_agents.push(Words { text: text.clone(), goes_on: false });
        text
    }

    fn line(&mut self, text: &str) -> Line {
        let text = self.of_customer(text);
        (text.clone(), "text", vec![text])
    }

    /// The customer writes without waiting to be heard. Gives the ids, and what to listen for.
    async fn customer_says(&self, lines: &[Line]) -> Result<(Vec<String>, Awaited), String> {
        let (mut ids, mut awaited) = (Vec::new(), Vec::new());
        for (text, kind, marks) in lines {
            let id = self.customer.say(&marks.concat(), text, kind).await?;
            ids.push(id);
            awaited.extend(marks.iter().map(|mark| (mark.clone(), SystemClock.now())));
            tokio::time::sleep(self.stage.breath).await;
        }
        Ok((ids, awaited))
    }

    /// The agent writes without waiting to be heard.
    async fn agent_says(&self, texts: &[String]) -> Result<Awaited, String> {
        let mut awaited = Vec::new();
        for text in texts {
            self.desktop.say(&self.contact, text).await?;
            awaited.push((text.clone(), SystemClock.now()));
            tokio::time::sleep(self.stage.breath).await;
        }
        Ok(awaited)
    }

    async fn agents_hear(&self, awaited: Awaited) -> Result<(), String> {
        for (text, since) in awaited {
            self.stage.agents_hear(self.n, &self.said.contact, &text, since).await?;
        }
        Ok(())
    }

    async fn customer_hears(&self, awaited: Awaited) -> Result<(), String> {
        for (text, since) in awaited {
            self.stage.customer_hears(self.n, &self.customer.thread, &text, since).await?;
        }
        Ok(())
    }

    async fn hears_now(&self, text: &str) -> Result<(), String> {
        self.customer_hears(vec![(text.to_owned(), SystemClock.now())]).await
    }

    /// The customer writes; a contact waits in the queue that was decided, and Ada takes it.
    async fn ask_for_help(&mut self, interaction: &str) -> Result<(), String> {
        self.stage.killing.pause(self.n, 1, ACTS).await;
        let first = self.line("My parcel arrived broken.");
        let (_, awaited) = self.customer_says(&[first]).await?;
        self.step("customer", "writes", &awaited[0].0);
        let (contact, queue) = self.waiting(interaction).await?;
        self.contact.clone_from(&contact);
        self.said.contact = contact;
        let queue = if queue == PRIORITY { "priority" } else { "general" };
        self.step("connect", "the contact waits in its queue", queue);
        if is_gold(self.n) && queue != "priority" {
            self.stage.without_profile.fetch_add(1, Ordering::Relaxed);
            if !self.stage.may_lack_profiles {
                return Err(format!("a gold customer waits in the queue {queue}"));
            }
        }
        self.agents_hear(awaited).await?;
        self.stage.killing.pause(self.n, 2, ACTS).await;
        self.desktop.accept(&self.contact, &agent(self.n, false)).await?;
        self.step("agent", "Ada takes it", "");
        self.hears_now(&format!("talking to Ada Agent {}", self.n)).await?;
        self.step("hub", "brings Ada into the chat", "");
        Ok(())
    }

    async fn waiting(&self, interaction: &str) -> Result<(String, String), String> {
        let found = tokio::sync::OnceCell::new();
        let (from, contact) = (AtomicUsize::new(0), tokio::sync::OnceCell::new());
        let is_ours = |entry: &Entry| {
            let ours = entry.effect == "contact.started"
                && entry.detail["attributes"]["tandem_interaction"].as_str() == Some(interaction);
            // A contact that is started twice under one token is one contact.
            ours && contact.set(entry.text("contactId").to_owned()).is_ok()
        };
        self.stage.need("a contact is started", || self.stage.connect.has(interaction, &from, is_ours)).await?;
        let contact = contact.into_inner().unwrap_or_default();
        let ask = || async {
            self.desktop.queue_of(&contact).await.is_some_and(|queue| found.set((contact.clone(), queue)).is_ok())
        };
        self.stage.need("the contact waits at an agent", ask).await?;
        Ok(found.into_inner().unwrap_or_default())
    }

    /// Both sides talk at once, each without waiting for the other.
    async fn talk(&mut self) -> Result<(), String> {
        self.stage.killing.pause(self.n, 3, ACTS).await;
        let html = self.of_customer("As HTML.");
        let html = (format!("<p>The <b>green</b> one.</p><p>{html}</p>"), "html", vec![html]);
        let (begin, end) = (self.of_customer("Long begins."), self.of_customer("Long ends."));
        if let Some(last) = self.said.by_customer.last_mut() {
            last.goes_on = true;
        }
        let long = (format!("{begin} {} {end}", "word ".repeat(4_000)), "text", vec![begin, end]);
        let by_customer = [html, long, self.line("It was a gift.")];
        let by_agent = ["Hello, I am Ada.", "Which one is it?", "I will have a look."].map(|text| self.of_agents(text));
        let ((_, to_agents), to_customer) =
            tokio::try_join!(self.customer_says(&by_customer), self.agent_says(&by_agent))?;
        self.step("customer", "writes HTML, 20 KB and a line at once", "");
        self.step("agent", "writes three lines meanwhile", "");
        tokio::try_join!(self.agents_hear(to_agents), self.customer_hears(to_customer))?;
        self.step("hub", "everybody has heard everything", "");
        Ok(())
    }

    /// The customer corrects one message and takes another back; the agent sends a file.
    async fn correct(&mut self) -> Result<(), String> {
        self.stage.killing.pause(self.n, 4, ACTS).await;
        let lines = [self.line("Order 4712."), self.line("Never mind.")];
        let (ids, awaited) = self.customer_says(&lines).await?;
        self.agents_hear(awaited).await?;
        let corrected = self.of_customer("Order 4711.");
        self.customer.correct(&ids[0], &corrected).await?;
        tokio::time::sleep(self.stage.breath).await;
        self.said.by_customer.push(Words { text: TAKEN_BACK.to_owned(), goes_on: false });
        self.customer.take_back(&ids[1]).await?;
        let since = SystemClock.now();
        let file = self.of_agents("label.pdf");
        self.desktop.attach(&self.contact, &file).await?;
        self.agents_hear(vec![(corrected, since), (TAKEN_BACK.to_owned(), since)]).await?;
        self.step("customer", "corrects one message and takes one back; the agent is told", "");
        self.customer_hears(vec![(file, since)]).await?;
        self.step("agent", "sends a file; the customer is told that it stays behind", "");
        Ok(())
    }

    /// Ada hands over to Grace while the customer goes on writing.
    async fn hand_over(&mut self) -> Result<(), String> {
        self.stage.killing.pause(self.n, 5, ACTS).await;
        let next = self.desktop.hand_over(&self.contact, &agent(self.n, true)).await?;
        self.contact.clone_from(&next);
        self.step("agent", "hands over to Grace", &next);
        let lines = [self.line("Are you still there?"), self.line("Hello?")];
        let (_, to_agents) = self.customer_says(&lines).await?;
        self.desktop.accept(&next, &agent(self.n, true)).await?;
        self.hears_now(&format!("talking to Grace Agent {}", self.n)).await?;
        self.step("hub", "Ada is out, Grace is in", "");
        let texts = ["Yes.", "A new one is on its way."].map(|text| self.of_agents(text));
        let to_customer = self.agent_says(&texts).await?;
        tokio::try_join!(self.agents_hear(to_agents), self.customer_hears(to_customer))?;
        self.step("agent", "Grace answers", &texts[1]);
        Ok(())
    }

    /// One side ends, and so does the other.
    async fn end(&mut self) -> Result<(), String> {
        self.stage.killing.pause(self.n, ACTS, ACTS).await;
        if self.said.customer_leaves {
            self.customer.leave().await?;
            self.step("customer", "leaves the chat", "");
        } else {
            self.desktop.end(&self.contact).await?;
            self.step("agent", "Grace ends the conversation", "");
            self.hears_now("This conversation has ended").await?;
        }
        let from = AtomicUsize::new(0);
        let ended = |entry: &Entry| entry.effect == "contact.ended" && entry.key == self.contact;
        self.stage.need("the agents' side ends", || self.stage.connect.has(&self.contact, &from, ended)).await?;
        let gone = || async {
            self.stage.acs.refresh().await;
            let removed = |entry: &&Entry| entry.effect == "participant.removed";
            let agents = 2 + usize::from(self.said.customer_leaves);
            self.stage.acs.with(|entries| entries.about(&self.customer.thread).filter(removed).count() >= agents)
        };
        self.stage.need("the agents are out of the chat", gone).await?;
        self.step("hub", "has ended both sides", "");
        Ok(())
    }
}
