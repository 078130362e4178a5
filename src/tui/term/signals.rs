//! Signals become messages of the loop. A second request to end restores the terminal and ends the process the
//! ordinary way, should the loop be stuck.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level;

use crate::stdx::task;
use crate::tui::term::life::Tty;

/// What a signal asks of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalAsks {
    /// End cleanly (SIGTERM, SIGINT).
    End,
    /// The terminal is gone: keep drafts and end at once (SIGHUP).
    HangUp,
    /// Give the terminal back and stop (SIGTSTP).
    Stop,
    /// We were stopped and run again (SIGCONT).
    Continue,
}

/// Listens for signals until dropped.
pub struct SignalListener {
    handle: Handle,
}

impl SignalListener {
    /// Start listening; `tell` hands a request to the loop.
    pub fn start(
        tty: Arc<Tty>,
        tell: impl Fn(SignalAsks) + Send + 'static,
    ) -> io::Result<SignalListener> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT])?;
        let handle = signals.handle();
        task::thread("signals", move || {
            let mut asked = 0_u32;
            for signal in signals.forever() {
                let asks = match signal {
                    SIGHUP => SignalAsks::HangUp,
                    SIGTSTP => SignalAsks::Stop,
                    SIGCONT => SignalAsks::Continue,
                    _ => SignalAsks::End,
                };
                if matches!(asks, SignalAsks::End | SignalAsks::HangUp) {
                    asked += 1;
                    if asked > 1 {
                        tty.restore();
                        let _ = low_level::emulate_default_handler(signal);
                    }
                }
                tell(asks);
            }
        })?;
        Ok(SignalListener { handle })
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Stop this process and its job, as the shell's ctrl-z does. `false`: it cannot be stopped. The caller runs on for
/// a moment; [`SignalAsks::Continue`] comes when it was stopped and runs again.
pub fn stop_job() -> bool {
    rustix::process::kill_current_process_group(rustix::process::Signal::STOP).is_ok()
}
