//! Files: three operations, and the two addresses that they hand out.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bearer::Bearing;
use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::instance::{AttachmentWish, Upload, instant};
use crate::sim::quotas::Operation;

/// How long an address for uploading is good, in seconds.
const UPLOAD_SECONDS: i64 = 900;

type Answer = Result<Json<Value>, Refused>;

/// `POST /participant/start-attachment-upload`
pub(super) async fn start(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: AttachmentWish = bearing.read(&cloud, Operation::StartAttachmentUpload)?;
    let upload = cloud.with(|instance, now| instance.start_upload(&bearing.token, &wish, now))?;
    let (url, expiry) = address(&bearing.origin, &upload, UPLOAD_SECONDS);
    Ok(Json(json!({
        "AttachmentId": upload.id,
        "UploadMetadata": {
            "Url": url, "UrlExpiry": expiry,
            "HeadersToInclude": { "Content-Type": upload.content_type, "Content-Length": upload.size.to_string() },
        },
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CompleteWish {
    attachment_ids: Vec<String>,
    client_token: String,
}

/// `POST /participant/complete-attachment-upload`
pub(super) async fn complete(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: CompleteWish = bearing.read(&cloud, Operation::CompleteAttachmentUpload)?;
    let [id] = wish.attachment_ids.as_slice() else {
        return Err(Refused::validation("AttachmentIds must name one attachment"));
    };
    cloud.with(|instance, now| instance.complete_upload(&bearing.token, id, wish.client_token, now))?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetWish {
    attachment_id: String,
    url_expiry_in_seconds: Option<i64>,
}

/// `POST /participant/attachment`
pub(super) async fn get(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: GetWish = bearing.read(&cloud, Operation::GetAttachment)?;
    let seconds = wish.url_expiry_in_seconds.unwrap_or(300);
    if !(5..=300).contains(&seconds) {
        return Err(Refused::validation("UrlExpiryInSeconds must be between 5 and 300"));
    }
    let upload = cloud.with(|instance, now| instance.attachment(&bearing.token, &wish.attachment_id, now))?;
    let (url, expiry) = address(&bearing.origin, &upload, seconds);
    Ok(Json(json!({ "Url": url, "UrlExpiry": expiry, "AttachmentSizeInBytes": upload.size })))
}

/// What makes an address good: until when, and a signature over that.
#[derive(Deserialize)]
pub(super) struct Ticket {
    expires: i64,
    signature: String,
}

/// `PUT /attachments/{id}`: an address handed out, so there is no other credential.
pub(super) async fn upload(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    Query(ticket): Query<Ticket>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    cloud.with(|instance, now| {
        let secret = instance.attachment_secret(&id)?;
        ticket.check(&id, &secret, now)?;
        instance.receive_bytes(&id, content_type, body.to_vec())
    })?;
    Ok(StatusCode::OK)
}

/// `GET /attachments/{id}`
pub(super) async fn download(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    Query(ticket): Query<Ticket>,
) -> Result<Response, Refused> {
    let (content_type, bytes) = cloud.with(|instance, now| {
        let secret = instance.attachment_secret(&id)?;
        ticket.check(&id, &secret, now)?;
        instance.attachment_bytes(&id)
    })?;
    Ok(([(CONTENT_TYPE, content_type)], bytes).into_response())
}

impl Ticket {
    fn check(&self, id: &str, secret: &str, now: Timestamp) -> Result<(), Refused> {
        let given = hex::decode(&self.signature).map_err(|_| Refused::access_denied())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::verify(&key, format!("{id}/{}", self.expires).as_bytes(), &given)
            .map_err(|_| Refused::access_denied())?;
        if now.as_second() > self.expires { Err(Refused::access_denied()) } else { Ok(()) }
    }
}

fn address(origin: &str, upload: &Upload, seconds: i64) -> (String, String) {
    let until = Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    let expires = until.as_second();
    let key = hmac::Key::new(hmac::HMAC_SHA256, upload.secret.as_bytes());
    let signature = hex::encode(hmac::sign(&key, format!("{}/{expires}", upload.id).as_bytes()));
    (format!("{origin}/attachments/{}?expires={expires}&signature={signature}", upload.id), instant(until))
}
