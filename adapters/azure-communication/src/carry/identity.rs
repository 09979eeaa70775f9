//! The identity API: who speaks, and with which token. Signed with the access key.

use std::time::Duration;

use jiff::Timestamp;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Carried, Outcome, Personal};
use tandem_sdk::secret::{Secret, SecretRole};

use super::wire::{AccessToken, CreateIdentity, CreatedIdentity, IssueAccessToken};
use crate::client::{Call, Client, Credential, segment};

/// `POST /identities`: makes an identity without a token. Repeating makes another one, which nobody uses: harmless.
pub(super) async fn identify(client: &Client, version: &str, now: Timestamp) -> Result<Carried, AdapterError> {
    let target = format!("/identities?api-version={version}");
    let call = Call::post("CreateIdentity", target, &CreateIdentity {}, Credential::AccessKey, now);
    let created: CreatedIdentity = client.ask(call).await?;
    Ok(Outcome::Identified { address: Personal::new(created.identity.id) }.into())
}

/// `POST /identities/{id}/:issueAccessToken` for chat. Older tokens stay valid.
pub(crate) async fn issue_token(
    client: &Client,
    version: &str,
    address: &Personal,
    lifetime: Duration,
    now: Timestamp,
) -> Result<Carried, AdapterError> {
    const OPERATION: &str = "IssueAccessToken";
    let address = address.reveal().ok_or_else(|| erased(OPERATION))?;
    let target = format!("/identities/{}/:issueAccessToken?api-version={version}", segment(OPERATION, address)?);
    let body = IssueAccessToken { scopes: ["chat"], expires_in_minutes: lifetime.as_secs() / 60 };
    let issued: AccessToken = client.ask(Call::post(OPERATION, target, &body, Credential::AccessKey, now)).await?;
    Ok(Carried {
        outcome: Outcome::Issued { expires_at: issued.expires_on },
        secrets: vec![(SecretRole::UserToken, Secret::new(issued.token))],
    })
}

/// The personal value that the call needs is gone; no later attempt will have it.
pub(super) fn erased(operation: &'static str) -> AdapterError {
    AdapterError::new(ErrorKind::Malformed, operation, "the command lacks a personal value, perhaps erased")
}
