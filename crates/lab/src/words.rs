//! Numbers in words.

/// A number of bytes in words: `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A number of things: `1 epoch`, `2 epochs`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_thing_has_no_ending() {
        assert_eq!([1, 2].map(|count| super::counted(count, "epoch")), ["1 epoch", "2 epochs"]);
    }

    #[test]
    fn bytes_are_told_in_the_largest_unit() {
        let told = [0, 1023, 1024, 1_572_864, 1 << 30, u64::MAX].map(super::bytes);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "1.0 GiB", "16777216.0 TiB"]);
    }
}
