//! Makes what SNS makes, for tests: certificates and signed messages.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Map, Value, json};
use tandem_sdk::doors::KeyRing;

pub(super) const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:chat";
pub(super) const CERTIFICATE: &str =
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
pub(super) const LINK: &str = "http://crt.r2m01.amazontrust.com/r2m01.cer";
pub(super) const NOW: &str = "2026-06-01T12:00:00Z";

/// One RSA key for all tests: making one takes a second.
static KEY: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap());

/// The authority that the tests trust, and one between it and the leaves.
static HOUSE: LazyLock<House> = LazyLock::new(House::build);

struct House {
    root: Certificate,
    between: Certificate,
    between_issuer: Issuer<'static, KeyPair>,
    stranger: Issuer<'static, KeyPair>,
}

impl House {
    fn build() -> House {
        let root_key = KeyPair::generate().unwrap();
        let root = authority("Test root").self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(authority("Test root"), root_key);
        let key = KeyPair::generate().unwrap();
        let between = authority("Test between").signed_by(&key, &root_issuer).unwrap();
        House {
            root,
            between,
            between_issuer: Issuer::new(authority("Test between"), key),
            stranger: Issuer::new(authority("Test stranger"), KeyPair::generate().unwrap()),
        }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}

/// The root, PEM.
pub(super) fn root() -> Bytes {
    HOUSE.root.pem().into()
}

/// The link between root and leaf, as an authority serves it: DER.
pub(super) fn link() -> Bytes {
    HOUSE.between.der().to_vec().into()
}

/// How a leaf is made.
pub(super) struct Leaf {
    pub(super) name: &'static str,
    pub(super) years: (i32, i32),
    /// Whether the tests' authority issued it.
    pub(super) ours: bool,
    /// Where it says that its issuer can be found.
    pub(super) issuer_at: Option<&'static str>,
    /// Whether the link follows in the same file.
    pub(super) with_link: bool,
    pub(super) rsa: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        Leaf {
            name: "sns.amazonaws.com",
            years: (2026, 2027),
            ours: true,
            issuer_at: Some(LINK),
            with_link: false,
            rsa: true,
        }
    }
}

impl Leaf {
    pub(super) fn pem(&self) -> Bytes {
        let mut params = CertificateParams::new(vec![self.name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(self.years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(self.years.1, 1, 1);
        if let Some(url) = self.issuer_at {
            params.custom_extensions.push(issuer_extension(url));
        }
        let key = if self.rsa {
            let der = KEY.to_pkcs8_der().unwrap();
            let der = PrivatePkcs8KeyDer::from(der.as_bytes().to_vec());
            KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).unwrap()
        } else {
            KeyPair::generate().unwrap()
        };
        let issuer = if self.ours { &HOUSE.between_issuer } else { &HOUSE.stranger };
        let leaf = params.signed_by(&key, issuer).unwrap().pem();
        if self.with_link { format!("{leaf}{}", HOUSE.between.pem()).into() } else { leaf.into() }
    }
}

/// Authority information access with one entry: RFC 5280 section 4.2.2.1.
fn issuer_extension(url: &str) -> CustomExtension {
    let tlv = |tag: u8, value: &[u8]| [&[tag, u8::try_from(value.len()).unwrap()], value].concat();
    let method = tlv(0x06, &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02]);
    let location = tlv(0x86, url.as_bytes());
    let entry = tlv(0x30, &[method, location].concat());
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], tlv(0x30, &entry))
}

/// A ring with these documents.
pub(super) fn ring(documents: &[(&str, Bytes)]) -> KeyRing {
    let mut ring = KeyRing::default();
    for (url, document) in documents {
        ring.insert(url.parse().unwrap(), document.clone());
    }
    ring
}

/// The fields that a message of this type signs, as the vendor's guide lists them.
fn signed_fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        "UnsubscribeConfirmation by the validator" => {
            &["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "TopicArn", "Type"]
        }
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    }
}

/// Signs a message as its `SignatureVersion` says, over the fields that this type signs.
pub(super) fn sign_as(message: &mut Map<String, Value>, kind: &str) {
    let text: String = signed_fields(kind)
        .iter()
        .filter_map(|name| message.get(*name).map(|value| format!("{name}\n{}\n", value.as_str().unwrap())))
        .collect();
    // DER of a DigestInfo up to the digest, RFC 8017 section 9.2 note 1.
    let (algorithm, prefix) = match message["SignatureVersion"].as_str().unwrap() {
        "1" => (&SHA1_FOR_LEGACY_USE_ONLY, hex::decode("3021300906052b0e03021a05000414").unwrap()),
        _ => (&SHA256, hex::decode("3031300d060960864801650304020105000420").unwrap()),
    };
    let padding = Pkcs1v15Sign { hash_len: Some(algorithm.output_len()), prefix: prefix.into() };
    let signature = KEY.sign(padding, digest(algorithm, text.as_bytes()).as_ref()).unwrap();
    message.insert("Signature".to_owned(), STANDARD.encode(signature).into());
}

/// A message of this type, signed, with version 2.
pub(super) fn message(kind: &str) -> Map<String, Value> {
    let Value::Object(mut message) = json!({
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": json!({"AbsoluteTime": "2026-06-01T11:59:59.000Z", "Content": "Grüße\n\u{1f600} \"quoted\"",
            "ContentType": "text/plain", "Id": "m1", "Type": "MESSAGE", "ParticipantRole": "AGENT",
            "InitialContactId": "c0", "ContactId": "c1"}).to_string(),
        "Timestamp": "2026-06-01T11:59:59.500Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
    }) else {
        unreachable!("an object was written")
    };
    if kind == "Notification" {
        message
            .insert("UnsubscribeURL".to_owned(), json!("https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe"));
        message
            .insert("MessageAttributes".to_owned(), json!({"MessageVisibility": {"Type": "String", "Value": "ALL"}}));
    } else {
        message.insert("Token".to_owned(), "tok".into());
        let url =
            format!("https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=tok");
        message.insert("SubscribeURL".to_owned(), url.into());
    }
    sign_as(&mut message, kind);
    message
}
