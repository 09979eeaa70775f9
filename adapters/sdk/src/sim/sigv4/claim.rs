//! The `Authorization` header of a signed request.

use super::Refusal;
use super::verify::ALGORITHM;

/// What an `Authorization` header claims.
pub(super) struct Claim<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) scope: &'a str,
    pub(super) date: &'a str,
    pub(super) signed: Vec<&'a str>,
    pub(super) signature: &'a str,
}

impl<'a> Claim<'a> {
    pub(super) fn parse(header: &'a str) -> Result<Self, Refusal> {
        let rest = header.strip_prefix(ALGORITHM).ok_or(Refusal::Incomplete("algorithm"))?;
        let field = |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let credential = field("Credential").ok_or(Refusal::Incomplete("Credential"))?;
        let (access_key_id, scope) = credential.split_once('/').ok_or(Refusal::Incomplete("Credential"))?;
        let date = scope.split('/').next().filter(|date| date.len() == 8).ok_or(Refusal::Incomplete("Credential"))?;
        let signed = field("SignedHeaders").ok_or(Refusal::Incomplete("SignedHeaders"))?.split(';').collect();
        let signature = field("Signature").ok_or(Refusal::Incomplete("Signature"))?;
        Ok(Self { access_key_id, scope, date, signed, signature })
    }
}
