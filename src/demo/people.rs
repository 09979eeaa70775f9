//! The people of the demo: a customer with a chat client, and agents with a desktop.

use std::time::Duration;

use serde_json::{Value, json};

/// Attempts of a person who meets a fault.
const PERSISTENCE: usize = 40;

/// A customer with a chat client.
pub(super) struct Customer {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: String,
    pub(super) thread: String,
    pub(super) token: String,
    pub(super) name: String,
}

impl Customer {
    fn messages(&self) -> String {
        let thread = self.thread.replace(':', "%3A").replace('@', "%40");
        format!("{}/chat/threads/{thread}/messages?api-version=2024-03-07", self.endpoint)
    }

    /// Writes a message, however often it takes, and never twice: a client looks before it sends again.
    pub(super) async fn say(&self, id: &str, text: &str, kind: &str) -> Result<(), String> {
        let body = json!({
            "content": text, "type": kind, "senderDisplayName": self.name, "metadata": { "client": id },
        });
        for _ in 0..PERSISTENCE {
            let sent = self.http.post(self.messages()).bearer_auth(&self.token).json(&body).send().await;
            let pause = match sent {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) if answer.status().as_u16() == 429 => 700,
                Ok(answer) if answer.status().is_client_error() => {
                    return Err(format!("the chat refused the customer's message: {}", answer.status()));
                }
                Ok(_) | Err(_) => 150,
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if pause != 700 && self.has_said(id).await {
                return Ok(());
            }
        }
        Err("the chat never took the customer's message".to_owned())
    }

    async fn has_said(&self, id: &str) -> bool {
        for _ in 0..PERSISTENCE {
            let url = format!("{}&maxPageSize=100", self.messages());
            if let Ok(answer) = self.http.get(url).bearer_auth(&self.token).send().await
                && let Ok(page) = answer.json::<Value>().await
                && let Some(messages) = page["value"].as_array()
            {
                return messages.iter().any(|message| message["metadata"]["client"] == id);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        false
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
