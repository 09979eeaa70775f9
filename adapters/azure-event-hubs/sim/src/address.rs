//! What an address means: `hub`, `hub/Partitions/0`, `hub/ConsumerGroups/$Default/Partitions/0`, `$cbs`, `$management`.
//!
//! Clients write them relative, or as whole URLs with a scheme and a host of their own (`amqps://host/hub`,
//! `sb://host:port/hub`); case does not count.

/// A node that links can be attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Where tokens are put.
    Cbs,
    /// Where properties are asked for; some clients write it below the hub.
    Management,
    /// A hub as a whole: the service chooses the partition.
    Hub { hub: String },
    /// One partition, to send to.
    Partition { hub: String, partition: String },
    /// One partition, to read from.
    Read { hub: String, group: String, partition: String },
}

impl Node {
    /// None: nothing that there could be.
    pub(crate) fn of(address: &str) -> Option<Self> {
        let path = path(address);
        let parts: Vec<&str> = path.split('/').collect();
        let is = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
        match parts.as_slice() {
            [one] if is(one, "$cbs") => Some(Node::Cbs),
            [one] | [_, one] if is(one, "$management") => Some(Node::Management),
            [hub] if is_name(hub) => Some(Node::Hub { hub: (*hub).to_owned() }),
            [hub, partitions, id] if is(partitions, "Partitions") && is_name(hub) => {
                Some(Node::Partition { hub: (*hub).to_owned(), partition: (*id).to_owned() })
            }
            [hub, groups, group, partitions, id]
                if is(groups, "ConsumerGroups") && is(partitions, "Partitions") && is_name(hub) =>
            {
                let (hub, group) = ((*hub).to_owned(), (*group).to_owned());
                Some(Node::Read { hub, group, partition: (*id).to_owned() })
            }
            _ => None,
        }
    }
}

fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('$')
}

/// The path of an address, without scheme, host, port and slashes around it.
pub(crate) fn path(address: &str) -> &str {
    split(address).1
}

/// The host of an address without its port; empty for a relative one.
pub(crate) fn host(address: &str) -> &str {
    let authority = split(address).0;
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn split(address: &str) -> (&str, &str) {
    let (authority, path) = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", address),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    (authority, path.trim_matches('/'))
}

/// Whether `path` is `above` or lies below it, segment by segment. An empty `above` is above everything.
pub(crate) fn is_within(path: &str, above: &str) -> bool {
    let (path, above) = (path.to_ascii_lowercase(), above.to_ascii_lowercase());
    match path.strip_prefix(&above) {
        Some(rest) => above.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_mean_the_same_relative_and_as_urls() {
        let read =
            Some(Node::Read { hub: "events".to_owned(), group: "$Default".to_owned(), partition: "0".to_owned() });
        for address in [
            "events/ConsumerGroups/$Default/Partitions/0",
            "/events/consumergroups/$Default/partitions/0",
            "amqps://host/events/ConsumerGroups/$Default/Partitions/0",
            "sb://host:5672/events/ConsumerGroups/$Default/Partitions/0",
        ] {
            assert_eq!(Node::of(address), read, "{address}");
        }
        assert_eq!(Node::of("amqps://host/events"), Some(Node::Hub { hub: "events".to_owned() }));
        let partition = Node::Partition { hub: "events".to_owned(), partition: "1".to_owned() };
        assert_eq!(Node::of("amqps://host:1/events/Partitions/1"), Some(partition));
        assert_eq!(Node::of("$cbs"), Some(Node::Cbs));
        for address in ["$management", "events/$management", "amqps://host/events/$management"] {
            assert_eq!(Node::of(address), Some(Node::Management), "{address}");
        }
        for nothing in ["", "amqps://host", "$other", "events/1", "events/Partitions", "a/b/c/d/e", "$cbs/Partitions/1"]
        {
            assert_eq!(Node::of(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_path_is_within_whole_segments_only() {
        assert!(is_within("events/Partitions/0", "Events"));
        assert!(is_within("events", ""));
        assert!(!is_within("events-2", "events"));
        assert!(!is_within("events", "events/Partitions/0"));
    }

    #[test]
    fn hosts_are_compared_without_ports() {
        assert_eq!(host("sb://localhost:5672/x"), "localhost");
        assert_eq!(host("amqps://[::1]:5672/x"), "[::1]");
        assert_eq!(host("events"), "");
    }
}
