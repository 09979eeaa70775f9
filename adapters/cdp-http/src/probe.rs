//! Says whether the CDP can be reached and what is missing there.

use tandem_sdk::doors::{Answer, Finding, Probe};
use tandem_sdk::error::{AdapterError, ErrorKind};

use crate::ask::question;
use crate::lookup::Cdp;

/// The identity that a probe asks with; nobody has it.
const NOBODY: &str = "tandem-probe";

impl Probe for Cdp {
    fn probe(&self) -> Answer<'_, Vec<Finding>> {
        Box::pin(async move {
            let mut findings = Vec::new();
            if let Some(tokens) = &self.tokens {
                let finding = match self.in_time(tokens.bearer()).await {
                    Ok(_) => good("token: granted".to_owned()),
                    Err(error) => bad(format!("token: {error}; {}", remedy(&error))),
                };
                findings.push(finding);
            }
            // Without a token every question would be the same complaint again.
            if findings.iter().all(|finding| finding.ok) {
                findings.push(self.probe_profiles().await);
            }
            findings
        })
    }
}

impl Cdp {
    async fn probe_profiles(&self) -> Finding {
        let asked = self.settings.rows.first().and_then(|row| question(self.settings.method, row, NOBODY));
        let Some(question) = asked else {
            return bad("profiles: the address cannot be asked with a made-up identity; check `url`".to_owned());
        };
        match self.in_time(self.ask(&question)).await {
            Ok(None) => {
                good("profiles: answered that it does not know the made-up identity, as it should be".to_owned())
            }
            Ok(Some(_)) => bad(format!(
                "profiles: answered with a profile for the made-up identity {NOBODY}; check `identities` and `response.profile`"
            )),
            Err(error) => bad(format!("profiles: {error}; {}", remedy(&error))),
        }
    }
}

fn good(line: String) -> Finding {
    Finding { ok: true, line }
}

fn bad(line: String) -> Finding {
    Finding { ok: false, line }
}

fn remedy(error: &AdapterError) -> &'static str {
    match error.kind {
        ErrorKind::Unverified => "check client_id, client_secret and client_auth, and that this client may do this",
        ErrorKind::Refused => "give this client the right to read profiles (scopes)",
        ErrorKind::Misconfigured => "check the address and the scopes",
        ErrorKind::Malformed => "check method, identities and response against the CDP's documentation",
        ErrorKind::RateLimited => "it works, but too many calls are made already",
        ErrorKind::Unavailable => "check that the address can be reached from here and that its certificate is trusted",
        _ => "ask whoever runs the CDP",
    }
}
