//! What data sets have to tell, with the hints of the library as the command line spells them.

use twinlens_data::{Inspection, Notice, SkippedSample};

use crate::exit::spelled;

/// A notice with its hint, in one line.
pub fn notice(notice: &Notice) -> String {
    match &notice.hint {
        Some(hint) => format!("{notice}; {}", spelled(hint)),
        None => notice.to_string(),
    }
}

/// Why an image was left out, and what helps.
pub fn reason(skipped: &SkippedSample) -> String {
    match &skipped.hint {
        Some(hint) => format!("{}; hint: {}", skipped.reason, spelled(hint)),
        None => skipped.reason.clone(),
    }
}

/// An inspection for scripts: its hints are spelled as those for people.
pub fn inspection(mut inspection: Inspection) -> Inspection {
    let of_notices = inspection.notices.iter_mut().map(|notice| &mut notice.hint);
    let of_skipped = inspection.skipped.first.iter_mut().map(|skipped| &mut skipped.hint);
    for hint in of_notices.chain(of_skipped).flatten() {
        *hint = spelled(hint);
    }
    inspection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_spelled_and_what_files_say_is_left_alone() {
        let told =
            Notice::new("copy", "the folder {x} is left out").hint("`{member} {{x}}` reads it").about("{y}");
        assert_eq!(notice(&told), "the folder {x} is left out (1: {y}); `--member {x}` reads it");
        let mut skipped = SkippedSample {
            path: "a.tif".into(),
            reason: "{pages} differ".into(),
            hint: Some("{pages} each".into()),
        };
        assert_eq!(reason(&skipped), "{pages} differ; hint: --pages each");
        skipped.hint = None;
        assert_eq!(reason(&skipped), "{pages} differ");
    }
}
