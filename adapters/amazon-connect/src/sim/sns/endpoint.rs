//! What SNS itself serves: its certificate, and the confirmation of subscriptions.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};
use jiff::Timestamp;
use tandem_sdk::sim::sigv4;
use url::form_urlencoded;

use crate::sim::cloud::Cloud;

/// The certificate's address and the query API at the root of the host.
pub(in crate::sim) fn routes() -> Router<Arc<Cloud>> {
    Router::new().route("/", get(query).post(form)).route("/{file}", get(certificate))
}

async fn certificate(State(cloud): State<Arc<Cloud>>, Path(file): Path<String>) -> Response {
    let signer = cloud.publisher.as_ref().map(super::Publisher::signer);
    match signer.filter(|signer| signer.certificate_path().strip_prefix('/') == Some(&file)) {
        Some(signer) => {
            ([(CONTENT_TYPE, "application/x-pem-file")], signer.certificate_pem().to_owned()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What is asked of SNS, from a query or a form.
#[derive(Debug, Default)]
struct Wish {
    action: String,
    topic_arn: String,
    token: String,
    subscription_arn: String,
    authenticate_on_unsubscribe: bool,
}

impl Wish {
    fn parse(encoded: &[u8]) -> Self {
        let mut wish = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            match name.as_ref() {
                "Action" => wish.action = value.into_owned(),
                "TopicArn" => wish.topic_arn = value.into_owned(),
                "Token" => wish.token = value.into_owned(),
                "SubscriptionArn" => wish.subscription_arn = value.into_owned(),
                "AuthenticateOnUnsubscribe" => wish.authenticate_on_unsubscribe = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        wish
    }
}

async fn query(State(cloud): State<Arc<Cloud>>, uri: Uri, headers: HeaderMap) -> Response {
    let wish = Wish::parse(uri.query().unwrap_or_default().as_bytes());
    answer(&cloud, &wish, &Method::GET, &uri, &headers, b"")
}

async fn form(State(cloud): State<Arc<Cloud>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    answer(&cloud, &Wish::parse(&body), &Method::POST, &uri, &headers, &body)
}

fn answer(cloud: &Cloud, wish: &Wish, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    let Some(publisher) = &cloud.publisher else { return error("NotFound", "Topic does not exist") };
    match wish.action.as_str() {
        "ConfirmSubscription" => {
            // Only a signed request may demand that unsubscribing be authenticated.
            if wish.authenticate_on_unsubscribe {
                let arrived = sigv4::Arrived {
                    method: method.as_str(),
                    path: uri.path(),
                    query: uri.query().unwrap_or_default(),
                    headers,
                    authority: uri.authority().map(http::uri::Authority::as_str),
                    body,
                };
                if let Err(refusal) = sigv4::verify(&arrived, &cloud.expected("sns"), Timestamp::now()) {
                    return error("AuthorizationError", &refusal.to_string());
                }
            }
            match publisher.confirm(&wish.topic_arn, &wish.token) {
                Some(arn) => xml(
                    StatusCode::OK,
                    &format!(
                        "<ConfirmSubscriptionResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><ConfirmSubscriptionResult><SubscriptionArn>{arn}</SubscriptionArn></ConfirmSubscriptionResult></ConfirmSubscriptionResponse>"
                    ),
                ),
                None => error("InvalidParameter", "Invalid token"),
            }
        }
        "Unsubscribe" if publisher.unsubscribe(&wish.subscription_arn) => {
            xml(StatusCode::OK, "<UnsubscribeResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"/>")
        }
        "Unsubscribe" => error("NotFound", "Subscription does not exist"),
        _ => error("InvalidAction", "The action is not valid for this endpoint."),
    }
}

fn error(code: &str, message: &str) -> Response {
    let status = match code {
        "NotFound" => StatusCode::NOT_FOUND,
        "AuthorizationError" => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    xml(status, &body)
}

fn xml(status: StatusCode, body: &str) -> Response {
    (status, [(CONTENT_TYPE, "text/xml")], body.to_owned()).into_response()
}
