//! The adapter kinds that are compiled in. One visible line each.

use tandem_sdk::doors::Kind;

/// Every kind.
pub const KINDS: &[Kind] = &[
    #[cfg(feature = "azure-communication")]
    tandem_azure_communication::KIND,
    #[cfg(feature = "amazon-connect")]
    tandem_amazon_connect::KIND,
    #[cfg(feature = "cdp-http")]
    tandem_cdp_http::KIND,
];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The names of all kinds, for messages.
pub fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}
