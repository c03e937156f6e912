//! Which channel of the fields is meant.

use crate::CellsError;

/// The number, from 0, of the channel called `wanted` among `names` (in the order of the channels; empty where they have no
/// names), or of that number, of `count` channels. Case does not matter. Where channels have no names, those of grey images are `grey`, those of three `red`,
/// `green` and `blue`.
///
/// # Errors
/// [`CellsError::NoChannel`] when there is none, or two.
pub fn channel_number(wanted: &str, names: &[String], count: usize) -> Result<usize, CellsError> {
    let usual: &[&str] = match (names.is_empty(), count) {
        (true, 1) => &["grey"],
        (true, 3) => &["red", "green", "blue"],
        _ => &[],
    };
    let known: Vec<&str> = names.iter().map(String::as_str).chain(usual.iter().copied()).collect();
    let mut called = (0..known.len().min(count)).filter(|&at| known[at].eq_ignore_ascii_case(wanted.trim()));
    match (called.next(), called.next(), wanted.trim().parse()) {
        (Some(only), None, _) => Ok(only),
        (None, _, Ok(number)) if number < count => Ok(number),
        _ => {
            let numbers = if count == 1 {
                "0".to_owned()
            } else {
                format!("a number from 0 to {}", count.saturating_sub(1))
            };
            let expected = match known.is_empty() {
                true => numbers,
                false => format!("one of {}, or {numbers}", known.join(", ")),
            };
            Err(CellsError::NoChannel { expected, got: wanted.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_called_by_name_or_number() {
        let names = ["DAPI", "Tubulin", "Actin"].map(String::from);
        assert_eq!(channel_number("dapi", &names, 3).unwrap(), 0);
        assert_eq!(channel_number(" 2 ", &names, 3).unwrap(), 2);
        assert_eq!(channel_number("blue", &[], 3).unwrap(), 2);
        assert_eq!(channel_number("grey", &[], 1).unwrap(), 0);
        assert_eq!(channel_number("3", &[], 5).unwrap(), 3);
        let said = |wanted: &str, names: &[String], count| {
            channel_number(wanted, names, count).unwrap_err().to_string()
        };
        assert_eq!(
            said("dap", &names, 3),
            "channel: expected one of DAPI, Tubulin, Actin, or a number from 0 to 2, got \"dap\""
        );
        assert_eq!(said("4", &[], 4), "channel: expected a number from 0 to 3, got \"4\"");
        assert_eq!(said("1", &[], 1), "channel: expected one of grey, or 0, got \"1\"");
        assert!(channel_number("a", &["a".into(), "A".into()], 2).is_err());
    }
}
