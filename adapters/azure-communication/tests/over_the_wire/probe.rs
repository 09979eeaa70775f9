//! What the probe says.

use crate::stage::{HUB, Stage};

#[tokio::test]
async fn the_probe_says_what_works_and_what_would_be_right() {
    let stage = Stage::new().await;
    let endpoint = &stage.sim.endpoint;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("https://{free}/");
    let other_key = "access_key = 'file:other'\n";
    std::fs::write(stage.base().join("other"), "b3RoZXI=").unwrap();

    for (endpoint, settings, expected) in [
        (
            endpoint,
            "",
            vec![
                (true, "answers"),
                (true, "accepts the access key"),
                (true, HUB),
                (true, "participant of 0 conversations; where"),
            ],
        ),
        (endpoint, other_key, vec![(true, "answers"), (false, "401 Denied")]),
        (
            endpoint,
            "hub_address = '8:acs:nobody'\n",
            vec![(true, "answers"), (true, "accepts"), (false, "8:acs:nobody gets no token (404")],
        ),
        (&nobody, "", vec![(false, "cannot be reached (no connection)")]),
    ] {
        let findings = stage.doors_with(endpoint, settings).probe.unwrap().probe().await;
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, (ok, part)) in findings.iter().zip(expected) {
            assert_eq!(finding.ok, ok, "{finding:?}");
            assert!(finding.line.contains(part), "{finding:?}");
        }
    }
}
