//! A worker: takes the nodes of a plan that are ready, one after the other, until none is left. Any number of them may work on
//! one plan, on one machine or many.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use twinlens_lab::Lab;
use twinlens_ssl::Asked;

use crate::StudyError;
use crate::claim::{Claim, host};
use crate::data::{DataSets, Places};
use crate::node::{Kind, Node};
use crate::plan::Plan;
use crate::recipe::At;
use crate::store::{Failure, State, Store};
use crate::work::Bench;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it computes: `auto`, `cpu`, `gpu`, `gpu:N`.
    pub device: String,
    /// Where data sets lie on this machine, where it is another place than that of the plan.
    pub places: Places,
    /// It takes nodes of this kind only.
    pub kind: Option<Kind>,
    /// It takes nodes of these cells only, and what they need.
    pub only: At,
    /// It stops by then, as if it had been asked to.
    pub until: Option<Instant>,
    /// Whether it waits for what others are making.
    pub wait: bool,
}

impl Default for Options {
    fn default() -> Options {
        let (device, places, only) = ("auto".to_owned(), Places::new(), At::default());
        Options { device, places, kind: None, only, until: None, wait: false }
    }
}

/// How the nodes of a plan stand, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// All of them.
    pub nodes: usize,
    /// By the name of the state.
    pub states: BTreeMap<&'static str, usize>,
}

/// A worker on one plan.
pub struct Worker<'a> {
    plan: &'a Plan,
    store: &'a Store,
    lab: &'a Lab<'a>,
    options: Options,
    /// Nodes in a final state, of which nothing changes any more.
    known: RefCell<BTreeMap<usize, State>>,
}

/// How long a worker sleeps that waits for others.
const NAP: Duration = Duration::from_secs(2);

impl Tally {
    /// Counts states.
    pub fn of(states: &[State]) -> Tally {
        let mut tally = Tally { nodes: states.len(), ..Tally::default() };
        for state in states {
            *tally.states.entry(state.name()).or_default() += 1;
        }
        tally
    }

    /// How many are in a state of that name.
    pub fn count(&self, name: &str) -> usize {
        self.states.get(name).copied().unwrap_or(0)
    }

    /// How many are there.
    pub fn there(&self) -> usize {
        self.count("done") + self.count("collapsed")
    }
}

impl<'a> Worker<'a> {
    /// A worker on `plan` with results in `store`.
    pub fn new(plan: &'a Plan, store: &'a Store, lab: &'a Lab<'a>, options: Options) -> Worker<'a> {
        Worker { plan, store, lab, options, known: RefCell::default() }
    }

    /// Works until no node is left that it can take. One that fails is told, and the rest goes on.
    ///
    /// # Errors
    /// [`StudyError::Failed`] at the end, if any node failed; a stop; surroundings in which nothing can be made.
    pub fn run(&self) -> Result<Tally, StudyError> {
        let wanted = self.wanted();
        let ahead = self.ahead();
        let places = self.places();
        let data = DataSets::new(&places, self.lab);
        let task = self.lab.events.begin("nodes");
        loop {
            let states = self.states()?;
            let there = states.iter().filter(|state| state.is_there()).count();
            task.at(there as u64, states.len() as u64);
            self.check_stop(None)?;
            let mut ready: Vec<usize> =
                (0..states.len()).filter(|&at| states[at] == State::Ready && wanted[at]).collect();
            // Judgements last seconds and show results; of trainings, that comes first on which most depends.
            ready.sort_by_key(|&at| (self.plan.nodes[at].kind() != Kind::Judge, usize::MAX - ahead[at], at));
            let mut made = false;
            for at in ready {
                made = self.attempt(&self.plan.nodes[at], &data)?;
                if made {
                    break;
                }
            }
            let waits = self.options.wait
                && (0..states.len())
                    .any(|at| wanted[at] && matches!(states[at], State::Held(_) | State::Waiting));
            match (made, waits) {
                (true, _) => {}
                (false, true) => std::thread::sleep(NAP),
                (false, false) => return self.ended(states),
            }
        }
    }

    /// Makes one node, whose input must be done. Returns whether there was anything to do.
    ///
    /// # Errors
    /// A node that the plan does not have, whose input is not done, that another worker holds, or that fails.
    pub fn make(&self, id: &str) -> Result<bool, StudyError> {
        let at = self.plan.nodes.iter().position(|node| node.id == id);
        let at = at.ok_or_else(|| StudyError::NoNode { id: id.to_owned() })?;
        let (node, places) = (&self.plan.nodes[at], self.places());
        let data = DataSets::new(&places, self.lab);
        let states = self.states()?;
        match &states[at] {
            state if state.is_there() => Ok(false),
            State::Held(holder) => Err(StudyError::Held { id: id.to_owned(), holder: holder.clone() }),
            State::Waiting | State::Blocked => {
                let input = node.input.clone().unwrap_or_default();
                Err(StudyError::Waiting { id: id.to_owned(), input })
            }
            State::Failed(_) | State::Ready | State::Done | State::Collapsed => {
                self.store.retry(node)?;
                if !self.attempt(node, &data)? {
                    return Err(StudyError::Held { id: id.to_owned(), holder: "another worker".to_owned() });
                }
                match self.store.failure(node)? {
                    Some(Failure { cause, .. }) => Err(StudyError::Failed { failed: 1, total: 1, cause }),
                    None => Ok(true),
                }
            }
        }
    }

    /// Makes one unit: a node that needs nothing, and all that follows from it.
    ///
    /// # Errors
    /// As [`Worker::make`], of any of its nodes.
    pub fn make_unit(&self, unit: &[String]) -> Result<bool, StudyError> {
        let mut made = false;
        for id in unit {
            made |= self.make(id)?;
        }
        Ok(made)
    }

    fn states(&self) -> Result<Vec<State>, StudyError> {
        self.store.states_beyond(self.plan, &mut self.known.borrow_mut())
    }

    fn places(&self) -> Places {
        let mut places = self.plan.places.clone();
        // A plan made on another machine names places that are not here.
        places.retain(|name, place| name == place || std::path::Path::new(place).exists());
        places.extend(self.options.places.clone());
        places
    }

    /// Which nodes it may take.
    fn wanted(&self) -> Vec<bool> {
        let at = self.plan.numbers();
        let mut wanted = vec![self.options.only.0.is_empty(); self.plan.nodes.len()];
        for cell in self.plan.cells.iter().filter(|cell| self.options.only.has(&cell.at)) {
            let mut next = Some(cell.node.as_str());
            while let Some(&number) = next.and_then(|id| at.get(id)) {
                wanted[number] = true;
                next = self.plan.nodes[number].input.as_deref();
            }
        }
        for (wanted, node) in wanted.iter_mut().zip(&self.plan.nodes) {
            *wanted &= self.options.kind.is_none_or(|kind| kind == node.kind());
        }
        wanted
    }

    /// How many trainings and judgements follow from each node.
    fn ahead(&self) -> Vec<usize> {
        let at = self.plan.numbers();
        let mut ahead = vec![0; self.plan.nodes.len()];
        for number in (0..self.plan.nodes.len()).rev() {
            if let Some(&input) = self.plan.nodes[number].input.as_deref().and_then(|input| at.get(input)) {
                ahead[input] += ahead[number] + 1;
            }
        }
        ahead
    }

    /// Claims a node and makes it; says whether it was this worker's to make. A node that fails is kept as failed, and told.
    fn attempt(&self, node: &Node, data: &DataSets<'_>) -> Result<bool, StudyError> {
        self.store.describe(node)?;
        let Some(claim) = Claim::take(&self.store.claim_file(node))? else { return Ok(false) };
        if self.store.done(node)?.is_some() {
            // Another worker finished it between the look and the claim.
            return Ok(true);
        }
        let asked = || self.asked(Some(&claim));
        let lab = Lab { asked: &asked, ..self.lab.clone() };
        let bench = Bench { plan: self.plan, store: self.store, data, device: &self.options.device };
        let name = format!("{} {} ({})", node.kind(), node.id, node.label);
        lab.events.note(&name);
        match bench.make(node, &claim, &lab) {
            Ok(_) => Ok(true),
            Err(StudyError::Interrupted | StudyError::Lost { .. }) if claim.is_lost() || !claim.is_own() => {
                lab.events
                    .warn(&format!("another worker took over {name}; what was made here is left to it"));
                Ok(true)
            }
            Err(error) if is_fault_of_node(&error) => {
                let cause = error.to_string();
                lab.events.warn(&format!("{name} failed: {cause}"));
                self.store.set_failed(node, &Failure { cause, host: host() })?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn asked(&self, claim: Option<&Claim>) -> Asked {
        let late = self.options.until.is_some_and(|until| Instant::now() >= until);
        if late || claim.is_some_and(Claim::is_lost) { Asked::Stop } else { (self.lab.asked)() }
    }

    fn check_stop(&self, claim: Option<&Claim>) -> Result<(), StudyError> {
        match self.asked(claim) {
            Asked::Stop => Err(StudyError::Interrupted),
            Asked::Save | Asked::Continue => Ok(()),
        }
    }

    fn ended(&self, states: Vec<State>) -> Result<Tally, StudyError> {
        let failed: Vec<&String> = states
            .iter()
            .filter_map(|state| match state {
                State::Failed(cause) => Some(cause),
                _ => None,
            })
            .collect();
        match failed.as_slice() {
            [] => Ok(Tally::of(&states)),
            [first, ..] => {
                let (failed, total, cause) = (failed.len(), states.len(), (*first).clone());
                Err(StudyError::Failed { failed, total, cause })
            }
        }
    }
}

/// Whether an error is one that the node would have on any machine at any time.
fn is_fault_of_node(error: &StudyError) -> bool {
    match error {
        StudyError::Lab(error) => !error.is_of_surroundings(),
        StudyError::Unreadable { .. } => true,
        _ => false,
    }
}
