//! The disk of the daemon under test, and how it becomes full: a file system of its own that shrinks to what is used, in a
//! mount namespace that needs no root, and a limit on the size of files, which needs nothing at all.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit};

/// What the file system may hold. Memory is used for what is written only.
const SIZE: u64 = 2 << 30;
/// Mounts the folder, then makes it as large as each line says.
const KEEPER: &str = r#"
mount -t tmpfs -o size=$2,mode=700 none "$1" || exit 1
echo ready
while read -r size; do
    if mount -o "remount,size=$size" none "$1" 2>/dev/null; then echo done; else echo failed; fi
done
"#;

/// Where the daemon's data lies.
pub struct Disk {
    folder: PathBuf,
    /// `None`: this machine lets nobody mount, and the folder lies on the disk of the tests.
    keeper: Option<Keeper>,
}

/// The process whose mount namespace has the file system; it ends with its standard input.
struct Keeper {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// It has a user namespace too.
    user: bool,
}

impl Disk {
    /// A disk for a folder that does not exist yet.
    pub fn new(folder: &Path) -> Disk {
        std::fs::create_dir_all(folder).unwrap();
        let keeper = Keeper::start(folder, false).or_else(|| Keeper::start(folder, true));
        if keeper.is_none() {
            eprintln!(
                "NO FULL DISK: neither `unshare --mount` nor `unshare --user --mount` may mount here. Writes fail by a \
                 limit on the size of files instead (EFBIG, not ENOSPC)."
            );
        }
        Disk { folder: folder.to_owned(), keeper }
    }

    /// Can it be really full?
    pub fn can_fill(&self) -> bool {
        self.keeper.is_some()
    }

    /// The same command where the disk is. Signals of file sizes are errors of writes for it.
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
        if let Some(keeper) = &self.keeper {
            inside.args(["nsenter", "--target", &keeper.child.id().to_string(), "--mount"]);
            if keeper.user {
                inside.args(["--user", "--preserve-credentials"]);
            }
            inside.arg("--");
        }
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// Its folder as this process sees it.
    pub fn seen_from_here(&self) -> PathBuf {
        let Some(keeper) = &self.keeper else { return self.folder.clone() };
        let root = PathBuf::from(format!("/proc/{}/root", keeper.child.id()));
        root.join(self.folder.strip_prefix("/").unwrap())
    }

    /// Leave at most so many bytes free.
    pub fn fill(&mut self, free: u64) {
        let folder = self.seen_from_here();
        let keeper = self.keeper.as_mut().unwrap();
        // The daemon writes meanwhile: less than what is used is refused.
        for _ in 0..1_000 {
            let room = rustix::fs::statvfs(&folder).unwrap();
            let used = (room.f_blocks - room.f_bfree) * room.f_frsize;
            if keeper.resize(used + free) {
                return;
            }
        }
        panic!("the file system never shrank");
    }

    /// There is room again.
    pub fn free(&mut self) {
        assert!(self.keeper.as_mut().unwrap().resize(SIZE), "the file system does not grow");
    }

    /// A size that the files of the store reach soon, or have reached.
    pub fn limit(&self, beyond: u64) -> u64 {
        let events = std::fs::read_dir(self.seen_from_here().join("events")).unwrap();
        let sizes = events.flatten().filter_map(|entry| entry.metadata().ok());
        sizes.map(|file| file.len()).max().unwrap_or(0) + beyond
    }
}

impl Keeper {
    fn start(folder: &Path, user: bool) -> Option<Keeper> {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if user {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["sh", "-c", KEEPER, "sh"]).arg(folder).arg(SIZE.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let orders = child.stdin.take()?;
        let answers = BufReader::new(child.stdout.take()?);
        let mut keeper = Keeper { child, orders, answers, user };
        (keeper.answer() == "ready").then_some(keeper)
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn resize(&mut self, size: u64) -> bool {
        writeln!(self.orders, "{size}").unwrap();
        self.answer() == "done"
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From now on the process writes no file beyond this size. `None`: any size again.
pub fn limit_files(process: u32, size: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    let known = rustix::process::getrlimit(Resource::Fsize);
    // Only the soft limit: without privileges a hard one would never grow again.
    let limit = Rlimit { current: size.or(known.maximum), maximum: known.maximum };
    rustix::process::prlimit(Some(pid), Resource::Fsize, limit).unwrap();
}
