//! A certificate authority made at run time.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{Span, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{RsaIdentity, SimError};

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const LEAF_DAYS: i64 = 397;
const ROOT_DAYS: i64 = 3_650;

/// A certificate authority whose key was made on this machine: files `ca.pem` and `ca.key` in one directory.
///
/// Several simulators and the hub share one, so that each trusts what another serves.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate_path: PathBuf,
}

impl Authority {
    /// Loads the authority from a directory, or makes it when it is not there. Processes that start at once agree:
    /// each file appears whole under its name or not at all, and who comes second uses what is there.
    ///
    /// # Errors
    /// [`SimError::AuthorityFile`] when the files cannot be read or written, [`SimError::Certificate`] when they are
    /// not what this type writes.
    pub fn open(dir: &Path) -> Result<Self, SimError> {
        fs::create_dir_all(dir).map_err(file_error(dir))?;
        let key_path = dir.join(KEY);
        if !key_path.exists() {
            keep_first(&key_path, &KeyPair::generate()?.serialize_pem())?;
        }
        let key = KeyPair::from_pem(&fs::read_to_string(&key_path).map_err(file_error(&key_path))?)?;
        // The certificate follows from the key, so whoever finds it missing may write it: nobody has to wait for
        // a process that died between the two files.
        let certificate_path = dir.join(CERTIFICATE);
        if !certificate_path.exists() {
            keep_first(&certificate_path, &root_params().self_signed(&key)?.pem())?;
        }
        let certificate_pem = fs::read_to_string(&certificate_path).map_err(file_error(&certificate_path))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)?;
        Ok(Self { issuer, certificate_pem, certificate_path })
    }

    /// The authority's own certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The file with the authority's own certificate: what a client is told to trust.
    #[must_use]
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// A server's TLS configuration with a fresh leaf for these DNS names and IP addresses; offers HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// [`SimError::Certificate`] or [`SimError::Tls`] when a name is no DNS name and no address.
    pub fn server_config(&self, names: &[&str]) -> Result<Arc<rustls::ServerConfig>, SimError> {
        let (certificate, key) = self.issue_pem(names)?;
        let chain = vec![der(&certificate)?];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| pem_error(&error))?;
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// A fresh leaf and its key for these DNS names and IP addresses: (certificate PEM, key PEM).
    ///
    /// # Errors
    /// [`SimError::Certificate`] when a name is no DNS name and no address.
    pub fn issue_pem(&self, names: &[&str]) -> Result<(String, String), SimError> {
        let key = KeyPair::generate()?;
        let certificate =
            leaf_params(names.first().copied().unwrap_or("localhost"), names)?.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// A fresh RSA-2048 key with a leaf for `common_name`: for signing messages and tokens. Takes about a second.
    ///
    /// # Errors
    /// [`SimError::RsaKey`] or [`SimError::Certificate`] when `common_name` is no DNS name.
    pub fn issue_rsa(&self, common_name: &str) -> Result<RsaIdentity, SimError> {
        RsaIdentity::issue(common_name, |key| {
            Ok(leaf_params(common_name, &[common_name])?.signed_by(key, &self.issuer)?.pem())
        })
    }

    /// Makes a client trust this authority and nobody else.
    ///
    /// # Errors
    /// [`SimError::Tls`] when the authority's certificate cannot be a trust anchor.
    pub fn trusted_by(&self, client: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, SimError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der(&self.certificate_pem)?)?;
        let mut config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(client.tls_backend_preconfigured(config))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate_path", &self.certificate_path).finish_non_exhaustive()
    }
}

fn root_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Tandem simulators");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    valid_for(&mut params, ROOT_DAYS);
    params
}

fn leaf_params(common_name: &str, names: &[&str]) -> Result<CertificateParams, SimError> {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = named(common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid_for(&mut params, LEAF_DAYS);
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// From the day before yesterday (clocks differ) for so many days.
fn valid_for(params: &mut CertificateParams, days: i64) {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |span: i64| {
        let date = today.saturating_add(Span::new().days(span));
        // jiff's months and days are 1..=12 and 1..=31.
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(-2);
    params.not_after = day(days);
}

fn der(pem: &str) -> Result<CertificateDer<'static>, SimError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| pem_error(&error))
}

fn pem_error(error: &rustls::pki_types::pem::Error) -> SimError {
    SimError::Tls(rustls::Error::General(format!("pem: {error:?}")))
}

/// Puts a whole file under a name that nobody has taken. Linking a finished file is the one step that both refuses
/// to replace and never shows a half-written file.
fn keep_first(path: &Path, content: &str) -> Result<(), SimError> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let ordinal = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("{}-{ordinal}.draft", std::process::id()));
    let written = write_private(&draft, content).map_err(file_error(&draft));
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(file_error(path)(error)),
        _ => Ok(()),
    });
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => linked.and(Err(file_error(&draft)(error))),
        _ => linked,
    }
}

fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> SimError + use<> {
    let path = path.to_owned();
    move |source| SimError::AuthorityFile { path, source }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn many_that_open_at_once_get_one_authority() {
        let dir = tempfile::tempdir().unwrap();
        let pems: Vec<String> = std::thread::scope(|scope| {
            let open = || Authority::open(dir.path()).unwrap().certificate_pem().to_owned();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(pems.iter().all(|pem| *pem == pems[0]));
        let mut files: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        assert_eq!(files, ["ca.key", "ca.pem"]);
    }

    #[test]
    fn an_authority_whose_maker_died_between_its_files_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::open(dir.path()).unwrap();
        fs::remove_file(first.certificate_path()).unwrap();
        let again = Authority::open(dir.path()).unwrap();
        assert!(again.server_config(&["localhost", "127.0.0.1"]).is_ok());
    }

    #[test]
    fn a_spoiled_key_is_an_error_and_stays_untouched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(KEY), "nonsense").unwrap();
        assert!(matches!(Authority::open(dir.path()), Err(SimError::Certificate(_))));
        assert_eq!(fs::read_to_string(dir.path().join(KEY)).unwrap(), "nonsense");
    }
}
