//! The trainings of a study on several devices at once, one process each.
//!
//! Trainings do not talk to each other, and what is done is not done again. So every process goes on with the study, but
//! with its own share of the trainings; afterwards the study goes on as if it had done them itself.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::time::Duration;

use sysinfo::{Pid, ProcessesToUpdate, Signal, System};

use crate::commands::training::Watch;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

/// Which trainings a process makes: those with the number `part`, `part + of`, `part + 2 of` ...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0, below `of`.
    pub part: usize,
    /// Processes in all.
    pub of: usize,
}

impl Part {
    /// Whether this process makes the training of that number.
    pub fn has(self, number: usize) -> bool {
        number % self.of == self.part
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let numbers =
            text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if part < of => Ok(Part { part, of }),
            _ => Err("expected PART/OF".to_owned()),
        }
    }
}

/// Makes the trainings of the study in `out`, which has begun, on `devices`. `done` counts those that are done, of `total`.
///
/// # Errors
/// A process that cannot be started or fails, after the others have stopped; a signal, after all have saved.
pub fn train_on(
    devices: &[String],
    out: &Path,
    (done, total): (&dyn Fn() -> u64, u64),
    terminal: &Terminal,
) -> Outcome {
    let watch = Watch::new(terminal)?;
    let bar = terminal.progress("trainings", total);
    let mut running = Vec::new();
    for (part, device) in devices.iter().enumerate() {
        match command(devices, part, out).and_then(|mut command| command.spawn()) {
            Ok(child) => running.push(Process { child, device, ended: None }),
            Err(error) => {
                stop(&mut running);
                return Err(Failure::new(Exit::Environment, error).at(device));
            }
        }
    }
    let outcome = loop {
        bar.set(done(), "");
        if let Err(asked) = watch.go_on() {
            break Err(asked);
        }
        match look(&mut running) {
            Ok(true) => break Ok(()),
            Ok(false) => std::thread::sleep(Duration::from_millis(200)),
            Err(failure) => break Err(failure),
        }
    };
    stop(&mut running);
    outcome
}

struct Process<'a> {
    child: Child,
    device: &'a str,
    ended: Option<ExitStatus>,
}

/// The process of a device. It has a group of its own: a Ctrl-C in the terminal is for this process, which passes it on.
fn command(devices: &[String], part: usize, out: &Path) -> std::io::Result<Command> {
    let device = &devices[part];
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["finetune", "--device", device, "--part", &format!("{part}/{}", devices.len())]);
    command.args(["--quiet", "--no-progress", "--resume"]).arg(out);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let sharing = devices.iter().filter(|other| *other == device).count();
    if device == "cpu" && std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let threads = (rayon::current_num_threads() / sharing).max(1);
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Ok(command)
}

/// Whether all processes have ended well.
fn look(running: &mut [Process<'_>]) -> Outcome<bool> {
    for process in running.iter_mut().filter(|process| process.ended.is_none()) {
        let Some(status) = process.child.try_wait().map_err(|error| Failure::new(Exit::Failed, error))?
        else {
            continue;
        };
        process.ended = Some(status);
        if !status.success() {
            let message = format!("the process ended ({status}); what it said stands above");
            let exit = match status.code() {
                Some(2) => Exit::Usage,
                Some(3) => Exit::Data,
                Some(4) => Exit::Environment,
                _ => Exit::Failed,
            };
            return Err(Failure::message(exit, message).at(process.device));
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
        let parts: Vec<Part> = ["0/3", "1/3", "2/3"].map(|text| text.parse().unwrap()).into();
        for number in 0..10 {
            assert_eq!(parts.iter().filter(|part| part.has(number)).count(), 1, "{number}");
        }
        for bad in ["3/3", "1", "a/b", "0/0", "-1/2"] {
            assert!(bad.parse::<Part>().is_err(), "{bad}");
        }
    }
}
