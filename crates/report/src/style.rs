//! One look for all pictures: colours, shapes, text sizes, and how numbers and names are written.

use plotters::style::RGBColor;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x26, 0x2b);
/// Secondary text.
pub(crate) const MUTED: RGBColor = RGBColor(0x5b, 0x64, 0x70);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
/// The ground of every picture.
pub(crate) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// Body text, in the pixels of a picture.
pub(crate) const TEXT: f64 = 13.0;
/// Tick labels and notes.
pub(crate) const SMALL: f64 = 11.5;

/// Colours for categories: those of Okabe and Ito ("Color Universal Design", 2008), with grey for black and
/// brown for yellow, which is hard to see on white.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x6b, 0x6b, 0x6b),
    RGBColor(0x8b, 0x5a, 0x2b),
];

/// The colour of category `index`; they repeat after eight.
pub(crate) fn colour(index: usize) -> RGBColor {
    PALETTE[index % PALETTE.len()]
}

/// A colour with a meaning: what has the same one is the same thing in every table, bar and line of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hue(usize);

impl Hue {
    /// The hue of the network as it was before it learned anything.
    pub const GREY: Hue = Hue(6);
    /// The hue of raw pixels.
    pub const BROWN: Hue = Hue(7);

    /// The hue of thing number `index`: six, after which they repeat, none of them grey or brown.
    pub fn number(index: usize) -> Hue {
        Hue(index % 6)
    }

    pub(crate) fn colour(self) -> RGBColor {
        colour(self.0)
    }

    /// As HTML has it: `#0072b2`.
    pub(crate) fn hexadecimal(self) -> String {
        hexadecimal(self.colour())
    }
}

/// A colour as HTML has it.
pub(crate) fn hexadecimal(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// From near white (0) to dark blue (1); the lightness falls evenly, so it also reads in grey.
pub(crate) fn shade(share: f64) -> RGBColor {
    let stops = [(0.0, (244, 247, 250)), (0.5, (107, 160, 205)), (1.0, (8, 60, 115))];
    let (from, to) = if share < 0.5 { (stops[0], stops[1]) } else { (stops[1], stops[2]) };
    let t = ((share - from.0) / (to.0 - from.0)).clamp(0.0, 1.0);
    let mix = |a: u8, b: u8| (f64::from(a) + t * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(from.1.0, to.1.0), mix(from.1.1, to.1.1), mix(from.1.2, to.1.2))
}

/// Dark blue at -1, white at 0, dark red at 1; both sides darken alike.
pub(crate) fn diverging(value: f64) -> RGBColor {
    let share = value.abs().min(1.0);
    let end = if value < 0.0 { (8, 60, 115) } else { (150, 20, 30) };
    let mix = |to: u8| (255.0 + share * (f64::from(to) - 255.0)).round() as u8;
    RGBColor(mix(end.0), mix(end.1), mix(end.2))
}

/// The shapes of points; they repeat after five, so that colour and shape together repeat after forty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

/// The shape of category `index`.
pub(crate) fn marker(index: usize) -> Marker {
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Cross][index % 5]
}

/// The dashes of line `index`, as lengths of strokes and gaps; the first is unbroken.
pub(crate) fn dashes(index: usize) -> &'static [f64] {
    [&[] as &[f64], &[6.0, 3.0], &[2.0, 2.5], &[8.0, 3.0, 2.0, 3.0]][index % 4]
}

/// A name from outside, fit for any picture or page: control characters, which XML forbids, become U+FFFD.
pub(crate) fn clean(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c })
        .collect()
}

/// A number with about three significant digits, as short as it can be read: `0.000250` is `2.5e-4`, `12000`
/// is `12k`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return if value.is_nan() { "not a number".into() } else { "infinite".into() };
    }
    match size {
        0.0 => "0".into(),
        _ if size < 1e-3 => tidy(format!("{value:.1e}").replace(".0e", "e")),
        _ if size < 0.1 => trim(format!("{value:.4}")),
        _ if size < 10.0 => trim(format!("{value:.3}")),
        _ if size < 100.0 => trim(format!("{value:.2}")),
        _ if size < 1e4 => trim(format!("{value:.1}")),
        _ if size < 1e6 => format!("{}k", trim(format!("{:.1}", value / 1e3))),
        _ if size < 1e9 => format!("{}M", trim(format!("{:.2}", value / 1e6))),
        _ => format!("{value:.2e}"),
    }
}

/// A share as per cent with one decimal.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { number(share) }
}

fn tidy(text: String) -> String {
    text.replace('-', "−").replace("e−", "e-")
}

/// Without zeros at the end of the fraction, and with a true minus sign.
fn trim(text: String) -> String {
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    text.replace('-', "−")
}

/// The mean of the finite values, if any.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64)
}

/// The sample standard deviation (divisor n - 1) of the finite values, from two on.
pub(crate) fn deviation(values: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let centre = mean(&finite)?;
    let squares: f64 = finite.iter().map(|value| (value - centre).powi(2)).sum();
    (finite.len() > 1).then(|| (squares / (finite.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (0.00025, "2.5e-4"),
            (0.0003, "3e-4"),
            (0.0442, "0.0442"),
            (0.5, "0.5"),
            (-3.25, "−3.25"),
            (12.0, "12"),
            (345.67, "345.7"),
            (12000.0, "12k"),
            (2_500_000.0, "2.5M"),
            (f64::NAN, "not a number"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!(percent(0.8149), "81.5 %");
    }

    #[test]
    fn hues_repeat_without_those_that_are_kept() {
        assert_eq!((Hue::number(7), Hue::number(1).hexadecimal()), (Hue::number(1), "#d55e00".into()));
        let kept = [Hue::GREY, Hue::BROWN];
        assert!((0..12).map(Hue::number).all(|hue| kept.iter().all(|kept| kept.colour() != hue.colour())));
    }

    #[test]
    fn spread_is_the_sample_deviation_of_finite_values() {
        assert_eq!(mean(&[1.0, 2.0, f64::NAN, 6.0]), Some(3.0));
        assert_eq!(deviation(&[1.0, 3.0]), Some(2.0_f64.sqrt()));
        assert_eq!(deviation(&[1.0, f64::INFINITY]), None);
        assert_eq!(mean(&[f64::NAN]), None);
    }
}
