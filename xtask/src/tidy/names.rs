//! A file is called by its thought: no `mod.rs`, no drawer for what has no name.

use super::Problem;
use super::repository::Repository;

/// What has no name has no place.
const DRAWERS: [&str; 9] = ["common", "handler", "handlers", "helper", "helpers", "misc", "types", "util", "utils"];

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    let files = repository.sources("src").chain(repository.sources("tests"));
    files.filter_map(|(_, file, _)| Some(Problem::new(file, 1, wrong(file)?))).collect()
}

fn wrong(file: &str) -> Option<String> {
    let (folder, name) = file.rsplit_once('/')?;
    let stem = name.strip_suffix(".rs")?;
    if stem == "mod" {
        return Some(format!("`mod.rs` hides its name; move it to {folder}.rs"));
    }
    let is_drawer = DRAWERS.contains(&stem);
    is_drawer.then(|| format!("`{stem}` names nothing; move each thing in it to the thought that it belongs to"))
}

#[cfg(test)]
mod tests {
    use super::wrong;

    #[test]
    fn drawers_and_mod_files_are_found() {
        assert!(wrong("crates/host/src/utils.rs").is_some_and(|text| text.contains("`utils` names nothing")));
        assert!(wrong("crates/host/src/serve/mod.rs").is_some_and(|text| text.contains("crates/host/src/serve.rs")));
        assert_eq!(wrong("crates/host/src/serve.rs"), None);
    }
}
