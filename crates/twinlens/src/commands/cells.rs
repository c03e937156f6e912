//! How values look in tables.

use serde_json::Value;
use twinlens_eval::Repeated;

/// A number in tables; `-` where it is undefined.
pub fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

/// Mean and standard deviation.
pub fn spread(of: &Repeated) -> String {
    match (of.mean, of.std) {
        (Some(mean), Some(std)) => format!("{mean:.4} +- {std:.4}"),
        (Some(mean), None) => format!("{mean:.4}"),
        (None, _) => "-".to_owned(),
    }
}

/// A value for a cell: four decimals, and as many digits of what is smaller.
pub fn short(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => match number.as_f64().unwrap_or(f64::NAN) {
            small if small != 0.0 && small.abs() < 1e-3 => format!("{small:.3e}"),
            number => format!("{number:.4}"),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_numbers_keep_their_digits() {
        let told = [json!(9.25), json!(0.0), json!(2.5e-5), json!(-0.5), json!(3), json!("a"), json!(null)];
        assert_eq!(
            told.map(|value| short(&value)),
            ["9.2500", "0.0000", "2.500e-5", "-0.5000", "3", "a", "-"]
        );
    }
}
