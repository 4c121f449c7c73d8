//! Every file is part of something: its parent has a `mod` line for it.
//!
//! A file that no `mod` line reaches is not compiled, and a test in it never runs.

use super::Problem;
use super::repository::{Repository, Tree};

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    let program = repository.sources("src").map(|(owner, file, _)| (format!("{}/src", owner.folder), file));
    let tests = repository.sources("tests/it").map(|(owner, file, _)| (format!("{}/tests/it", owner.folder), file));
    program.chain(tests).filter_map(|(root, file)| wrong(&root, file, &repository.tree)).collect()
}

fn wrong(root: &str, file: &str, tree: &Tree) -> Option<Problem> {
    let module = file.strip_prefix(root)?.strip_prefix('/')?.strip_suffix(".rs")?;
    if matches!(module, "lib" | "main") || module.starts_with("bin/") {
        return None;
    }
    let (mut parents, stem) = match module.rsplit_once('/') {
        Some((parent, stem)) => (vec![format!("{root}/{parent}.rs")], stem),
        None => (vec![format!("{root}/lib.rs"), format!("{root}/main.rs")], module),
    };
    let is_reached = parents.iter().filter_map(|parent| tree.text(parent)).any(|text| declares(text, stem));
    if parents.len() > 1 {
        parents.retain(|parent| tree.text(parent).is_some());
    }
    let text = format!("is not compiled; write `mod {stem};` in {} or delete it", parents.join(" or "));
    (!is_reached).then(|| Problem::new(file, 1, text))
}

/// Whether the text has a `mod` line for the module, whatever stands before it on that line.
fn declares(text: &str, module: &str) -> bool {
    let line = format!("mod {module};");
    let declares = |text: &str| {
        let text = text.trim_start();
        !text.starts_with("//") && text.find(&line).is_some_and(|at| at == 0 || text[..at].ends_with([' ', ')', ']']))
    };
    text.lines().any(declares)
}

#[cfg(test)]
mod tests {
    use super::super::repository::{Crate, Repository, Tree};
    use super::check;

    #[test]
    fn files_that_no_mod_line_reaches_are_found() {
        let files = [
            ("crates/host/src/bin/tool.rs", ""),
            ("crates/host/src/lib.rs", "mod a;\npub(crate) mod b;\n// mod lost;\n#[cfg(test)] mod t;\n"),
            ("crates/host/src/a.rs", "mod inner;\n"),
            ("crates/host/src/a/inner.rs", ""),
            ("crates/host/src/b.rs", ""),
            ("crates/host/src/b/inner.rs", ""),
            ("crates/host/src/lost.rs", ""),
            ("crates/host/src/t.rs", ""),
            ("crates/host/tests/it/main.rs", "mod serves;\n"),
            ("crates/host/tests/it/serves.rs", ""),
            ("crates/host/tests/it/unheard.rs", ""),
        ];
        let repository = Repository { tree: Tree::of(&files), crates: vec![Crate::plain("host", "crates/host")] };
        let found: Vec<String> = check(&repository).into_iter().map(|found| found.file).collect();
        assert_eq!(found, [files[5].0, files[6].0, files[10].0]);
    }
}
