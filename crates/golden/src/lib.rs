//! Reference tensors for tests: reading cases and comparing within their stated tolerance.
//!
//! A case is one `.safetensors` file, `<group>/<item>/<case>.safetensors`. Tensors named `in.*` are inputs,
//! `out.*` expected outputs. The metadata holds `params` (JSON scalars) and `tolerance` (JSON), whose rule is
//!
//! ```text
//! |got - want| <= abs + rel * |want|        element by element
//! ```
//!
//! with `abs` and `rel` from `tolerance.per_tensor[name]` where present, else from the top level.
//! `max_bad_fraction` allows that share of elements to break the rule; `rel_l2` is an alternative that is
//! enough by itself: `||got - want||_2 <= rel_l2 * ||want||_2`.
//!
//! The folder is `tests/golden` of the workspace, or the one named by `TWINLENS_GOLDEN`, so that the same
//! tests run on cases that were not seen while the code was written; items that it lacks come from `tests/golden`.
#![allow(clippy::panic, clippy::expect_used, reason = "test support: a broken case must stop the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// The folder of the cases of `item`: in the folder that `TWINLENS_GOLDEN` names, or in the repository's own where that one
/// has none, as only the repository holds references of everything.
///
/// # Panics
/// When `TWINLENS_GOLDEN` names no folder.
fn folder_of(item: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(item);
    let Some(named) = std::env::var_os("TWINLENS_GOLDEN").map(PathBuf::from) else { return own };
    assert!(named.is_dir(), "TWINLENS_GOLDEN names no folder: {}", named.display());
    let other = named.join(item);
    if other.is_dir() { other } else { own }
}

/// All cases of `item` (for example `"views/solarize"`), sorted by name.
///
/// # Panics
/// When the folder is missing or holds no case: a golden test without cases must not pass.
pub fn cases(item: &str) -> Vec<Case> {
    let folder = folder_of(item);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("golden folder {}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable folder entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "safetensors"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "golden folder {} holds no case", folder.display());
    paths.iter().map(|path| Case::read(path)).collect()
}

/// The values of one stored tensor.
#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    U8(Vec<u8>),
    I64(Vec<i64>),
}

/// One reference case: inputs, expected outputs, parameters and tolerance.
#[derive(Clone, Debug)]
pub struct Case {
    name: String,
    params: Value,
    tolerance: Value,
    tensors: BTreeMap<String, (Vec<usize>, Values)>,
    /// What else the file says of itself.
    said: BTreeMap<String, String>,
}

impl Case {
    /// Reads one case file.
    ///
    /// # Panics
    /// When the file is missing or malformed.
    pub fn read(path: &Path) -> Case {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let metadata = header.metadata().clone().unwrap_or_default();
        let json = |key: &str| -> Value {
            metadata.get(key).map_or(Value::Null, |text| {
                serde_json::from_str(text).unwrap_or_else(|e| panic!("{name}: {key}: {e}"))
            })
        };
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(key, view)| {
                let data = view.data();
                let values = match view.dtype() {
                    Dtype::F32 => Values::F32(chunks(data, f32::from_le_bytes)),
                    Dtype::I64 => Values::I64(chunks(data, i64::from_le_bytes)),
                    Dtype::U8 => Values::U8(data.to_vec()),
                    other => panic!("{name}: {key} has dtype {other:?}"),
                };
                (key, (view.shape().to_vec(), values))
            })
            .collect();
        let (params, tolerance) = (json("params"), json("tolerance"));
        Case { params, tolerance, name, tensors, said: metadata.into_iter().collect() }
    }

    /// What the metadata say under `key`, if anything.
    pub fn said(&self, key: &str) -> Option<&str> {
        self.said.get(key).map(String::as_str)
    }

    /// The file of real data that the case is about (metadata `root` and `file`): beside the folder of this case, or in the
    /// repository.
    ///
    /// # Panics
    /// When the case names none, or there is none in either place.
    pub fn file(&self) -> PathBuf {
        let said = |key: &str| self.said(key).unwrap_or_else(|| panic!("{}: no {key}", self.name));
        let of_case = Path::new(&self.name).ancestors().nth(3).expect("group and item");
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
        let paths = [of_case, &own].map(|folder| folder.join(said("root")).join(said("file")));
        let found = paths.iter().find(|path| path.is_file());
        found.unwrap_or_else(|| panic!("{}: neither {paths:?}", self.name)).clone()
    }

    /// The file this case came from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the case stores the tensor `key`.
    pub fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    /// The names of all stored tensors, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of tensor `key`.
    pub fn shape(&self, key: &str) -> &[usize] {
        &self.tensor(key).0
    }

    /// The values of the f32 tensor `key`.
    pub fn f32(&self, key: &str) -> &[f32] {
        match &self.tensor(key).1 {
            Values::F32(values) => values,
            other => panic!("{}: {key} is not f32 but {other:?}", self.name),
        }
    }

    /// The values of the u8 tensor `key`.
    pub fn u8(&self, key: &str) -> &[u8] {
        match &self.tensor(key).1 {
            Values::U8(values) => values,
            other => panic!("{}: {key} is not u8 but {other:?}", self.name),
        }
    }

    /// The values of the i64 tensor `key`.
    pub fn i64(&self, key: &str) -> &[i64] {
        match &self.tensor(key).1 {
            Values::I64(values) => values,
            other => panic!("{}: {key} is not i64 but {other:?}", self.name),
        }
    }

    /// The value of a stored scalar (a tensor of one f32 element).
    pub fn scalar(&self, key: &str) -> f32 {
        match self.f32(key) {
            [value] => *value,
            values => panic!("{}: {key} has {} elements, not one", self.name, values.len()),
        }
    }

    /// The numeric parameter `key`.
    pub fn number(&self, key: &str) -> f64 {
        self.param(key).as_f64().unwrap_or_else(|| panic!("{}: parameter {key} is no number", self.name))
    }

    /// The parameter `key` as a count or index.
    pub fn count(&self, key: &str) -> usize {
        self.integer(key).try_into().unwrap_or_else(|e| panic!("{}: parameter {key}: {e}", self.name))
    }

    /// The parameter `key` as a signed integer.
    pub fn integer(&self, key: &str) -> i64 {
        self.param(key).as_i64().unwrap_or_else(|| panic!("{}: parameter {key} is no integer", self.name))
    }

    /// The boolean parameter `key`.
    pub fn flag(&self, key: &str) -> bool {
        self.param(key).as_bool().unwrap_or_else(|| panic!("{}: parameter {key} is no boolean", self.name))
    }

    /// The text parameter `key`.
    pub fn text(&self, key: &str) -> &str {
        self.param(key).as_str().unwrap_or_else(|| panic!("{}: parameter {key} is no text", self.name))
    }

    /// Asserts that `got` equals the stored tensor `key` within the case's tolerance (any stored dtype).
    ///
    /// # Panics
    /// When lengths differ or too many elements are outside the tolerance.
    pub fn check<T: Copy + Into<f64>>(&self, key: &str, got: &[T]) {
        let want = self.as_f64(key);
        let got: Vec<f64> = got.iter().map(|&v| v.into()).collect();
        self.compare(key, &got, &want, |setting| self.tolerance_of(key, setting));
    }

    /// Asserts that the integers `got` equal the stored i64 tensor `key` exactly.
    ///
    /// # Panics
    /// At the first difference.
    pub fn check_exact(&self, key: &str, got: &[i64]) {
        assert_eq!(got, self.i64(key), "{}: {key}", self.name);
    }

    fn compare(&self, key: &str, got: &[f64], want: &[f64], setting: impl Fn(&str) -> Option<f64>) {
        assert_eq!(got.len(), want.len(), "{}: {key}: number of elements", self.name);
        let (abs, rel) = (setting("abs").unwrap_or(0.0), setting("rel").unwrap_or(0.0));
        let outside = |&(&g, &w): &(&f64, &f64)| {
            let close = (g - w).abs() <= abs + rel * w.abs();
            !close
        };
        let bad = got.iter().zip(want).filter(outside).count();
        if bad as f64 <= setting("max_bad_fraction").unwrap_or(0.0) * want.len() as f64 {
            return;
        }
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let distance = norm(&mut got.iter().zip(want).map(|(g, w)| g - w));
        let relative = distance / norm(&mut want.iter().copied());
        if setting("rel_l2").is_some_and(|limit| relative <= limit) {
            return;
        }
        let worst = got.iter().zip(want).enumerate().max_by(|a, b| {
            let distance = |(g, w): (&f64, &f64)| (g - w).abs();
            distance(a.1).total_cmp(&distance(b.1))
        });
        panic!(
            "{}: {key}: {bad} of {} elements outside abs {abs} + rel {rel} (relative L2 {relative:.3e}); worst {worst:?}",
            self.name,
            want.len()
        );
    }

    fn tolerance_of(&self, key: &str, setting: &str) -> Option<f64> {
        let specific = &self.tolerance["per_tensor"][key][setting];
        specific.as_f64().or_else(|| self.tolerance[setting].as_f64())
    }

    fn as_f64(&self, key: &str) -> Vec<f64> {
        match &self.tensor(key).1 {
            Values::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Values::U8(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Values::I64(values) => values.iter().map(|&v| v as f64).collect(),
        }
    }

    fn param(&self, key: &str) -> &Value {
        self.params.get(key).unwrap_or_else(|| panic!("{}: no parameter {key}", self.name))
    }

    fn tensor(&self, key: &str) -> &(Vec<usize>, Values) {
        self.tensors.get(key).unwrap_or_else(|| panic!("{}: no tensor {key}", self.name))
    }
}

/// The values of the entry `name` of a reference network, in torchvision's shape and order.
///
/// With `h = (sum of the bytes of name) mod 97` and flat index `i`, `kind` "sine" takes `s(i) = sin(0.7 i + h)` and gain
/// 1.6, "hash" takes `s(i) = (splitmix64(h 2^32 + i) >> 40) / 2^23 - 1` and gain sqrt(6). Weights of two and more
/// dimensions are `gain / sqrt(fan_in) s`; of norms `1 + 0.1 s`; biases `0.05 s`; running means `0.1 s`; running
/// variances `1 + 0.2 |s|`; layer scales 0.1.
///
/// # Panics
/// For an unknown kind or an entry of another sort.
pub fn reference_weight(name: &str, shape: &[usize], kind: &str) -> Vec<f32> {
    let length = shape.iter().product::<usize>();
    let h = name.bytes().map(u64::from).sum::<u64>() % 97;
    let s = |i: u64| match kind {
        "sine" => (0.7 * i as f64 + h as f64).sin(),
        "hash" => (splitmix64((h << 32) + i) >> 40) as f64 / f64::from(1 << 23) - 1.0,
        other => panic!("weights of kind {other}"),
    };
    let gain = if kind == "sine" { 1.6 } else { 6.0_f64.sqrt() };
    let value = |i: u64| match name.rsplit('.').next() {
        Some("weight") if shape.len() >= 2 => gain / ((length / shape[0]) as f64).sqrt() * s(i),
        Some("weight") => 1.0 + 0.1 * s(i),
        Some("bias") => 0.05 * s(i),
        Some("running_mean") => 0.1 * s(i),
        Some("running_var") => 1.0 + 0.2 * s(i).abs(),
        Some("layer_scale") => 0.1,
        other => panic!("an entry of sort {other:?}"),
    };
    (0..length as u64).map(|i| value(i) as f32).collect()
}

fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn chunks<T, const N: usize>(data: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|&bytes| read(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(tolerance: &str, want: Vec<f32>) -> Case {
        let tensors = BTreeMap::from([("out.x".to_string(), (vec![want.len()], Values::F32(want)))]);
        Case {
            name: "made".into(),
            params: Value::Null,
            tolerance: serde_json::from_str(tolerance).unwrap(),
            tensors,
            said: BTreeMap::new(),
        }
    }

    #[test]
    fn accepts_within_and_refuses_outside_the_tolerance() {
        let near = case(r#"{"abs": 0.1, "rel": 0.0}"#, vec![1.0, 2.0]);
        near.check("out.x", &[1.05_f32, 2.0]);
        assert!(std::panic::catch_unwind(|| near.check("out.x", &[1.2_f32, 2.0])).is_err());
        assert!(std::panic::catch_unwind(|| near.check("out.x", &[f32::NAN, 2.0])).is_err());
        assert!(std::panic::catch_unwind(|| near.check("out.x", &[1.0_f32])).is_err());
    }

    #[test]
    fn reference_weights_have_the_published_samples() {
        let first =
            |name: &str, shape: &[usize], kind: &str| reference_weight(name, shape, kind)[..3].to_vec();
        let conv1 = [64, 3, 7, 7];
        assert_eq!(first("conv1.weight", &conv1, "sine"), [-0.126_871_57, -0.120_429_65, -0.057_347_79]);
        assert_eq!(first("conv1.weight", &conv1, "hash"), [-0.024_568_602, 0.116_734_15, 0.063_714_3]);
        assert_eq!(first("bn1.running_var", &[64], "hash"), [1.111_589_7, 1.050_173_3, 1.170_947_9]);
    }

    #[test]
    fn specific_tolerance_and_alternatives_count() {
        let strict = case(r#"{"abs": 9.0, "per_tensor": {"out.x": {"abs": 0.01}}}"#, vec![1.0]);
        assert!(std::panic::catch_unwind(|| strict.check("out.x", &[1.5_f32])).is_err());
        case(r#"{"abs": 0.0, "max_bad_fraction": 0.5}"#, vec![1.0, 2.0]).check("out.x", &[1.0_f32, 3.0]);
        case(r#"{"abs": 0.0, "rel_l2": 0.1}"#, vec![10.0, 10.0]).check("out.x", &[10.1_f32, 10.1]);
    }
}
