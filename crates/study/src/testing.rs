//! Plans for tests.

use std::collections::BTreeMap;

use crate::node::{Node, Training, Work};
use crate::plan::Plan;

/// A plan of trainings with these ids and inputs, which nobody could make.
pub(crate) fn plan(nodes: &[(&str, Option<&str>)]) -> Plan {
    let node = |(id, input): &(&str, Option<&str>)| Node {
        id: (*id).to_owned(),
        label: format!("node {id}"),
        input: input.map(str::to_owned),
        data: "bundled".to_owned(),
        work: Work::Train(Box::new(Training { settings: String::new(), recipe: None, keep: Vec::new() })),
    };
    Plan {
        schema_version: 1,
        study: "a".into(),
        budget: "tiny".into(),
        recipe_sha256: String::new(),
        axes: BTreeMap::new(),
        data: Vec::new(),
        places: BTreeMap::new(),
        files: BTreeMap::new(),
        estimates: BTreeMap::new(),
        store: None,
        nodes: nodes.iter().map(node).collect(),
        cells: Vec::new(),
    }
}
