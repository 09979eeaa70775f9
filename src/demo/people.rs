//! The people of the demo: a customer with a chat client, and agents with a desktop.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// Attempts of a person who meets a fault.
const PERSISTENCE: usize = 60;

/// A customer with a chat client.
pub(super) struct Customer {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: String,
    pub(super) thread: String,
    pub(super) identity: String,
    pub(super) token: String,
    pub(super) name: String,
}

/// What came of a call.
enum Sent {
    Done(Value),
    /// Refused: it will not be otherwise another time.
    Refused(StatusCode),
    /// Nobody knows whether it was done.
    Unknown,
    /// It was not done.
    Later,
}

impl Customer {
    fn url(&self, path: &str) -> String {
        let thread = self.thread.replace(':', "%3A").replace('@', "%40");
        format!("{}/chat/threads/{thread}/{path}?api-version=2024-03-07", self.endpoint)
    }

    /// One attempt; waits before the next one where it has to come.
    async fn send(&self, request: RequestBuilder) -> Sent {
        let (sent, pause) = match request.bearer_auth(&self.token).send().await {
            Ok(answer) if answer.status().is_success() => {
                return Sent::Done(answer.json().await.unwrap_or(Value::Null));
            }
            Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => (Sent::Later, 700),
            Ok(answer) if answer.status().is_client_error() => return Sent::Refused(answer.status()),
            Ok(_) | Err(_) => (Sent::Unknown, 150),
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        sent
    }

    /// Writes a message, however often it takes, and never twice: a client looks before it sends again. Gives its id.
    pub(super) async fn say(&self, mark: &str, text: &str, kind: &str) -> Result<String, String> {
        let body = json!({
            "content": text, "type": kind, "senderDisplayName": self.name, "metadata": { "client": mark },
        });
        for _ in 0..PERSISTENCE {
            match self.send(self.http.post(self.url("messages")).json(&body)).await {
                Sent::Done(answer) => return Ok(answer["id"].as_str().unwrap_or_default().to_owned()),
                Sent::Refused(status) => return Err(format!("the chat refused the customer's message: {status}")),
                Sent::Later => {}
                Sent::Unknown => {
                    if let Some(id) = self.said(|message| message["metadata"]["client"] == mark).await {
                        return Ok(id);
                    }
                }
            }
        }
        Err("the chat never took the customer's message".to_owned())
    }

    /// The id of a message like this, if it is in the thread.
    async fn said(&self, is_meant: impl Fn(&Value) -> bool) -> Option<String> {
        for _ in 0..PERSISTENCE {
            let list = self.http.get(format!("{}&maxPageSize=100", self.url("messages")));
            if let Sent::Done(page) = self.send(list).await
                && let Some(messages) = page["value"].as_array()
            {
                let found = messages.iter().find(|message| is_meant(message));
                return found.map(|message| message["id"].as_str().unwrap_or_default().to_owned());
            }
        }
        None
    }

    /// Gives a message another text.
    pub(super) async fn correct(&self, message: &str, text: &str) -> Result<(), String> {
        let url = self.url(&format!("messages/{message}"));
        for _ in 0..PERSISTENCE {
            match self.send(self.http.patch(&url).json(&json!({ "content": text }))).await {
                Sent::Done(_) => return Ok(()),
                Sent::Refused(status) => return Err(format!("the chat refused the correction: {status}")),
                Sent::Later => {}
                Sent::Unknown => {
                    if self.said(|one| one["id"] == message && one["content"]["message"] == text).await.is_some() {
                        return Ok(());
                    }
                }
            }
        }
        Err("the chat never took the correction".to_owned())
    }

    /// Takes a message back.
    pub(super) async fn take_back(&self, message: &str) -> Result<(), String> {
        let url = self.url(&format!("messages/{message}"));
        self.once_and_for_all("taking back", || self.http.delete(&url)).await
    }

    /// Leaves the chat.
    pub(super) async fn leave(&self) -> Result<(), String> {
        let (url, body) = (self.url("participants/:remove"), json!({ "rawId": self.identity }));
        self.once_and_for_all("leaving", || self.http.post(&url).json(&body)).await
    }

    /// Does what is done when it cannot be done again.
    async fn once_and_for_all(&self, what: &str, request: impl Fn() -> RequestBuilder) -> Result<(), String> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.send(request()).await {
                Sent::Done(_) => return Ok(()),
                Sent::Refused(_) if attempts > 1 => return Ok(()),
                Sent::Refused(status) => return Err(format!("the chat refused {what}: {status}")),
                Sent::Later | Sent::Unknown if attempts < PERSISTENCE => {}
                Sent::Later | Sent::Unknown => return Err(format!("{what} never came about")),
            }
        }
    }
}

/// The agents' desktop.
#[derive(Clone)]
pub(super) struct Desktop {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: String,
}

impl Desktop {
    async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let sent = self.http.post(format!("{}{path}", self.endpoint)).json(body).send().await;
        let answer = sent.map_err(|error| format!("the agents' desktop is gone: {error}"))?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or(Value::Null);
        if status.is_success() { Ok(body) } else { Err(format!("{path}: {status} {body}")) }
    }

    /// Takes a contact.
    pub(super) async fn accept(&self, contact: &str, agent: &str) -> Result<(), String> {
        self.post(&format!("/sim/contacts/{contact}/accept"), &json!({ "userId": agent })).await.map(drop)
    }

    /// Says something.
    pub(super) async fn say(&self, contact: &str, text: &str) -> Result<(), String> {
        self.post(&format!("/sim/contacts/{contact}/message"), &json!({ "text": text })).await.map(drop)
    }

    /// Sends a file.
    pub(super) async fn attach(&self, contact: &str, name: &str) -> Result<(), String> {
        let file = json!({ "name": name, "contentType": "application/pdf", "base64": "JVBERi0xLjQK" });
        self.post(&format!("/sim/contacts/{contact}/attachment"), &file).await.map(drop)
    }

    /// Hands over to another agent; gives the new contact.
    pub(super) async fn hand_over(&self, contact: &str, agent: &str) -> Result<String, String> {
        let next = self.post(&format!("/sim/contacts/{contact}/transfer"), &json!({ "userId": agent })).await?;
        Ok(next["contactId"].as_str().unwrap_or_default().to_owned())
    }

    /// Ends the conversation.
    pub(super) async fn end(&self, contact: &str) -> Result<(), String> {
        self.post(&format!("/sim/contacts/{contact}/disconnect"), &json!({})).await.map(drop)
    }

    /// The id of the queue in which a contact waits, if it waits.
    pub(super) async fn queue_of(&self, contact: &str) -> Option<String> {
        let url = format!("{}/sim/contacts/{contact}", self.endpoint);
        let shown: Value = self.http.get(url).send().await.ok()?.json().await.ok()?;
        let queue = shown["queue"].as_str().filter(|_| shown["stage"] == "queued")?;
        Some(queue.to_owned())
    }
}
