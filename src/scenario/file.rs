//! What a scenario file says. Unknown keys are refused; every step names the rules that must find it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a built-in scenario nor a file that can be read.
    #[error("no scenario is called {path:?} and no such file can be read")]
    Unreadable {
        /// The name as given.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{name}: {source}")]
    Syntax {
        /// The name as given.
        name: String,
        /// Line, column and reason.
        source: Box<toml::de::Error>,
    },
    /// A step or work names an endpoint that is not in the file.
    #[error("{name}: no endpoint is called {endpoint:?}")]
    NoEndpoint {
        /// The name as given.
        name: String,
        /// The endpoint.
        endpoint: String,
    },
}

/// A whole scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A line for people.
    pub title: String,
    /// How long ordinary work goes on, in scenario seconds.
    pub seconds: f64,
    /// Who takes part.
    pub endpoints: Vec<Endpoint>,
    /// What goes on all the time.
    #[serde(default)]
    pub work: Vec<Work>,
    /// What an intruder does.
    #[serde(default)]
    pub chains: Vec<Chain>,
}

/// One endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Short host name, lower case.
    pub name: String,
    /// `windows` or `linux`.
    pub os: Os,
    /// Whoever works there.
    pub user: String,
    /// Its address.
    pub address: String,
}

/// The operating system decides which records an endpoint ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Os {
    /// Event log as JSON lines.
    Windows,
    /// auditd and syslog.
    Linux,
}

/// Ordinary work: one of `steps` at a time, again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// On these endpoints.
    pub endpoints: Vec<String>,
    /// Seconds between two steps on one endpoint, on average.
    pub every: f64,
    /// What may happen.
    pub steps: Vec<Record>,
}

/// An attack: steps in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// A short name.
    pub name: String,
    /// What happens, for a person.
    pub story: String,
    /// Where.
    pub endpoint: String,
    /// Words that the seed chooses: `{attacker}` in a step becomes one of `attacker`.
    #[serde(default)]
    pub choose: BTreeMap<String, Vec<String>>,
    /// What.
    pub steps: Vec<Step>,
}

/// A step of an attack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Scenario seconds after the start of the scenario; the seed moves it by up to 10 %.
    pub at: f64,
    /// Titles of the rules that this step makes fire, alone or with steps before it.
    #[serde(default)]
    pub expect: Vec<String>,
    /// Why they fire.
    #[serde(default)]
    pub why: String,
    /// The record.
    pub record: Record,
}

/// One record, or a run of them. `kind` says which.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// Windows: Sysmon 1.
    Process {
        /// The program.
        image: String,
        /// Its command line.
        command: String,
        /// Who started it.
        parent: String,
        /// The parent's command line; empty: the parent's path.
        #[serde(default)]
        parent_command: String,
    },
    /// Windows: Sysmon with a given number and fields. Which process `Image`, `SourceImage` and `TargetImage` are is known
    /// from the processes before.
    Sysmon {
        /// Event number.
        code: u32,
        /// Event data.
        data: BTreeMap<String, String>,
    },
    /// Windows: the Security log.
    Security {
        /// Event number.
        code: u32,
        /// Event data.
        data: BTreeMap<String, String>,
        /// The provider, where it is not `Microsoft-Windows-Security-Auditing`.
        #[serde(default)]
        provider: Option<String>,
    },
    /// Windows: the System log.
    System {
        /// Event number.
        code: u32,
        /// Event data.
        data: BTreeMap<String, String>,
    },
    /// Windows: PowerShell 4104.
    Script {
        /// The script's text.
        text: String,
    },
    /// Linux: a program is started (SYSCALL, EXECVE, CWD, PATH, PROCTITLE, EOE).
    Exec {
        /// The argument vector.
        args: Vec<String>,
        /// The program's path; empty: `/usr/bin/` and the first argument.
        #[serde(default)]
        exe: String,
        /// User number.
        #[serde(default = "ordinary_user")]
        uid: u32,
        /// Log-in user number.
        #[serde(default = "ordinary_user")]
        auid: u32,
        /// Working directory; empty: the user's home.
        #[serde(default)]
        cwd: String,
        /// Path of the program that starts it; empty: the shell of the log-in session, without one the scheduler.
        #[serde(default)]
        parent: String,
    },
    /// Linux: a connection is made (SYSCALL connect, SOCKADDR).
    Connect {
        /// The program.
        exe: String,
        /// IPv4 address.
        ip: String,
        /// Port.
        port: u16,
    },
    /// Linux: a line of syslog.
    Line {
        /// The program.
        program: String,
        /// Its text.
        text: String,
    },
    /// Linux: sshd refuses passwords.
    SshFailures {
        /// How many.
        count: u32,
        /// Seconds between two.
        every: f64,
        /// For whom; several words are tried in turn, `invalid:` before one says there is no such user.
        users: Vec<String>,
        /// From where.
        ip: String,
    },
}

fn ordinary_user() -> u32 {
    1000
}

impl Scenario {
    /// Read a scenario's text.
    ///
    /// # Errors
    /// Syntax, unknown keys, and endpoints that are named and not there.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
        let scenario: Scenario = toml::from_str(text).map_err(|source| ScenarioError::Syntax {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        let named = scenario.work.iter().flat_map(|work| &work.endpoints);
        let named = named.chain(scenario.chains.iter().map(|chain| &chain.endpoint));
        for endpoint in named {
            if scenario.endpoint(endpoint).is_none() {
                let endpoint = endpoint.clone();
                return Err(ScenarioError::NoEndpoint { name: name.to_owned(), endpoint });
            }
        }
        Ok(scenario)
    }

    /// The endpoint of a name.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }
}
