//! What is Redis asked, and what does its answer mean?

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, ScriptInvocation};

/// Loaded by name, and sent whole to a Redis that does not know it yet.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// What became of a request, as all machines count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debt {
    /// Whether it may go on.
    pub allowed: bool,
    /// The debt of its key after it, in nanoseconds.
    pub nanos: u64,
}

/// The question about one request of the key `name`.
pub(super) fn invocation(name: &str, interval: u64, full: u64) -> ScriptInvocation<'static> {
    let mut invocation = SCRIPT.key(name);
    invocation.arg(micros(interval)).arg(micros(full));
    invocation
}

/// Asks it.
pub(super) async fn ask(
    invocation: &ScriptInvocation<'_>,
    connection: &mut MultiplexedConnection,
) -> RedisResult<Debt> {
    let answer: i64 = invocation.invoke_async(connection).await?;
    Ok(read(answer))
}

fn read(answer: i64) -> Debt {
    let micros = if answer < 0 { !answer } else { answer };
    Debt {
        allowed: answer >= 0,
        nanos: micros.unsigned_abs().saturating_mul(1_000),
    }
}

/// Nanoseconds as the script's unit, exactly.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1_000, nanos % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_answer_is_read_without_harm() {
        for (answer, allowed, nanos) in [
            (0, true, 0),
            (1_500, true, 1_500_000),
            (-1, false, 0),
            (-1_501, false, 1_500_000),
            (i64::MAX, true, u64::MAX),
            (i64::MIN, false, u64::MAX),
        ] {
            assert_eq!(read(answer), Debt { allowed, nanos }, "{answer}");
        }
    }

    #[test]
    fn times_are_told_to_the_nanosecond() {
        assert_eq!(micros(333_333_334), "333333.334");
        assert_eq!(micros(1_000), "1.000");
        assert_eq!(micros(7), "0.007");
    }
}
