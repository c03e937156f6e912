//! Images that belong together (of one patient, of one volume), which no drawn split divides.

use crate::notice::Notice;
use crate::{DataError, DataSettings, SplitOrigin};

/// Columns that name the patient, in lower case and without what is neither letter nor digit.
const PATIENTS: &[&str] = &["patient", "patientid", "subject", "subjectid", "participant", "participantid"];

/// The column among `columns` that names the patient, if one does.
pub(crate) fn patient(columns: &[String]) -> Option<&String> {
    let plain = |column: &str| -> String {
        column.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    PATIENTS.iter().find_map(|known| columns.iter().find(|column| plain(column) == *known))
}

/// The place of the column that says what belongs together: that of the settings, or else `usual`.
///
/// # Errors
/// [`DataError::BadOption`] where the settings name a column that is not there.
pub(crate) fn column_of(
    columns: &[String],
    usual: Option<&str>,
    settings: &DataSettings,
) -> Result<Option<usize>, DataError> {
    let place = |name: &str| columns.iter().position(|column| column == name);
    match settings.split_group.as_str() {
        "" => Ok(usual.and_then(place)),
        name => place(name).map(Some).ok_or_else(|| DataError::BadOption {
            name: "split_group",
            expected: match columns {
                [] => "nothing, as no more is known of the images than their labels".into(),
                columns => format!("a column of what is known of the images: {}", columns.join(", ")),
            },
            got: name.into(),
        }),
    }
}

/// Tells that what the column says was kept together.
pub(crate) fn told(columns: &[String], column: Option<usize>, origin: SplitOrigin) -> Option<Notice> {
    let drawn = matches!(origin, SplitOrigin::Drawn | SplitOrigin::ValFromTrain);
    let column = columns.get(column?).filter(|_| drawn)?;
    let message = format!("splits were drawn so that images of the same {column:?} are in one of them");
    let hint = "`{split_group}` names another column, such as that of the patient";
    Some(Notice::new("split-groups", message).hint(hint))
}
