//! The door: a profile for identities.

use http::{HeaderValue, Method as Verb, StatusCode, header};
use tandem_sdk::doors::{Answer, Lookup};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Identity, Profile};
use tokio::time::timeout;

use crate::ask::{Question, questions};
use crate::exchange::{Exchanged, exchange, refused};
use crate::pick::pick;
use crate::settings::{Checked, Method};
use crate::token::Tokens;

/// One CDP.
pub(crate) struct Cdp {
    pub(crate) settings: Checked,
    pub(crate) tokens: Option<Tokens>,
    http: reqwest::Client,
}

impl Lookup for Cdp {
    fn lookup<'a>(&'a self, identities: &'a [Identity]) -> Answer<'a, Result<Option<Profile>, AdapterError>> {
        Box::pin(async move {
            let questions = questions(&self.settings, identities);
            if questions.is_empty() {
                let detail = "none of the identities is of a kind that is configured";
                return Err(AdapterError::new(ErrorKind::Unsupported, self.operation(), detail));
            }
            self.in_time(async {
                for question in &questions {
                    if let Some(profile) = self.ask(question).await? {
                        return Ok(Some(profile));
                    }
                }
                Ok(None)
            })
            .await
        })
    }
}

impl Cdp {
    pub(crate) fn new(mut settings: Checked, http: reqwest::Client) -> Self {
        let tokens = settings.oauth.take().map(|oauth| Tokens::new(oauth, http.clone()));
        Cdp { settings, tokens, http }
    }

    /// The vendor's operation, as errors call it.
    pub(crate) fn operation(&self) -> &'static str {
        match self.settings.method {
            Method::Get => "GET profile",
            Method::Post => "POST profile",
        }
    }

    /// What `work` gives, or an error when it takes longer than the settings allow.
    pub(crate) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, AdapterError>>,
    ) -> Result<T, AdapterError> {
        let limit = self.settings.timeout;
        let late =
            |_| AdapterError::new(ErrorKind::Unavailable, self.operation(), format!("no answer within {limit:?}"));
        timeout(limit, work).await.map_err(late)?
    }

    /// Asks one question. A token that is refused is renewed once.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Option<Profile>, AdapterError> {
        let Some(tokens) = &self.tokens else {
            return self.read(&self.send(question, None).await?);
        };
        let bearer = tokens.bearer().await?;
        let answer = self.send(question, Some(&bearer)).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return self.read(&answer);
        }
        tokens.refuse(&bearer).await;
        let bearer = tokens.bearer().await?;
        let answer = self.send(question, Some(&bearer)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            tokens.refuse(&bearer).await;
        }
        self.read(&answer)
    }

    async fn send(&self, question: &Question, bearer: Option<&HeaderValue>) -> Result<Exchanged, AdapterError> {
        let verb = match self.settings.method {
            Method::Get => Verb::GET,
            Method::Post => Verb::POST,
        };
        let mut request = reqwest::Request::new(verb, question.url.clone());
        *request.timeout_mut() = Some(self.settings.timeout);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(self.settings.headers.clone());
        headers.extend(bearer.map(|bearer| (header::AUTHORIZATION, bearer.clone())));
        if let Some(body) = &question.body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        exchange(&self.http, request, self.settings.max_response, self.operation()).await
    }

    fn read(&self, answer: &Exchanged) -> Result<Option<Profile>, AdapterError> {
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status if status.is_success() => pick(&answer.body, &self.settings.response, self.operation()),
            status => Err(refused(status, &answer.headers, self.operation())),
        }
    }
}
