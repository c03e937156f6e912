//! The JSON schema of the settings as a checker: which keys a table has, and which values a key takes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde_json::{Value as Json, json};
use toml::Value;

use super::node::{Content, Node};
use super::origin::Source;
use super::report::{Finding, Report};

pub(super) struct Schema {
    root: Arc<Json>,
}

/// What a check looks at.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    /// The values that one layer brought.
    Layer(&'a Arc<Source>),
    /// Keys that no layer gave, though their table cannot do without.
    Missing,
}

/// The keys of a table type.
#[derive(Default)]
pub(super) struct Keys<'a> {
    pub properties: BTreeMap<&'a str, &'a Json>,
    required: Vec<&'a str>,
    /// The type of the values of a free map.
    free: Option<&'a Json>,
}

/// The kind of a tagged table that was chosen.
struct Kind<'a> {
    /// The dotted key of the tag.
    key: String,
    name: &'a str,
    /// Where it was chosen.
    place: String,
    /// The other kinds.
    others: Vec<(&'a str, &'a Json)>,
}

impl Schema {
    /// The schema of a type, made once: whoever plans a study resolves thousands of settings.
    pub fn of<T: JsonSchema>() -> Schema {
        static MADE: Mutex<BTreeMap<Cow<'static, str>, Arc<Json>>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let root = made.entry(T::schema_id()).or_insert_with(|| {
            let mut root = super::schema::<T>();
            distribute(&mut root);
            Arc::new(root)
        });
        Schema { root: root.clone() }
    }

    pub fn root(&self) -> &Json {
        &self.root
    }

    /// Follows `$ref`, unless other keywords stand beside it.
    fn target<'a>(&'a self, place: &'a Json) -> Option<&'a Json> {
        let name = place.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(name)
    }

    /// The alternatives of a type, `null` left out; one for a plain type.
    pub fn alternatives<'a>(&'a self, place: &'a Json) -> Vec<&'a Json> {
        if let Some(list) = place.get("oneOf").or_else(|| place.get("anyOf")).and_then(Json::as_array) {
            let inner = list.iter().filter(|one| one.get("type").and_then(Json::as_str) != Some("null"));
            return inner.flat_map(|one| self.alternatives(one)).collect();
        }
        match self.target(place) {
            Some(target) if place.get("properties").is_none() => self.alternatives(target),
            _ => vec![place],
        }
    }

    fn types<'a>(&self, place: &'a Json) -> Vec<&'a str> {
        match place.get("type") {
            Some(Json::String(name)) => vec![name],
            Some(Json::Array(names)) => {
                names.iter().filter_map(Json::as_str).filter(|n| *n != "null").collect()
            }
            _ => match place.get("const").or_else(|| place.get("enum")?.get(0)) {
                Some(Json::String(_)) => vec!["string"],
                _ => vec![],
            },
        }
    }

    pub fn keys<'a>(&'a self, place: &'a Json) -> Keys<'a> {
        let mut keys = Keys::default();
        self.gather(place, &mut keys);
        keys
    }

    fn gather<'a>(&'a self, place: &'a Json, keys: &mut Keys<'a>) {
        if let Some(target) = self.target(place) {
            self.gather(target, keys);
        }
        for part in place.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            self.gather(part, keys);
        }
        for (key, inner) in place.get("properties").and_then(Json::as_object).into_iter().flatten() {
            keys.properties.insert(key, inner);
        }
        let required = place.get("required").and_then(Json::as_array).into_iter().flatten();
        keys.required.extend(required.filter_map(Json::as_str));
        match place.get("additionalProperties") {
            Some(Json::Bool(false)) => {}
            Some(inner) => keys.free = Some(inner),
            None => {}
        }
    }

    /// The key by whose value a tagged enum tells its variants apart.
    pub fn tag_of(&self, place: &Json) -> Option<String> {
        self.tag(&self.alternatives(place)).map(str::to_owned)
    }

    pub fn tag<'a>(&'a self, alternatives: &[&'a Json]) -> Option<&'a str> {
        let kinds: Vec<Keys<'a>> = alternatives.iter().map(|one| self.keys(one)).collect();
        let is_tag =
            |kind: &Keys<'_>, key: &str| kind.properties.get(key).is_some_and(|p| constant(p).is_some());
        let mut keys = kinds.first()?.properties.keys().copied();
        keys.find(|key| kinds.iter().all(|kind| is_tag(kind, key)))
    }

    /// The kinds of a tagged table, each with its tag's value.
    pub fn kinds<'a>(&'a self, place: &'a Json, tag: &str) -> Vec<(&'a str, &'a Json)> {
        let named = |one: &'a Json| Some((constant(self.keys(one).properties.get(tag)?)?, one));
        self.alternatives(place).into_iter().filter_map(named).collect()
    }

    /// The kind of a tagged table that a tag's value names.
    fn kind<'a>(&'a self, place: &'a Json, tag: &Node) -> Option<&'a Json> {
        let Content::Value(Value::String(name)) = &tag.content else { return None };
        let kinds = self.kinds(place, self.tag(&self.alternatives(place))?);
        kinds.into_iter().find(|(kind, _)| kind == name).map(|(_, one)| one)
    }

    /// Whether the kind that a tag's value names has this key.
    pub fn kind_has(&self, place: &Json, tag: &Node, key: &str) -> bool {
        self.kind(place, tag).is_some_and(|one| self.keys(one).properties.contains_key(key))
    }

    /// Whether two kinds of a tagged table have the same keys, of the same types, described in the same words.
    pub fn are_alike(&self, place: &Json, tags: [&Node; 2]) -> bool {
        let [one, other] = tags.map(|tag| {
            let mut keys = self.keys(self.kind(place, tag)?).properties;
            keys.retain(|_, inner| constant(inner).is_none());
            Some(keys)
        });
        one.is_some() && one == other
    }

    /// Whether an address ends in the key that chooses the kind of a table, which is no element of an array: what arrays
    /// hold depends on the order in which they are changed.
    pub fn chooses(&self, path: &[String]) -> bool {
        let Some((last, rest)) = path.split_last() else { return false };
        let mut places = vec![self.root()];
        for part in rest {
            places = places.into_iter().flat_map(|place| self.inside(place, part)).collect();
        }
        places.into_iter().any(|place| self.tag_of(place).as_ref() == Some(last))
    }

    /// What may stand at a key of a type, whichever of its kinds is chosen.
    fn inside<'a>(&'a self, place: &'a Json, part: &str) -> Vec<&'a Json> {
        let keys = self.alternatives(place).into_iter().map(|one| self.keys(one));
        let mut found: Vec<&Json> =
            keys.filter_map(|keys| keys.properties.get(part).copied().or(keys.free)).collect();
        found.dedup();
        found
    }

    /// Whether the last of these keys is one of a tagged table's other kinds, not of the one that is chosen.
    pub fn is_of_another_kind(&self, tree: &Node, path: &[String]) -> bool {
        let (mut place, mut node) = (self.root(), tree);
        for part in path {
            let inner = match &node.content {
                Content::Table(entries) => match self.property(place, entries, part) {
                    Some(inner) => inner,
                    None => {
                        return self.tag_of(place).is_some() && !self.inside(place, part).is_empty();
                    }
                },
                Content::Array(_) => match part.parse().ok().and_then(|index| self.element(place, index)) {
                    Some(inner) => inner,
                    None => return false,
                },
                Content::Value(_) => return false,
            };
            let Some(child) = node.child(part) else { return false };
            (place, node) = (inner, child);
        }
        false
    }

    /// The alternative that a table's tag chooses; the only one if there is one.
    fn chosen<'a>(&'a self, place: &'a Json, entries: &BTreeMap<String, Node>) -> Option<&'a Json> {
        let tables: Vec<&Json> =
            self.alternatives(place).into_iter().filter(|one| self.is_type(one, "object")).collect();
        if let [only] = tables.as_slice() {
            return Some(only);
        }
        let tag = self.tag(&tables)?;
        let Content::Value(Value::String(kind)) = &entries.get(tag)?.content else { return None };
        tables
            .into_iter()
            .find(|one| self.keys(one).properties.get(tag).and_then(|p| constant(p)) == Some(kind))
    }

    fn is_type(&self, place: &Json, name: &str) -> bool {
        let types = self.types(place);
        types.contains(&name) || (types.is_empty() && name == "object" && place.get("properties").is_some())
    }

    pub fn is_array(&self, place: &Json) -> bool {
        let alternatives = self.alternatives(place);
        !alternatives.is_empty() && alternatives.iter().all(|one| self.is_type(one, "array"))
    }

    /// The type of the value at `key` of a table.
    pub fn property<'a>(
        &'a self,
        place: &'a Json,
        entries: &BTreeMap<String, Node>,
        key: &str,
    ) -> Option<&'a Json> {
        let keys = self.keys(self.chosen(place, entries)?);
        keys.properties.get(key).copied().or(keys.free)
    }

    /// A key as its table spells it: environment variables cannot hold the hyphen of `barlow-twins`.
    pub fn spelling(&self, place: &Json, entries: &BTreeMap<String, Node>, key: &str) -> String {
        let hyphenated = key.replace('_', "-");
        let known = |key: &str| self.property(place, entries, key).is_some();
        if !known(key) && known(&hyphenated) { hyphenated } else { key.to_owned() }
    }

    /// The type of an array's element.
    pub fn element<'a>(&'a self, place: &'a Json, index: usize) -> Option<&'a Json> {
        let arrays = self.alternatives(place);
        let array = arrays.into_iter().find(|one| self.is_type(one, "array"))?;
        array.get("prefixItems").and_then(|items| items.get(index)).or_else(|| array.get("items"))
    }

    /// Reports every value of a layer that has the wrong type or an unknown key, or every key that is missing.
    pub fn check(&self, tree: &mut Node, which: Which<'_>, report: &mut Report) {
        self.check_at(&self.root, tree, "", which, report);
    }

    fn check_at(&self, place: &Json, node: &mut Node, path: &str, which: Which<'_>, report: &mut Report) {
        let mine = matches!(which, Which::Layer(source) if Arc::ptr_eq(&node.origin.source, source));
        if mine && let Err(finding) = self.check_type(place, node, path) {
            report.push(*finding);
            return;
        }
        match &mut node.content {
            Content::Value(_) => {}
            Content::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Some(inner) = self.element(place, index) {
                        self.check_at(inner, item, &join(path, &index.to_string()), which, report);
                    }
                }
            }
            Content::Table(entries) => {
                if place == &Json::Bool(true) {
                    return;
                }
                match self.chosen(place, entries) {
                    Some(table) => {
                        let kind = self.kind_of(place, entries, path);
                        self.check_table(table, kind, node, path, which, report);
                    }
                    None => self.check_tag(place, node, path, which, report),
                }
            }
        }
    }

    /// The kind of a tagged table that its entries choose.
    fn kind_of<'a>(
        &'a self,
        place: &'a Json,
        entries: &BTreeMap<String, Node>,
        path: &str,
    ) -> Option<Kind<'a>> {
        let tag = self.tag(&self.alternatives(place))?;
        let given = entries.get(tag)?;
        let Content::Value(Value::String(chosen)) = &given.content else { return None };
        let (own, others): (Vec<_>, Vec<_>) =
            self.kinds(place, tag).into_iter().partition(|(kind, _)| kind == chosen);
        Some(Kind { key: join(path, tag), name: own.first()?.0, place: given.origin.label(), others })
    }

    fn check_table(
        &self,
        table: &Json,
        kind: Option<Kind<'_>>,
        node: &mut Node,
        path: &str,
        which: Which<'_>,
        report: &mut Report,
    ) {
        let keys = self.keys(table);
        let origin = node.origin.clone();
        let operations = node.operations();
        let Content::Table(entries) = &mut node.content else { return };
        for (key, child) in entries.iter_mut() {
            let here = join(path, key);
            match keys.properties.get(key.as_str()).copied().or(keys.free) {
                Some(inner) => self.check_at(inner, child, &here, which, report),
                None => {
                    if matches!(which, Which::Layer(source) if Arc::ptr_eq(&child.origin.source, source)) {
                        let finding = self.unknown_key(&here, path, &keys, &operations, child);
                        report.push(match &kind {
                            Some(kind) => kind.unknown_key(finding, key, self),
                            None => finding,
                        });
                    }
                }
            }
        }
        if matches!(which, Which::Missing) {
            for key in keys.required.iter().filter(|key| !entries.contains_key(**key)) {
                let expected = keys.properties.get(key).map(|inner| self.describe(inner)).unwrap_or_default();
                let finding = Finding::new(format!("`{}` is missing", join(path, key)), Some(origin.clone()));
                let finding = finding.expected(expected);
                report.push(match &kind {
                    Some(kind) => finding.because(kind.reason()),
                    None => finding,
                });
            }
        }
    }

    /// A table of which no alternative is chosen: its tag is missing or unknown.
    fn check_tag(&self, place: &Json, node: &Node, path: &str, which: Which<'_>, report: &mut Report) {
        let alternatives = self.alternatives(place);
        let Some(tag) = self.tag(&alternatives) else { return };
        let kinds: Vec<&str> = self.kinds(place, tag).into_iter().map(|(kind, _)| kind).collect();
        let here = join(path, tag);
        match (node.child(tag), which) {
            (None, Which::Missing) => {
                let finding = Finding::new(format!("`{here}` is missing"), Some(node.origin.clone()));
                report.push(finding.expected(format!("one of {}", choices(&kinds))));
            }
            (Some(given), Which::Layer(source)) if Arc::ptr_eq(&given.origin.source, source) => {
                let finding =
                    Finding::new(format!("`{here}` is {}", shown(given)), Some(given.origin.clone()));
                let hint = match &given.content {
                    Content::Value(Value::String(kind)) => hint_for(kind, kinds.iter().copied()),
                    _ => None,
                };
                report.push(finding.expected(format!("one of {}", choices(&kinds))).hint(hint));
            }
            _ => {}
        }
    }

    fn unknown_key(
        &self,
        here: &str,
        path: &str,
        keys: &Keys<'_>,
        operations: &[String],
        child: &Node,
    ) -> Finding {
        let last = here.rsplit('.').next().unwrap_or(here);
        let siblings: Vec<&str> = keys.properties.keys().copied().collect();
        let candidates = siblings.iter().copied().chain(operations.iter().map(String::as_str));
        let near = nearest(last, candidates).map(|near| join(path, near));
        let near = near.or_else(|| if path.is_empty() { self.key_ending_in(last) } else { None });
        let expected = if siblings.is_empty() {
            format!("`{path}` takes no keys")
        } else {
            format!("one of {}", siblings.join(", "))
        };
        Finding::new(format!("unknown key `{here}`"), Some(child.origin.clone()))
            .at_key()
            .expected(expected)
            .hint(near.map(|near| format!("did you mean `{near}`?")))
    }

    /// A dotted key outside arrays whose last part is `last`: `optim.lr` for a misplaced `lr`.
    fn key_ending_in(&self, last: &str) -> Option<String> {
        let tables = self.keys(&self.root).properties.into_iter();
        tables
            .filter(|(_, inner)| {
                self.alternatives(inner).iter().any(|one| self.keys(one).properties.contains_key(last))
            })
            .map(|(key, _)| join(key, last))
            .next()
    }

    /// Whether a value is of the right type and in range. A bare `key=value` argument that is no such value
    /// becomes a string where a string is.
    fn check_type(&self, place: &Json, node: &mut Node, path: &str) -> Result<(), Box<Finding>> {
        let alternatives = self.alternatives(place);
        if place == &Json::Bool(true) || alternatives.iter().any(|one| self.fits(one, &node.content)) {
            return Ok(());
        }
        if let Some(raw) = &node.raw {
            let text = Content::Value(Value::String(raw.clone()));
            if alternatives.iter().any(|one| self.fits(one, &text)) {
                node.content = text;
                return Ok(());
            }
        }
        let finding = Finding::new(format!("`{path}` is {}", shown(node)), Some(node.origin.clone()));
        Err(Box::new(finding.expected(self.describe(place)).hint(self.value_hint(place, node))))
    }

    /// Whether one plain type accepts a value itself; what lies inside tables and arrays is checked later.
    fn fits(&self, one: &Json, content: &Content) -> bool {
        let types = self.types(one);
        let is = |name: &str| types.is_empty() || types.contains(&name);
        match content {
            Content::Table(_) => self.is_type(one, "object") || types.is_empty(),
            Content::Array(items) => is("array") && within(one, items.len() as f64, "minItems", "maxItems"),
            Content::Value(Value::Integer(n)) => {
                (is("integer") || is("number")) && in_range(one, *n as f64) && fits_format(one, *n)
            }
            Content::Value(Value::Float(x)) => is("number") && in_range(one, *x),
            Content::Value(Value::Boolean(_)) => is("boolean"),
            Content::Value(Value::String(text)) => {
                let choices = string_choices(one);
                is("string") && (choices.is_empty() || choices.contains(&text.as_str()))
            }
            Content::Value(_) => false,
        }
    }

    fn value_hint(&self, place: &Json, node: &Node) -> Option<String> {
        let Content::Value(Value::String(text)) = &node.content else { return None };
        let alternatives = self.alternatives(place);
        let choices: Vec<&str> = alternatives.iter().flat_map(|one| string_choices(one)).collect();
        if !choices.is_empty() {
            return hint_for(text, choices.into_iter());
        }
        let wants = |name| alternatives.iter().any(|one| self.is_type(one, name));
        if wants("boolean") && ["true", "false"].contains(&text.to_lowercase().as_str()) {
            return Some(format!("write {}", text.to_lowercase()));
        }
        match text.parse::<f64>() {
            Ok(number) if wants("number") => Some(format!("write {}", Value::Float(number))),
            Ok(_) if wants("integer") && text.parse::<i64>().is_ok() => {
                Some(format!("write {text} without quotes"))
            }
            _ => None,
        }
    }

    /// What is said of a value where it stands, else of its type; its first paragraph, in one line.
    pub fn meaning(&self, place: &Json) -> String {
        let said = |place: &Json| place.get("description").and_then(Json::as_str).map(str::to_owned);
        let said =
            said(place).or_else(|| self.alternatives(place).into_iter().find_map(said)).unwrap_or_default();
        said.split("\n\n").next().unwrap_or_default().replace('\n', " ")
    }

    /// A type in words.
    pub fn describe(&self, place: &Json) -> String {
        let alternatives = self.alternatives(place);
        let strings: Vec<&str> = alternatives.iter().flat_map(|one| string_choices(one)).collect();
        let mut words: Vec<String> = Vec::new();
        if !strings.is_empty() {
            words.push(format!("one of {}", choices(&strings)));
        }
        for one in alternatives.iter().filter(|one| string_choices(one).is_empty()) {
            let word = self.describe_plain(one);
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(", or ")
    }

    fn describe_plain(&self, one: &Json) -> String {
        let names: Vec<String> = self
            .types(one)
            .into_iter()
            .map(|name| match name {
                "object" => "a table".to_owned(),
                "array" => self.describe_array(one),
                "integer" => format!("a whole number{}", range(one)),
                "boolean" => "true or false".to_owned(),
                other => format!("a {other}{}", range(one)),
            })
            .collect();
        if names.is_empty() { "a value".to_owned() } else { names.join(" or ") }
    }

    fn describe_array(&self, one: &Json) -> String {
        let bound = |key: &str| one.get(key).and_then(Json::as_u64);
        let count = match (bound("minItems"), bound("maxItems")) {
            (Some(low), Some(high)) if low == high => format!(" of length {low}"),
            (Some(low), Some(high)) => format!(" of length {low} to {high}"),
            (Some(low), None) => format!(" of length {low} or more"),
            (None, Some(high)) => format!(" of length {high} at most"),
            (None, None) => String::new(),
        };
        match one.get("items") {
            Some(inner) => format!("an array{count}, each {}", self.describe(inner)),
            None => format!("an array{count}"),
        }
    }
}

impl Kind<'_> {
    /// What was chosen, and where.
    fn reason(&self) -> String {
        format!("`{}` is \"{}\" ({})", self.key, self.name, self.place)
    }

    /// A key that the chosen kind does not have: what was chosen, where, and which kinds have it.
    fn unknown_key(&self, finding: Finding, key: &str, schema: &Schema) -> Finding {
        let finding = finding.because(self.reason());
        let having: Vec<&str> = self
            .others
            .iter()
            .filter(|(_, one)| schema.keys(one).properties.contains_key(key))
            .map(|(kind, _)| *kind)
            .collect();
        if having.is_empty() {
            finding
        } else {
            finding.or_hint(format!("`{key}` is a key of {}", choices(&having)))
        }
    }
}

/// Gives every alternative of a type the properties that stand beside the alternatives: those of a struct into which a
/// tagged enum is flattened.
fn distribute(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(distribute),
        Json::Object(object) => {
            object.values_mut().for_each(distribute);
            if !(object.contains_key("oneOf") && object.contains_key("properties")) {
                return;
            }
            let (properties, required) = (object.remove("properties"), object.remove("required"));
            for one in object.get_mut("oneOf").and_then(Json::as_array_mut).into_iter().flatten() {
                let shared = properties.iter().filter_map(Json::as_object).flatten();
                let own = one.as_object_mut().map(|one| one.entry("properties").or_insert_with(|| json!({})));
                if let Some(own) = own.and_then(Json::as_object_mut) {
                    own.extend(shared.map(|(key, inner)| (key.clone(), inner.clone())));
                }
                let own = one.as_object_mut().map(|one| one.entry("required").or_insert_with(|| json!([])));
                if let Some(own) = own.and_then(Json::as_array_mut) {
                    own.extend(required.iter().filter_map(Json::as_array).flatten().cloned());
                }
            }
        }
        _ => {}
    }
}

fn constant(place: &Json) -> Option<&str> {
    match place.get("enum").and_then(Json::as_array).map(Vec::as_slice) {
        Some([only]) => only.as_str(),
        _ => place.get("const")?.as_str(),
    }
}

fn string_choices(place: &Json) -> Vec<&str> {
    match place.get("enum").and_then(Json::as_array) {
        Some(list) => list.iter().filter_map(Json::as_str).collect(),
        None => place.get("const").and_then(Json::as_str).into_iter().collect(),
    }
}

fn bound(place: &Json, key: &str) -> Option<f64> {
    place.get(key).and_then(Json::as_f64)
}

fn within(place: &Json, value: f64, low: &str, high: &str) -> bool {
    bound(place, low).is_none_or(|low| value >= low) && bound(place, high).is_none_or(|high| value <= high)
}

fn in_range(place: &Json, value: f64) -> bool {
    within(place, value, "minimum", "maximum")
        && bound(place, "exclusiveMinimum").is_none_or(|low| value > low)
        && bound(place, "exclusiveMaximum").is_none_or(|high| value < high)
}

/// Whether an integer fits the Rust type that the schema's format names.
fn fits_format(place: &Json, number: i64) -> bool {
    match place.get("format").and_then(Json::as_str) {
        Some("uint8") => u8::try_from(number).is_ok(),
        Some("uint16") => u16::try_from(number).is_ok(),
        Some("uint32") => u32::try_from(number).is_ok(),
        Some("uint64" | "uint") => u64::try_from(number).is_ok(),
        Some("int8") => i8::try_from(number).is_ok(),
        Some("int16") => i16::try_from(number).is_ok(),
        Some("int32") => i32::try_from(number).is_ok(),
        _ => true,
    }
}

fn range(place: &Json) -> String {
    let low = bound(place, "minimum").map(|low| (low, "at least"));
    let low = low.or_else(|| bound(place, "exclusiveMinimum").map(|low| (low, "above")));
    let high = bound(place, "maximum").map(|high| (high, "at most"));
    let high = high.or_else(|| bound(place, "exclusiveMaximum").map(|high| (high, "below")));
    match (low, high) {
        (None, None) => String::new(),
        (Some((low, word)), None) => format!(", {word} {low}"),
        (None, Some((high, word))) => format!(", {word} {high}"),
        (Some((low, low_word)), Some((high, high_word))) => {
            format!(", {low_word} {low} and {high_word} {high}")
        }
    }
}

/// A value as a message shows it.
fn shown(node: &Node) -> String {
    match &node.content {
        Content::Table(_) => "a table".to_owned(),
        Content::Array(items) => format!("an array of length {}", items.len()),
        Content::Value(value @ (Value::String(_) | Value::Datetime(_))) => {
            format!("the {} {value}", value.type_str())
        }
        Content::Value(value) => value.to_string(),
    }
}

pub(super) fn join(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

/// Choices in words.
pub(super) fn choices(names: &[&str]) -> String {
    names.join(", ")
}

/// The name that `text` was probably meant to be.
pub fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let allowed = (text.chars().count() + 1) / 3;
    names
        .map(|name| (strsim::damerau_levenshtein(&text, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

pub(super) fn hint_for<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(text, names).map(|near| format!("did you mean `{near}`?"))
}
