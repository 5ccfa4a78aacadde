//! Clocks: of the processor for what is measured, of the wall for what needs to know the time.

use std::time::Duration;

use actors::clock::Clock;
use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use genesis::time::Time;
use rustix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> Duration {
    // A clock that Linux always has; before 1970 is no time a machine of today shows.
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

/// CPU time that this process has used, in user and system mode, by all of its threads.
fn cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// Time since the machine was started.
fn wall() -> Duration {
    read(ClockId::Monotonic)
}

/// Measures from when it was started.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    cpu: Duration,
    wall: Duration,
}

impl Stopwatch {
    /// Starts one.
    pub fn start() -> Self {
        Self {
            cpu: cpu(),
            wall: wall(),
        }
    }

    /// CPU time that the process has used since.
    pub fn cpu(&self) -> Duration {
        cpu().saturating_sub(self.cpu)
    }

    /// Time on the wall since.
    pub fn wall(&self) -> Duration {
        wall().saturating_sub(self.wall)
    }
}

/// How many there were in a second.
pub fn per_second(count: u64, time: Duration) -> u64 {
    let per_second = u128::from(count) * 1_000_000_000 / time.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// The clock that a runtime is given: the system's, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let ms = read(ClockId::RealtimeCoarse).as_millis();
        Time(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

/// Criterion's measure: CPU time of the process instead of time on the wall.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu()
    }

    fn end(&self, start: Duration) -> Duration {
        cpu().saturating_sub(start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &PerMessage
    }
}

/// Shows nanoseconds as criterion does and, instead of elements per second, nanoseconds per message.
struct PerMessage;

impl ValueFormatter for PerMessage {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(
        &self,
        typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        match *throughput {
            Throughput::Elements(messages) => {
                for value in values {
                    *value /= messages as f64;
                }
                "ns CPU/message"
            }
            _ => WallTime
                .formatter()
                .scale_throughputs(typical, throughput, values),
        }
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_on_both_clocks() {
        let (watch, start) = (Stopwatch::start(), CpuTime.start());
        let mut sum = 0_u64;
        while watch.cpu() < Duration::from_millis(5) {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        std::hint::black_box(sum);
        assert!(watch.wall() > Duration::ZERO);
        assert!(CpuTime.end(start) >= Duration::from_millis(4));
    }
}
