//! Signals: the first Ctrl-C or SIGTERM asks the run to finish its step and save, the second stops at once;
//! SIGUSR1 asks it to save and go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::exit::Exit;

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Signal {
    /// Ctrl-C, SIGINT.
    Interrupt = 1,
    /// SIGTERM.
    Terminate = 2,
}

impl Signal {
    /// The exit code of a run that this signal stopped.
    pub fn exit(self) -> Exit {
        match self {
            Signal::Interrupt => Exit::Interrupted,
            Signal::Terminate => Exit::Terminated,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "Ctrl-C",
            Signal::Terminate => "SIGTERM",
        }
    }
}

/// What has been asked of the run; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicU8,
    save: AtomicBool,
}

/// What to do about a signal.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Announce(String),
    StopAtOnce(Exit),
}

impl Interrupt {
    /// Starts to listen for signals.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn install() -> io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        listen(interrupt.clone())?;
        Ok(interrupt)
    }

    /// The signal that asked to stop, if any. The run should finish its step, save and end.
    pub fn requested(&self) -> Option<Signal> {
        match self.shared.stop.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Signal::Interrupt),
            _ => Some(Signal::Terminate),
        }
    }

    /// Whether saving was asked for since the last call.
    pub fn take_save_request(&self) -> bool {
        self.shared.save.swap(false, Ordering::SeqCst)
    }

    fn stop(&self, signal: Signal) -> Reaction {
        let first = self.shared.stop.compare_exchange(0, signal as u8, Ordering::SeqCst, Ordering::SeqCst);
        match first {
            Ok(_) => Reaction::Announce(format!(
                "{}: finishing this step, then saving and stopping; once more stops at once",
                signal.name()
            )),
            Err(_) => Reaction::StopAtOnce(signal.exit()),
        }
    }

    #[cfg(unix)]
    fn save(&self) -> Reaction {
        self.shared.save.store(true, Ordering::SeqCst);
        Reaction::Announce("SIGUSR1: saving after this step, then going on".to_owned())
    }
}

fn react(reaction: Reaction) {
    match reaction {
        Reaction::Announce(text) => tracing::warn!("{text}"),
        #[expect(clippy::exit, reason = "the user asked twice: nothing is to run any more")]
        Reaction::StopAtOnce(exit) => std::process::exit(i32::from(exit.code())),
    }
}

#[cfg(unix)]
fn listen(interrupt: Interrupt) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    let wait = move || {
        for signal in signals.forever() {
            react(match signal {
                SIGUSR1 => interrupt.save(),
                SIGINT => interrupt.stop(Signal::Interrupt),
                _ => interrupt.stop(Signal::Terminate),
            });
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// Makes a process that aborts, as Rust does when memory cannot be had, say so and end with [`Exit::Failed`]: scripts know
/// that code, and not that of SIGABRT. What is on disk stays whole, as every file is renamed into its place.
pub fn tell_aborts() {
    #[cfg(unix)]
    {
        const TOLD: &[u8] = b"error: stopped, for the reason above; most often memory has run out\n\
            hint: a smaller batch, size or encoder needs less; a run that has a folder goes on with --resume\n";
        let tell = || {
            let _ = rustix::io::write(rustix::stdio::stderr(), TOLD); // nobody is left to hear of a failure
            signal_hook::low_level::exit(i32::from(Exit::Failed.code()));
        };
        // SAFETY: the handler makes two system calls (`write`, `_exit`), which may be made in any handler, and neither
        // allocates nor locks.
        #[expect(unsafe_code)]
        let installed = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGABRT, tell) };
        if let Err(error) = installed {
            tracing::debug!("aborts will not be told: {error}");
        }
    }
}

#[cfg(not(unix))]
fn listen(interrupt: Interrupt) -> io::Result<()> {
    ctrlc::set_handler(move || react(interrupt.stop(Signal::Interrupt))).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_asks_and_the_second_stops() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.requested(), None);
        let Reaction::Announce(text) = interrupt.stop(Signal::Terminate) else { panic!("stopped at once") };
        assert!(text.starts_with("SIGTERM: finishing"), "{text}");
        assert_eq!(interrupt.requested(), Some(Signal::Terminate));
        assert_eq!(interrupt.stop(Signal::Interrupt), Reaction::StopAtOnce(Exit::Interrupted));
        // The run ends with the code of the signal that stopped it.
        assert_eq!(interrupt.clone().requested().map(Signal::exit), Some(Exit::Terminated));
    }

    #[cfg(unix)]
    #[test]
    fn real_signals_arrive() {
        let interrupt = Interrupt::install().unwrap();
        let arrives = |what: &dyn Fn() -> bool| {
            (0..500).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                what()
            })
        };
        signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap();
        assert!(arrives(&|| interrupt.take_save_request()));
        assert!(!interrupt.take_save_request());
        assert_eq!(interrupt.requested(), None);
        signal_hook::low_level::raise(signal_hook::consts::SIGINT).unwrap();
        assert!(arrives(&|| interrupt.requested() == Some(Signal::Interrupt)));
    }
}
