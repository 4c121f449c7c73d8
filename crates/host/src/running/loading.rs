//! Loads what a host runs from the start: all of it, or all that is wrong with any of it.

use std::sync::{Mutex, PoisonError};

use super::HostError;
use crate::linking::{self, Offer};
use crate::load::{LoadError, Loading, Prepared, Source, Step};

/// Key-value data, settings and logs go by name, so a name stands for one file.
pub(super) fn check_names(sources: &[Source]) -> Result<(), HostError> {
    let mut files = std::collections::BTreeMap::new();
    for source in sources {
        let first: &Source = files.entry(&source.name).or_insert(source);
        if first.path != source.path {
            return Err(HostError::SameName { name: source.name.clone(), files: (first.shown(), source.shown()) });
        }
    }
    Ok(())
}

/// Loads all components: first those that need no other, then those that import what others export.
pub(super) fn load_all(
    loading: &Loading<'_>,
    threads: usize,
    offers: &[Offer],
    sources: Vec<Source>,
) -> Result<Vec<Prepared>, HostError> {
    let steps = load_with(loading, threads, offers, sources)?;
    let exported: Vec<Offer> = steps.iter().flat_map(|step| step.exports()).collect();
    let offers: Vec<Offer> = offers.iter().cloned().chain(exported).collect();
    let (mut prepared, mut waiting) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Prepared(done) => prepared.push(*done),
            Step::Waits(source, _) => waiting.push(source),
        }
    }
    let mut errors = Vec::new();
    for step in load_with(loading, threads, &offers, waiting)? {
        match step {
            Step::Prepared(done) => prepared.push(*done),
            Step::Waits(source, anatomy) => {
                let missing = linking::check(&linking::link(&anatomy.imports, &offers));
                errors
                    .extend(missing.err().map(|missing| LoadError::Missing { path: source.shown(), source: missing }));
            }
        }
    }
    if errors.is_empty() { Ok(prepared) } else { Err(HostError::Load(errors)) }
}

/// Loads components on so many threads, and gathers what went wrong with any of them.
fn load_with(
    loading: &Loading<'_>,
    threads: usize,
    offers: &[Offer],
    sources: Vec<Source>,
) -> Result<Vec<Step>, HostError> {
    let threads = threads.min(sources.len()).max(1);
    let queue = Mutex::new(sources.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, source)) = next else { return done };
            done.push((index, loading.load(source, offers)));
        }
    };
    let mut done = match threads {
        1 => work(),
        _ => std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("loading returns its errors")).collect()
        }),
    };
    done.sort_by_key(|(index, _)| *index);
    let (loaded, failed): (Vec<_>, Vec<_>) = done.into_iter().map(|(_, result)| result).partition(Result::is_ok);
    let errors: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() {
        Ok(loaded.into_iter().filter_map(Result::ok).collect())
    } else {
        Err(HostError::Load(errors))
    }
}
