//! The writer thread: one frame in flight. The loop hands over a frame and goes on reading keys; until the thread
//! says that the frame is out, the loop draws no other. A slow link so gets fewer and newer frames, not a queue.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::stdx::queue::{self, Sender};
use crate::stdx::task;
use crate::tui::term::guard::Guard;
use crate::tui::term::life::Tty;

/// What became of a frame.
#[derive(Clone, Debug)]
pub struct FrameReport {
    /// Bytes written.
    pub bytes: usize,
    /// How long the terminal took to take them.
    pub took: Duration,
    /// Bytes that the guard has refused since the start.
    pub refused: u64,
    /// Why nothing was written: the terminal is gone.
    pub error: Option<io::ErrorKind>,
}

/// The way to the writer thread.
#[derive(Debug)]
pub struct Writer {
    frames: Sender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Start the thread; `done` is called after every frame.
    pub fn start(tty: Arc<Tty>, done: impl Fn(FrameReport) + Send + 'static) -> io::Result<Writer> {
        let (frames, inbox) = queue::bounded::<Vec<u8>>("frames", 1);
        let thread = task::thread("writer", move || {
            let mut guard = Guard::default();
            let mut clean = Vec::new();
            while let Some(frame) = inbox.receive() {
                clean.clear();
                guard.pass(&frame, &mut clean);
                let started = Instant::now();
                let error = tty.write(&clean).err().map(|error| error.kind());
                done(FrameReport {
                    bytes: clean.len(),
                    took: started.elapsed(),
                    refused: guard.refused(),
                    error,
                });
            }
        })?;
        Ok(Writer { frames, thread: Some(thread) })
    }

    /// Hand over a frame. `false`: the thread is gone.
    pub fn send(&self, frame: Vec<u8>) -> bool {
        self.frames.send(frame)
    }

    /// Let the last frame finish, but wait no longer than `limit`.
    pub fn finish(mut self, limit: Duration) {
        let (closed, _) = queue::bounded::<Vec<u8>>("frames", 1);
        self.frames = closed;
        let until = Instant::now() + limit;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
