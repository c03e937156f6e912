//! Settings of any type, changed in a few values.

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

/// `settings` with those of the values in `changes`, which is TOML, that it has a place for.
pub(crate) fn changed<T: Serialize + DeserializeOwned>(settings: &T, changes: &str) -> T {
    let mut table = Table::try_from(settings).unwrap();
    change(&mut table, &changes.parse().unwrap());
    table.try_into().unwrap()
}

fn change(table: &mut Table, changes: &Table) {
    for (key, change_to) in changes {
        match (table.get_mut(key), change_to.as_table()) {
            (Some(toml::Value::Table(inner)), Some(changes)) => change(inner, changes),
            (Some(value), _) => *value = change_to.clone(),
            (None, _) => {}
        }
    }
}
