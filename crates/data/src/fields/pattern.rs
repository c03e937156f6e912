//! A pattern of file names: texts, and fields in braces.

/// What stands for a field of a name that is passed over.
const PASSED_OVER: &str = "*";

/// The field that says the channel.
pub(crate) const CHANNEL: &str = "channel";

/// What a field is if the pattern does not say it: wells are letters and digits (`B02`), all else any text.
fn usual(field: &str) -> &str {
    if field == "well" { "@#" } else { "" }
}

/// A pattern such as `{plate}_{well}_s{site:#}_w{channel}`.
///
/// A field is `{name}` or `{name:mask}`. A mask has `#` for one or more digits, `0` for one digit, `@` for one or more
/// letters, `?` for any one character, and stands for itself otherwise; without one a field is any text. `{*}` is text that
/// is passed over. Of several ways to fit, the first fields are the shortest. Each `/` is one more folder above the
/// file; a pattern without an extension fits names without theirs.
#[derive(Debug)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    /// Names of the fields, in their order; those that are passed over are empty.
    names: Vec<String>,
    folders: usize,
    extension: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// This character.
    Just(char),
    /// Any one character but `/`.
    Any,
    /// One digit.
    Digit,
    /// One or more digits.
    Digits,
    /// One or more letters.
    Letters,
    /// One or more characters but `/`.
    Text,
    /// Here a field begins.
    Open(usize),
    /// Here the field ends that began last.
    Close,
}

impl Part {
    /// Whether it takes this character.
    fn takes(self, letter: char) -> bool {
        match self {
            Part::Just(just) => just == letter,
            Part::Any | Part::Text => letter != '/',
            Part::Digit | Part::Digits => letter.is_ascii_digit(),
            Part::Letters => letter.is_alphabetic(),
            Part::Open(_) | Part::Close => false,
        }
    }

    /// Whether it takes no character.
    fn is_mark(self) -> bool {
        matches!(self, Part::Open(_) | Part::Close)
    }

    /// Whether it takes several.
    fn goes_on(self) -> bool {
        matches!(self, Part::Digits | Part::Letters | Part::Text)
    }

    fn of_mask(letter: char) -> Part {
        match letter {
            '#' => Part::Digits,
            '0' => Part::Digit,
            '@' => Part::Letters,
            '?' => Part::Any,
            other => Part::Just(other),
        }
    }
}

/// What a path says by a pattern.
#[derive(Debug, PartialEq)]
pub(crate) struct Fit<'a> {
    /// The folders above those of the pattern.
    pub(crate) above: &'a str,
    /// The text of every field, in the order of [`Pattern::names`].
    pub(crate) values: Vec<String>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it: an open brace, a field without a name or twice, none that says the channel.
    pub(crate) fn parse(text: &str) -> Result<Pattern, String> {
        let (mut parts, mut names) = (Vec::new(), Vec::<String>::new());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if letter != '{' {
                parts.push(Part::Just(letter));
                rest = &rest[letter.len_utf8()..];
                continue;
            }
            let (field, after) = rest[1..].split_once('}').ok_or("a brace is not closed")?;
            let (name, mask) = field.split_once(':').unwrap_or((field, usual(field)));
            if names.iter().any(|known| known == name && name != PASSED_OVER) {
                return Err(format!("the field {name:?} is there twice"));
            }
            if name.is_empty() || name.contains('{') {
                return Err("a field has no name".into());
            }
            parts.push(Part::Open(names.len()));
            names.push(name.into());
            match mask {
                "" => parts.push(Part::Text),
                mask => parts.extend(mask.chars().map(Part::of_mask)),
            }
            parts.push(Part::Close);
            rest = after;
        }
        if !names.iter().any(|name| name == CHANNEL) {
            return Err(format!("no field is called {{{CHANNEL}}}"));
        }
        names.iter_mut().filter(|name| *name == PASSED_OVER).for_each(String::clear);
        let last = text.rsplit('/').next().unwrap_or(text);
        let extension = last.rsplit_once('.').is_some_and(|(_, end)| !end.contains(['{', '}']));
        Ok(Pattern {
            folders: parts.iter().filter(|part| **part == Part::Just('/')).count(),
            parts,
            names,
            extension,
        })
    }

    /// Whether it says folders too.
    pub(crate) fn has_folders(&self) -> bool {
        self.folders > 0
    }

    /// The names of its fields; empty for those that are passed over.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// What `path` says, if it fits.
    pub(crate) fn fit<'a>(&self, path: &'a str) -> Option<Fit<'a>> {
        let (above, tail) = match path.rmatch_indices('/').nth(self.folders) {
            Some((at, _)) => (&path[..at], &path[at + 1..]),
            None => ("", path),
        };
        let tail = if self.extension { tail } else { bare(tail) };
        let letters: Vec<char> = tail.chars().collect();
        Some(Fit { above, values: self.values(&letters)? })
    }

    /// The text of every field, if `letters` fit.
    fn values(&self, letters: &[char]) -> Option<Vec<String>> {
        let ends = self.ends(letters);
        let width = letters.len() + 1;
        ends[0].then_some(())?;
        let (mut values, mut open, mut at) = (vec![String::new(); self.names.len()], (0, 0), 0);
        for (number, &part) in self.parts.iter().enumerate() {
            match part {
                Part::Open(field) => open = (field, at),
                Part::Close => values[open.0] = letters[open.1..at].iter().collect(),
                _ => {
                    at += 1;
                    while !ends[(number + 1) * width + at] {
                        at += 1; // as far as it must go, and it can
                    }
                }
            }
        }
        Some(values)
    }

    /// For every part and place, row by row: whether the parts from it on fit the letters from there on.
    fn ends(&self, letters: &[char]) -> Vec<bool> {
        let width = letters.len() + 1;
        let mut ends = vec![false; (self.parts.len() + 1) * width];
        ends[self.parts.len() * width + letters.len()] = true;
        for (number, part) in self.parts.iter().enumerate().rev() {
            let (row, next) = (number * width, (number + 1) * width);
            for at in (0..width).rev() {
                ends[row + at] = match letters.get(at) {
                    _ if part.is_mark() => ends[next + at],
                    Some(&letter) if part.takes(letter) => {
                        ends[next + at + 1] || part.goes_on() && ends[row + at + 1]
                    }
                    _ => false,
                };
            }
        }
        ends
    }
}

/// A file's name without its extension, `.ome` included.
fn bare(path: &str) -> &str {
    let is_extension =
        |end: &str| (1..=5).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric());
    match path.rsplit_once('.') {
        Some((stem, end)) if is_extension(end) && !stem.is_empty() => {
            stem.strip_suffix(".ome").unwrap_or(stem)
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pattern: &str, path: &str) -> Option<String> {
        let fit = Pattern::parse(pattern).unwrap().fit(path).map(|fit| (fit.above.to_string(), fit.values));
        fit.map(|(above, values)| format!("{above}|{}", values.join("|")))
    }

    #[test]
    fn fields_take_what_they_are_called() {
        for (pattern, path, expected) in [
            ("{well}_{site}_w{channel}", "B02_s1_w4.tif", Some("|B02|s1|4")),
            ("{well}_{site}_w{channel}", "a/b/B02_s1_w4.ome.tif", Some("a/b|B02|s1|4")),
            ("{well}_{site}_w{channel}", "B02_s1_w.tif", None),
            (
                "{plate}_{well}_s{site:#}_w{channel:?}{*:0#?}",
                "my_plate_x1_B02_s13_w212b.png",
                Some("|my_plate_x1|B02|13|2|12b"),
            ),
            ("{plate}/{channel}/{site}", "x/p1/DAPI/07.tif", Some("x|p1|DAPI|07")),
            ("{plate}/{channel}/{site}", "DAPI/07.tif", None),
            ("{site}_{channel}.tif", "1_R.tif", Some("|1|R")),
            ("{site}_{channel}.tif", "1_R.png", None),
            ("{site}_{channel}", "1_2_R.png", Some("|1|2_R")),
            ("{site}_{channel:@}", "1_2_R.png", Some("|1_2|R")),
            ("{channel} \u{e9}{x:@}", "1 \u{e9}\u{e8}\u{e0}.png", Some("|1|\u{e8}\u{e0}")),
            ("c{channel:#}", "c12.tif", Some("|12")),
            ("c{channel:#}", "c12a.tif", None),
        ] {
            assert_eq!(values(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_that_are_none_say_why() {
        for (pattern, reason) in [
            ("{well}_{site}", "{channel}"),
            ("{well}_{channel", "not closed"),
            ("{}_{channel}", "no name"),
            ("{a}_{a}_{channel}", "twice"),
            ("", "{channel}"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }

    proptest::proptest! {
        /// What a pattern makes of its own fields, put into it, are these fields where they hold no separator.
        #[test]
        fn what_was_put_in_comes_out(plate in "[a-z]{1,4}", site in 0u32..1000, channel in "[A-Za-z]{1,5}") {
            let path = format!("{plate}_s{site}_{channel}.tif");
            let expected = format!("|{plate}|{site}|{channel}");
            proptest::prop_assert_eq!(values("{plate}_s{site:#}_{channel}", &path), Some(expected));
        }

        #[test]
        fn any_pattern_and_path_end(pattern in "[{}a:#@?*/.]{0,12}", path in "[a1/._]{0,12}") {
            let pattern = format!("{pattern}{{channel}}");
            if let Ok(pattern) = Pattern::parse(&pattern)
                && let Some(fit) = pattern.fit(&path)
            {
                proptest::prop_assert_eq!(fit.values.len(), pattern.names().len());
            }
        }
    }
}
