//! The mappings that ship load without a problem.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::path::Path;

use tandem_sdk::mapping::MappingSet;

#[test]
fn every_mapping_that_ships_loads_and_its_examples_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let mut kinds = 0;
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        match MappingSet::load(&folder) {
            Ok(set) => assert!(!set.is_empty()),
            Err(problems) => panic!("{}", problems.iter().map(|problem| format!("\n{problem}")).collect::<String>()),
        }
        kinds += 1;
    }
    assert!(kinds >= 2, "the folders of mappings are there");
}
