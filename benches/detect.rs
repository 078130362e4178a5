//! Judging events by the shipped pack: a process start that nothing matches, and one that a rule matches.
//! Figures with the public pack over whole captures are in `docs/BENCHMARKS.md`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use watchfloor::config::rules::RulesConfig;
use watchfloor::detect::RuleSet;
use watchfloor::detect::rules::Judge;
use watchfloor::model::event::Event;
use watchfloor::model::field;

fn process(image: &str, command_line: &str) -> Event {
    let mut event = Event::with_capacity(16, 512);
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::WINLOG_PROVIDER_NAME, "Microsoft-Windows-Sysmon");
    event.push_str(field::EVENT_CODE, "1");
    event.push_str(field::HOST_NAME, "pc-17");
    event.push_str(field::PROCESS_EXECUTABLE, image);
    event.push_str(field::PROCESS_COMMAND_LINE, command_line);
    event
}

fn judge(criterion: &mut Criterion) {
    let rules = RuleSet::load(&RulesConfig::default(), &BTreeSet::new()).rules;
    let quiet = process(r"C:\Program Files\Editor\editor.exe", r#""editor.exe" C:\notes.txt"#);
    let script = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe";
    let loud = process(script, "powershell.exe -nop -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA");
    for (name, event) in [("quiet process start", &quiet), ("encoded powershell", &loud)] {
        criterion.bench_function(name, |bench| {
            let mut judge = Judge::new(&rules);
            let mut out = Vec::new();
            bench.iter(|| {
                out.clear();
                judge.judge(black_box(event), &mut out);
                out.len()
            });
        });
    }
    criterion.bench_function("load the shipped pack", |bench| {
        bench.iter(|| RuleSet::load(&RulesConfig::default(), &BTreeSet::new()));
    });
}

criterion_group!(benches, judge);
criterion_main!(benches);
