//! Links inside an archive: followed to the files that they name there, never out of it.

use std::collections::BTreeMap;

/// Links that lead to links, at most.
const MAX_HOPS: usize = 40;

/// Files that all links of an archive may name together.
const MAX_FILES: usize = 1_000_000;

/// A link of an archive.
pub(crate) struct Link {
    /// Where it lies.
    pub(crate) path: String,
    /// What it names: of a hard link a path in the archive, of a symbolic one a path from the link's folder.
    pub(crate) target: String,
    pub(crate) hard: bool,
}

/// Where links lead.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Followed {
    /// A path and the number of the file that lies there by a link.
    pub(crate) files: Vec<(String, usize)>,
    /// Links that lead nowhere, out of the archive, or around in circles.
    pub(crate) lost: Vec<String>,
}

/// Follows `links` to `files`, which are numbers by path.
///
/// # Errors
/// When they name more files than any honest archive does.
pub(crate) fn follow(files: &BTreeMap<String, usize>, links: &[Link]) -> Result<Followed, String> {
    let by_path: BTreeMap<&str, &Link> = links.iter().map(|link| (link.path.as_str(), link)).collect();
    let mut followed = Followed::default();
    let mut folders = Vec::new();
    for link in links {
        match resolve(link, &by_path) {
            Some(target) if files.contains_key(&target) => {
                followed.files.push((link.path.clone(), files[&target]));
            }
            Some(target) if !within(&link.path, &target) => folders.push((link, target)),
            _ => followed.lost.push(link.path.clone()),
        }
    }
    let mut known = files.clone();
    known.extend(followed.files.iter().cloned());
    for (link, target) in folders {
        let before = followed.files.len();
        let prefix = format!("{target}/");
        let below = known.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        followed
            .files
            .extend(below.map(|(path, &file)| (format!("{}/{}", link.path, &path[prefix.len()..]), file)));
        if followed.files.len() == before {
            followed.lost.push(link.path.clone());
        }
        if followed.files.len() > MAX_FILES {
            return Err(format!("its links name more than {MAX_FILES} files"));
        }
    }
    Ok(followed)
}

/// Whether following a link at `path` to the folder `target` would come by the link again.
fn within(path: &str, target: &str) -> bool {
    target.is_empty() || path == target || path.strip_prefix(target).is_some_and(|rest| rest.starts_with('/'))
}

/// The path that a link names in the end, links on the way followed; `None` when it leaves the archive or goes around.
fn resolve(link: &Link, links: &BTreeMap<&str, &Link>) -> Option<String> {
    let mut path = target_of(link)?;
    for _ in 0..MAX_HOPS {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let hop = ends.into_iter().find_map(|end| Some((links.get(&path[..end])?, end)));
        let Some((hop, end)) = hop else { return Some(path) };
        path = clean("", &format!("{}{}", target_of(hop)?, &path[end..]))?;
    }
    None
}

fn target_of(link: &Link) -> Option<String> {
    match (link.hard, link.target.starts_with('/')) {
        (true, _) => clean("", link.target.trim_start_matches('/')),
        (false, true) => None,
        (false, false) => clean(link.path.rsplit_once('/').map_or("", |(folder, _)| folder), &link.target),
    }
}

/// `path`, seen from `folder`, without `.` and `..`; `None` when it leads out of the archive.
fn clean(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> BTreeMap<String, usize> {
        paths.iter().enumerate().map(|(number, path)| (path.to_string(), number)).collect()
    }

    fn link(path: &str, target: &str, hard: bool) -> Link {
        Link { path: path.into(), target: target.into(), hard }
    }

    #[test]
    fn links_to_files_and_folders_are_followed_through_other_links() {
        let links = [
            link("c/hard", "a/1", true),
            link("c/soft", "../a/2", false),
            link("d", "a", false),
            link("e", "./d", false),
            link("f", "e/1", false),
        ];
        let found = follow(&files(&["a/1", "a/2"]), &links).unwrap();
        let expected =
            [("c/hard", 0), ("c/soft", 1), ("f", 0), ("d/1", 0), ("d/2", 1), ("e/1", 0), ("e/2", 1)];
        assert_eq!(found.files, expected.map(|(path, file)| (path.to_string(), file)));
        assert!(found.lost.is_empty());
    }

    #[test]
    fn links_never_leave_the_archive_and_circles_end() {
        let links = [
            link("out", "../a/1", false),
            link("root", "/a/1", false),
            link("a/self", ".", false),
            link("a/up", "..", false),
            link("x", "y", false),
            link("y", "x", false),
            link("none", "nothing", false),
        ];
        let found = follow(&files(&["a/1"]), &links).unwrap();
        assert_eq!(found.files, []);
        assert_eq!(found.lost, ["out", "root", "a/self", "a/up", "x", "y", "none"]);
    }

    #[test]
    fn links_that_multiply_files_are_refused() {
        let paths: Vec<String> = (0..2000).map(|number| format!("a/{number}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let links: Vec<Link> = (0..600).map(|number| link(&format!("l{number}"), "a", false)).collect();
        assert!(follow(&files(&paths), &links).unwrap_err().contains("1000000"));
    }
}
