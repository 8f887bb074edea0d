//! What does the process say of itself?
//!
//! What the library reads from `/proc`, but for the CPU time: of that it tells whole seconds, and a rate over a minute would be in
//! steps of a sixtieth.

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Opts};
use rustix::time::{ClockId, clock_gettime};

/// `process_*` of this process.
pub(super) struct Process {
    read: ProcessCollector,
    cpu: Opts,
}

impl Process {
    /// With this name and help for the CPU time.
    pub(super) fn new(cpu: Opts) -> Self {
        Self {
            read: ProcessCollector::for_self(),
            cpu,
        }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.read.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.read.collect();
        families.retain(|family| family.name() != self.cpu.name);
        // Made anew each time: a counter can't be set.
        if let Ok(cpu) = Counter::with_opts(self.cpu.clone()) {
            cpu.inc_by(cpu_seconds());
            families.extend(cpu.collect());
        }
        families
    }
}

/// The time that all threads have had, in user and system mode.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
