//! `POST /v1/erasures`: a customer's personal data become unreadable, for ever. The log still folds.
//!
//! The keys are gone when the desk's commit is durable. What stood of them in older files goes right after, on a thread
//! where that may take its time: the answer says whether it is done, and it goes on when nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use tandem_sdk::model::{Identity, IdentityKind, InteractionId};
use tokio::sync::{Mutex, oneshot};
use uuid::Uuid;

use super::following::{Following, Refused, either, json as answer, not_now};
use super::hooks::read;
use super::problem::{Code, problem};
use super::query::wrong;
use crate::config::Scope;
use crate::desk::Whose;
use crate::profiles::Profiles;
use crate::shutdown::Tasks;
use crate::store::{Keyspace, Store, StoreError};

/// Longest time that the caller waits for the files.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a body must be.
const EXPECTED: &str = "expected {\"interaction\": id}, or {\"identity\": {\"kind\": \"customer\" | \"phone\" | \"email\" | \
                        \"communication_user\", \"value\": text}}";

/// Who is to be erased: the customer of an interaction, or whoever has an identity.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    interaction: Option<Uuid>,
    #[serde(default)]
    identity: Option<WishedIdentity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WishedIdentity {
    kind: IdentityKind,
    value: String,
}

/// The room behind `/v1/erasures`.
#[derive(Clone)]
pub struct Erasures {
    following: Following,
    profiles: Profiles,
    files: Arc<Files>,
}

impl Erasures {
    /// Erases through the desk of `following`, from the files of `store` and from what `profiles` remember.
    pub fn new(following: Following, store: Arc<dyn Store>, profiles: Profiles) -> Self {
        let files = Arc::new(Files { store, wanted: AtomicU64::new(0), done: Mutex::new(0) });
        Erasures { following, profiles, files }
    }

    pub(super) fn routes(self) -> Router {
        Router::new().route("/v1/erasures", post(create)).with_state(self)
    }

    /// Scrubs the files, and says whether that is done; it goes on when it takes longer than the caller waits.
    async fn scrubbed(&self) -> bool {
        let (files, tasks) = (Arc::clone(&self.files), self.following.tasks.clone());
        let (tell, told) = oneshot::channel();
        self.following.tasks.passing("scrubbing", async move {
            let done = files.scrub(&tasks).await;
            if let Err(error) = &done {
                tracing::error!(%error, "destroyed keys may still stand in old files; the next erasure tries again");
            }
            if tell.send(done.is_ok()).is_err() {
                tracing::debug!("nobody waits for the files any more");
            }
        });
        matches!(tokio::time::timeout(PATIENCE, told).await, Ok(Ok(true)))
    }
}

/// The store's files, from which what was destroyed is to go too.
struct Files {
    store: Arc<dyn Store>,
    /// Erasures so far.
    wanted: AtomicU64,
    /// Of those, how many are out of the files.
    done: Mutex<u64>,
}

impl Files {
    /// One at a time, since commits wait meanwhile, and once for all erasures that came before it began.
    async fn scrub(&self, tasks: &Tasks) -> Result<(), StoreError> {
        let this = self.wanted.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        let mut done = self.done.lock().await;
        if *done >= this {
            return Ok(());
        }
        let all = self.wanted.load(Ordering::Acquire);
        let store = Arc::clone(&self.store);
        tasks
            .blocking(move || [Keyspace::Keys, Keyspace::Vault].into_iter().try_for_each(|one| store.scrub(one)))
            .await?;
        *done = all;
        Ok(())
    }
}

async fn create(State(erasures): State<Erasures>, request: Request) -> Response {
    let following = &erasures.following;
    let (parts, body) = request.into_parts();
    let erased = async {
        following.admit(&parts.headers, Scope::Operate)?;
        let body = read(body, following.body).await?;
        // What is wrong is not quoted: it is somebody's identity.
        let wish: Wish = serde_json::from_slice(&body).map_err(|_| wrong(EXPECTED))?;
        let whose = match (wish.interaction, wish.identity) {
            (Some(id), None) => Whose::Interaction(InteractionId(id)),
            (None, Some(WishedIdentity { kind, value })) => {
                Whose::Identity(Identity { kind, value: value.into(), source: "erasure".to_owned(), verified: true })
            }
            _ => return Err(wrong(EXPECTED)),
        };
        let subjects = following.desk.subjects_of(whose).await.map_err(|error| Box::new(not_now(error)))?;
        if subjects.is_empty() {
            return Err(Box::new(problem(Code::NotFound, "nothing of this customer is known here")));
        }
        following.desk.erase(subjects.clone()).await.map_err(|error| Box::new(not_now(error)))?;
        // Answers are remembered by all of a person's identities together, and any of them may have been named.
        erasures.profiles.forget();
        let scrubbed = erasures.scrubbed().await;
        tracing::info!(subjects = subjects.len(), scrubbed, "personal data were erased");
        Ok::<_, Refused>(answer(&json!({ "subjects": subjects, "scrubbed": scrubbed })))
    };
    either(erased.await)
}
