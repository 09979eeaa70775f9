//! Reads a folder of mappings and names everything that is wrong in it.

use std::path::Path;

use ring::digest;

use super::discriminator::Discriminator;
use super::path::Inner;
use super::read_table::{Mapping, read_table};
use super::set::MappingSet;
use super::source::Source;
use crate::problem::Problem;

/// Most files in a folder.
const MOST_FILES: usize = 1_000;
/// Largest file, in bytes.
const LARGEST: usize = 256 * 1024;

pub(super) fn load(folder: &Path) -> Result<MappingSet, Vec<Problem>> {
    let files = read_files(folder).map_err(|problem| vec![problem])?;
    let mut inner = Inner::default();
    let mut sources: Vec<Source<'_>> = Vec::new();
    let mut mappings: Vec<(usize, Mapping)> = Vec::new();
    for (name, text) in &files {
        let mut source = Source::new(folder.join(name).display().to_string(), text);
        if let Some(top) = source.parse()
            && let Some(mapping) = read_table(&mut source, &top, &mut inner)
        {
            mappings.push((sources.len(), mapping));
        }
        sources.push(source);
    }
    let mut discriminator = Discriminator::default();
    let owners: Vec<usize> = mappings.iter().map(|(file, _)| *file).collect();
    let mut examples = Vec::new();
    for (number, (file, mapping)) in mappings.iter_mut().enumerate() {
        for (at, conditions) in std::mem::take(&mut mapping.alternatives) {
            if let Some(rival) = discriminator.add(number, &mapping.doors, conditions) {
                let found = format!("the same events as {}", files[owners[rival]].0);
                sources[*file].problem(at, "mapping.overlap", "match", found, "events that no other mapping matches");
            }
        }
        examples.push((*file, std::mem::take(&mut mapping.examples)));
    }
    let tables = mappings.into_iter().map(|(_, mapping)| mapping.table).collect();
    let set = MappingSet { discriminator, inner, tables, version: version(&files) };
    // Examples of a set in which something is wrong would only repeat what is known.
    if sources.iter().all(|source| source.problems.is_empty()) {
        for (number, (file, examples)) in examples.iter().enumerate() {
            for example in examples {
                example.run(&mut sources[*file], folder, &set, number);
            }
        }
    }
    let problems: Vec<Problem> = sources.into_iter().flat_map(|source| in_order(source.problems)).collect();
    if problems.is_empty() { Ok(set) } else { Err(problems) }
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// Every mapping file of the folder, by name, in order.
fn read_files(folder: &Path) -> Result<Vec<(String, String)>, Problem> {
    let wrong = |file: &Path, found: String, expected: &str| {
        Problem::new("mapping.unreadable", "", found, expected).in_file(file.display().to_string())
    };
    let entries =
        std::fs::read_dir(folder).map_err(|error| wrong(folder, error.to_string(), "a folder of mappings"))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| wrong(folder, error.to_string(), "a folder of mappings"))?.file_name();
        let name = name.into_string().map_err(|_| wrong(folder, "a name that is no text".to_owned(), "UTF-8"))?;
        if name.ends_with(".toml") {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() || names.len() > MOST_FILES {
        let found = format!("{} files that end in .toml", names.len());
        return Err(wrong(folder, found, "between one and a thousand of them"));
    }
    let read = |name: String| {
        let path = folder.join(&name);
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(&path, error.to_string(), "a text file"))?;
        if text.len() > LARGEST {
            return Err(wrong(&path, format!("{} bytes", text.len()), "at most 256 KiB"));
        }
        Ok((name, text))
    };
    names.into_iter().map(read).collect()
}

/// SHA-256 over names and contents, each length-prefixed.
fn version(files: &[(String, String)]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finish())
}
