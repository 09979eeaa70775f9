//! The clients of Connect, and what every call is told.

use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_connect::config::{BehaviorVersion, Region, SharedHttpClient, StalledStreamProtectionConfig};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tandem_sdk::problem::Problem;
use tokio::sync::OnceCell;

use crate::settings::Checked;

/// The clients of one instance. Nothing here tries twice: the outbox is the only one that does.
#[derive(Clone, Debug)]
pub(crate) struct Clouds {
    pub(crate) connect: aws_sdk_connect::Client,
    pub(crate) participant: aws_sdk_connectparticipant::Client,
    pub(crate) credentials: SharedCredentialsProvider,
    /// What calls are told and held to.
    pub(crate) terms: Arc<Terms>,
}

/// What calls are told and held to.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) instance_id: String,
    pub(crate) region: String,
    pub(crate) streaming_topic: Option<String>,
    pub(crate) chat_minutes: Option<i32>,
    pub(crate) content_types: Vec<String>,
    pub(crate) transcript_pages: u32,
    pub(crate) call_timeout: Duration,
    pub(crate) quota_pause: Duration,
}

impl Clouds {
    /// Makes the clients. Opens no connection and asks nobody for credentials.
    pub(crate) fn new(settings: &Checked, trust: &[Bytes]) -> Result<Clouds, Vec<Problem>> {
        let http = http_client(trust)?;
        let region = Region::new(settings.region.clone());
        let credentials = match &settings.credentials {
            Some((id, key, token)) => SharedCredentialsProvider::new(Credentials::new(
                id.reveal(),
                key.reveal(),
                token.as_ref().map(|token| token.reveal().to_owned()),
                None,
                "settings",
            )),
            None => SharedCredentialsProvider::new(DefaultChain {
                region: region.clone(),
                http: http.clone(),
                chain: OnceCell::new(),
            }),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(settings.connect_timeout)
            .operation_timeout(settings.call_timeout)
            .build();
        let mut connect = aws_sdk_connect::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(region.clone())
            .credentials_provider(credentials.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.clone())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        connect.set_endpoint_url(settings.connect_endpoint.clone());
        // Participants prove themselves with a token in the request; no credential of ours goes there. The model says
        // otherwise, hence `allow_no_auth`.
        let mut participant = aws_sdk_connectparticipant::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(region)
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        participant.set_endpoint_url(settings.participant_endpoint.clone());
        Ok(Clouds {
            connect: aws_sdk_connect::Client::from_conf(connect.build()),
            participant: aws_sdk_connectparticipant::Client::from_conf(participant.build()),
            credentials,
            terms: Arc::new(Terms {
                instance_id: settings.instance_id.clone(),
                region: settings.region.clone(),
                streaming_topic: settings.streaming_topic.clone(),
                chat_minutes: settings.chat_minutes,
                content_types: settings.content_types.clone(),
                transcript_pages: settings.transcript_pages,
                call_timeout: settings.call_timeout,
                quota_pause: settings.quota_pause,
            }),
        })
    }
}

/// A client that trusts the machine's authorities and the deployment's.
fn http_client(trust: &[Bytes]) -> Result<SharedHttpClient, Vec<Problem>> {
    let wrong = |found: String| {
        vec![Problem::new("settings.trust", "trust", found, "PEM files with certificates of authorities")]
    };
    let mut store = TrustStore::default();
    for pem in trust {
        // The client looks at them only when it connects, and panics then: so we look first.
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(format!("no PEM: {error:?}")))?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|error| wrong(format!("no authority: {error}")))?;
        }
        store.add_pem_certificate(pem.to_vec());
    }
    let context = TlsContext::builder().with_trust_store(store).build().map_err(|error| wrong(error.to_string()))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}

/// The SDK's default chain. Building it is asynchronous and building a door is not, so it is built at first use.
#[derive(Debug)]
struct DefaultChain {
    region: Region,
    http: SharedHttpClient,
    chain: OnceCell<DefaultCredentialsChain>,
}

impl ProvideCredentials for DefaultChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let build = async || {
                let config = ProviderConfig::without_region()
                    .with_region(Some(self.region.clone()))
                    .with_http_client(self.http.clone());
                DefaultCredentialsChain::builder().configure(config).region(self.region.clone()).build().await
            };
            self.chain.get_or_init(build).await.provide_credentials().await
        })
    }
}
