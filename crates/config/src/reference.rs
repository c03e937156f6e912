//! What settings there are: each with its values, its default and its meaning, read from the JSON schema of their type.

use schemars::JsonSchema;
use serde_json::Value as Json;

use super::schema::{Schema, join};

/// A setting as its type declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The dotted key. `N` stands for the number of an element of an array.
    pub key: String,
    /// Of a table of which there are several kinds: those that have this setting. None of any other table.
    pub kinds: Vec<String>,
    /// What it may be, in words.
    pub values: String,
    /// What it is where nothing is said, if its type states that.
    pub default: Option<Json>,
    /// What it decides.
    pub meaning: String,
}

/// Every setting of `T`, tables taken apart. Settings that several kinds of a table have alike are told once.
pub fn reference<T: JsonSchema>() -> Vec<Setting> {
    let schema = Schema::of::<T>();
    let mut found = Vec::new();
    Reader { schema: &schema, found: &mut found }.table(schema.root(), "", None);
    found
}

struct Reader<'a> {
    schema: &'a Schema,
    found: &'a mut Vec<Setting>,
}

impl Reader<'_> {
    /// The settings of a table at `path`, which belongs to one `kind` of a table around it.
    fn table(&mut self, place: &Json, path: &str, kind: Option<&str>) {
        let alternatives = self.schema.alternatives(place);
        let Some(tag) = self.schema.tag(&alternatives) else {
            alternatives.into_iter().for_each(|one| self.keys(one, path, None, kind));
            return;
        };
        let kinds = self.schema.kinds(place, tag);
        let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
        let values = format!("one of {}", names.join(", "));
        self.tell(join(path, tag), (kind, values), place);
        for (name, one) in kinds {
            self.keys(one, path, Some(tag), kind.or(Some(name)));
        }
    }

    fn keys(&mut self, one: &Json, path: &str, tag: Option<&str>, kind: Option<&str>) {
        for (key, inner) in self.schema.keys(one).properties {
            if Some(key) != tag {
                self.key(join(path, key), inner, kind);
            }
        }
    }

    fn key(&mut self, key: String, place: &Json, kind: Option<&str>) {
        if self.holds_settings(place) {
            return self.table(place, &key, kind);
        }
        self.tell(key.clone(), (kind, self.schema.describe(place)), place);
        // Inside a kind, arrays hold tables of the same kinds again.
        let element =
            self.schema.element(place, 0).filter(|inner| kind.is_none() && self.holds_settings(inner));
        if let Some(inner) = element {
            self.table(inner, &join(&key, "N"), kind);
        }
    }

    /// Whether a type is a table with keys of its own, and nothing else.
    fn holds_settings(&self, place: &Json) -> bool {
        let alternatives = self.schema.alternatives(place);
        !alternatives.is_empty()
            && alternatives.iter().all(|one| !self.schema.keys(one).properties.is_empty())
    }

    fn tell(&mut self, key: String, (kind, values): (Option<&str>, String), place: &Json) {
        let meaning = self.schema.meaning(place);
        let known = self.found.iter_mut();
        let alike = known.rev().find(|one| one.key == key && one.values == values && one.meaning == meaning);
        match alike {
            Some(one) => one.kinds.extend(kind.map(str::to_owned)),
            None => self.found.push(Setting {
                key,
                kinds: kind.map(str::to_owned).into_iter().collect(),
                values,
                default: place.get("default").filter(|value| !value.is_null()).cloned(),
                meaning,
            }),
        }
    }
}
