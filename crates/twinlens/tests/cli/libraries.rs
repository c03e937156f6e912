//! What holds of the sources of the library crates.

use std::path::{Path, PathBuf};

const LIBRARIES: [&str; 12] =
    ["cells", "config", "data", "eval", "kernels", "lab", "nn", "random", "report", "run", "ssl", "views"];

/// All source files below `folder` but those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_tests =
        |path: &PathBuf| matches!(path.file_stem().and_then(|stem| stem.to_str()), Some("tests" | "testing"));
    let found = entries.filter(|path| !of_tests(path)).flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The lines of a source that name a flag, up to the tests at its end.
fn naming_flags(source: &str) -> Vec<&str> {
    let code = source.split_once("#[cfg(test)]\nmod tests {").map_or(source, |(code, _)| code);
    let is_flag = |behind: &str| behind.starts_with(|letter: char| letter.is_ascii_lowercase());
    code.lines().filter(|line| line.split("--").skip(1).any(is_flag)).collect()
}

#[test]
fn no_library_names_a_flag() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files: Vec<PathBuf> =
        LIBRARIES.iter().flat_map(|library| sources(&crates.join(library).join("src"))).collect();
    assert!(files.len() > 200, "only {} files", files.len());
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let lines = naming_flags(&source);
        assert!(
            lines.is_empty(),
            "{}: a library names arguments as {{name}} in a hint, and the command line spells them: {lines:#?}",
            file.display()
        );
    }
}

#[test]
fn a_flag_is_seen_outside_of_tests() {
    let source = "a - b;\n// ----\n\"`--out DIR`\"\n#[cfg(test)]\nmod tests {\n\"--out\"\n}\n";
    assert_eq!(naming_flags(source), ["\"`--out DIR`\""]);
}
