//! Reads a folder of mappings and names everything that is wrong in it.

use std::fmt::Display;
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
    let files = read_files(folder)?;
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

/// Every mapping file of the folder, by name, in order; or every one that cannot be read.
fn read_files(folder: &Path) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let mut names = read_names(folder).map_err(|error| vec![unreadable(folder, &error, "a folder of mappings")])?;
    names.sort();
    if names.is_empty() || names.len() > MOST_FILES {
        let found = format!("{} files that end in .toml", names.len());
        return Err(vec![unreadable(folder, &found, "between one and a thousand of them")]);
    }
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for name in names {
        let path = folder.join(&name);
        match std::fs::read_to_string(&path) {
            Ok(text) if text.len() > LARGEST => {
                problems.push(unreadable(&path, &format!("{} bytes", text.len()), "at most 256 KiB"));
            }
            Ok(text) => files.push((name, text)),
            Err(error) => problems.push(unreadable(&path, &error, "a text file")),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn read_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().map_err(|_| std::io::Error::other("a name that is no text"))?;
        if name.ends_with(".toml") {
            names.push(name);
        }
    }
    Ok(names)
}

fn unreadable(file: &Path, found: &dyn Display, expected: &str) -> Problem {
    Problem::new("mapping.unreadable", "", found.to_string(), expected).in_file(file.display().to_string())
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
