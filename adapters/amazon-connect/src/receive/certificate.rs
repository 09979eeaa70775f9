//! The certificate that an SNS message names: is it SNS's, is it valid now, does it lead to an authority we trust?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use tandem_sdk::doors::KeyRing;
use tandem_sdk::problem::Problem;
use url::Url;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKCS1_RSAENCRYPTION, OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS};
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use crate::topic::{Topic, exact, is_authority_address};

/// Certificates that one chain may have, leaf included.
const LONGEST_CHAIN: usize = 6;

/// Which authorities are believed to issue certificates for SNS.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// A chain to one of these is asked for.
    Chain(Arc<WebPkiServerVerifier>),
    /// No chain is asked for: the certificate's name and dates are all that is looked at.
    Unchained,
}

impl Trust {
    /// The machine's authorities and the deployment's.
    pub(crate) fn chained(extra: &[Bytes]) -> Result<Trust, Vec<Problem>> {
        let mut roots = RootCertStore::empty();
        // Machines carry authorities that this library cannot read; they cannot have issued anything for SNS.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let wrong = |found: String| {
            vec![Problem::new("settings.trust", "trust", found, "PEM files with certificates of authorities")]
        };
        for pem in extra {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| wrong(format!("no PEM: {error:?}")))?;
                roots.add(certificate).map_err(|error| wrong(format!("no authority: {error}")))?;
            }
        }
        if roots.is_empty() {
            let expected = "certificates of authorities on this machine or in the deployment's trust";
            return Err(vec![Problem::new("settings.trust", "sns.accept_unchained", "no authority at all", expected)]);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map(Trust::Chain)
            .map_err(|error| wrong(error.to_string()))
    }
}

/// Why a certificate gives no key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is certainly not one that SNS signs with now.
    Wrong(String),
    /// A link of its chain has to be fetched first.
    Needs(Url),
    /// It is no certificate at all: somebody between us and SNS answered.
    Unreadable,
}

/// The RSA public key (PKCS#1 DER) of the certificate in `document`, which has been fetched for a message of `topic`.
pub(super) fn public_key(
    document: &[u8],
    topic: &Topic,
    now: Timestamp,
    trust: &Trust,
    keys: &KeyRing,
) -> Result<Vec<u8>, Unfit> {
    let mut chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(document)
        .take(LONGEST_CHAIN)
        .collect::<Result<_, _>>()
        .map_err(|_| Unfit::Unreadable)?;
    let leaf = chain.first().cloned().ok_or(Unfit::Unreadable)?;
    let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|_| Unfit::Unreadable)?;
    let wrong = |why: &str| Unfit::Wrong(why.to_owned());
    let moment = ASN1Time::from_timestamp(now.as_second()).map_err(|_| wrong("the clock is outside all calendars"))?;
    if !parsed.validity().is_valid_at(moment) {
        return Err(wrong("the signing certificate is not valid now"));
    }
    let name = topic
        .certificate_names()
        .into_iter()
        .find(|name| names(&parsed).any(|found| found == name))
        .ok_or_else(|| wrong("the signing certificate is not one of SNS"))?;
    let key = parsed.public_key();
    if key.algorithm.algorithm != OID_PKCS1_RSAENCRYPTION {
        return Err(wrong("the signing certificate has no RSA key"));
    }
    if let Trust::Chain(verifier) = trust {
        lead_to_root(verifier, &mut chain, &name, now, keys)?;
    }
    Ok(key.subject_public_key.data.to_vec())
}

/// The names that a certificate says it is for.
fn names<'c>(certificate: &'c X509Certificate<'_>) -> impl Iterator<Item = &'c str> {
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative =
        alternative.into_iter().flat_map(|found| &found.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        });
    alternative.chain(common)
}

/// Follows the chain to a trusted authority. SNS serves the leaf alone, so the links between are asked for one by one
/// at the address that each certificate names; they prove themselves by fitting.
fn lead_to_root(
    verifier: &WebPkiServerVerifier,
    chain: &mut Vec<CertificateDer<'static>>,
    name: &str,
    now: Timestamp,
    keys: &KeyRing,
) -> Result<(), Unfit> {
    let wrong =
        |why: String| Unfit::Wrong(format!("the signing certificate has no chain to a trusted authority: {why}"));
    let name = ServerName::try_from(name.to_owned()).map_err(|error| wrong(error.to_string()))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let mut fetched = None;
    loop {
        let (leaf, between) = chain.split_first().ok_or(Unfit::Unreadable)?;
        let Err(why) = verifier.verify_server_cert(leaf, between, &name, &[], moment) else { return Ok(()) };
        let lacks_link = why == rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let issuer = chain.last().and_then(issuer_address).filter(|_| lacks_link && chain.len() < LONGEST_CHAIN);
        let Some(issuer) = issuer else {
            // A link comes over plain http: what is wrong may be the link that somebody gave us, so we ask for it again.
            return Err(fetched.map_or_else(|| wrong(why.to_string()), Unfit::Needs));
        };
        let Some(document) = keys.get(&issuer) else { return Err(Unfit::Needs(issuer)) };
        // Authorities serve DER; who mirrors them may serve PEM.
        chain.push(CertificateDer::from_pem_slice(document).unwrap_or_else(|_| document.to_vec().into()));
        fetched = Some(issuer);
    }
}

/// Where a certificate says that its issuer's certificate can be had, if we may fetch from there.
fn issuer_address(certificate: &CertificateDer<'_>) -> Option<Url> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    parsed
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => Some(&access.accessdescs),
            _ => None,
        })
        .flatten()
        .filter(|access| access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
        .find_map(|access| match access.access_location {
            GeneralName::URI(url) if is_authority_address(url) => exact(url),
            _ => None,
        })
}
