//! The trainings of a study by several processes at once, one a device.
//!
//! Trainings do not talk to each other, and what is done is not done again. So every process goes on with the study, but
//! with its own share of the trainings; afterwards the study goes on as if it had done them itself.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::time::Duration;

use sysinfo::{Pid, ProcessesToUpdate, Signal, System};

use crate::jobs::JobError;
use crate::{Lab, LabError};

/// Which trainings a process makes: those with the number `part`, `part + of`, `part + 2 of` ...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// From 0, below `of`.
    pub part: usize,
    /// Processes in all.
    pub of: usize,
}

impl Portion {
    /// Whether this process makes the training of that number.
    pub fn has(self, number: usize) -> bool {
        number % self.of == self.part
    }
}

impl std::fmt::Display for Portion {
    /// As [`Portion::from_str`] reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

impl FromStr for Portion {
    type Err = String;

    fn from_str(text: &str) -> Result<Portion, String> {
        let numbers =
            text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if part < of => Ok(Portion { part, of }),
            _ => Err("expected PART/OF".to_owned()),
        }
    }
}

/// Processes that share the trainings of a study.
pub struct Workers<'a> {
    /// Where each computes: `cpu`, `gpu:0` ...; one process each.
    pub devices: &'a [String],
    /// The command of a process that makes this part of the trainings, on this device, and nothing else: it ends in
    /// [`crate::study::Study::train_part`].
    pub command: &'a dyn Fn(Portion, &str) -> Command,
}

impl Workers<'_> {
    /// Makes the trainings of a study that has begun. `done` counts those that are done, of `total`.
    ///
    /// # Errors
    /// A process that cannot be started or fails, after the others have stopped; a stop, after all have saved.
    pub(super) fn train(
        &self,
        (done, total): (&dyn Fn() -> u64, u64),
        lab: &Lab<'_>,
    ) -> Result<(), LabError> {
        let task = lab.events.begin("trainings");
        let mut running = Vec::new();
        for (part, device) in self.devices.iter().enumerate() {
            match self.process(part).spawn() {
                Ok(child) => running.push(Process { child, device, ended: None }),
                Err(error) => {
                    stop(&mut running);
                    return Err(LabError::from(JobError::Io(error)).at(device));
                }
            }
        }
        let outcome = loop {
            task.at(done(), total);
            if let Err(asked) = lab.check_stop() {
                break Err(asked);
            }
            match look(&mut running) {
                Ok(true) => break Ok(()),
                Ok(false) => std::thread::sleep(Duration::from_millis(200)),
                Err(error) => break Err(error),
            }
        };
        stop(&mut running);
        outcome
    }

    /// The process of a device. It has a group of its own: a Ctrl-C in the terminal is for this process, which passes it on.
    fn process(&self, part: usize) -> Command {
        let device = &self.devices[part];
        let mut command = (self.command)(Portion { part, of: self.devices.len() }, device);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let sharing = self.devices.iter().filter(|other| *other == device).count();
        if device == "cpu" && std::env::var_os("RAYON_NUM_THREADS").is_none() {
            let threads = (rayon::current_num_threads() / sharing).max(1);
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

struct Process<'a> {
    child: Child,
    device: &'a str,
    ended: Option<ExitStatus>,
}

/// Whether all processes have ended well.
fn look(running: &mut [Process<'_>]) -> Result<bool, LabError> {
    for process in running.iter_mut().filter(|process| process.ended.is_none()) {
        let Some(status) = process.child.try_wait().map_err(JobError::Io)? else { continue };
        process.ended = Some(status);
        if !status.success() {
            return Err(LabError::from(JobError::Process { status }).at(process.device));
        }
    }
    Ok(running.iter().all(|process| process.ended.is_some()))
}

/// Asks what still runs to save and stop, and waits for it.
fn stop(running: &mut [Process<'_>]) {
    let mut system = System::new();
    for process in running.iter_mut().filter(|process| process.ended.is_none()) {
        let id = Pid::from_u32(process.child.id());
        system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
        let asked = system.process(id).and_then(|process| process.kill_with(Signal::Term));
        if asked != Some(true) {
            // Where there is no such signal: whatever was saved last is gone on with. It may have ended by itself.
            drop(process.child.kill());
        }
    }
    for process in running.iter_mut().filter(|process| process.ended.is_none()) {
        process.ended = process.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_training_belongs_to_one_part() {
        let parts: Vec<Portion> = ["0/3", "1/3", "2/3"].map(|text| text.parse().unwrap()).into();
        assert_eq!(parts[1].to_string(), "1/3");
        for number in 0..10 {
            assert_eq!(parts.iter().filter(|part| part.has(number)).count(), 1, "{number}");
        }
        for bad in ["3/3", "1", "a/b", "0/0", "-1/2"] {
            assert!(bad.parse::<Portion>().is_err(), "{bad}");
        }
    }
}
