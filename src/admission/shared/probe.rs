//! When has Redis gone, and when is it back?
//!
//! One task for each Redis looks at the start, and again and again while it is away: a connection of its own, and the
//! question that requests ask, for a key of nobody. So a password that is wrong is told at once, and a Redis that may not
//! write, or takes too long, stays away. It keeps that connection, and looks again when the connection ends: so a Redis
//! that has gone is noticed before a request has to find out.

use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::connection::{Connection, Driver, open};
use super::script;

/// How long the first rest is; each further one is twice as long.
const FIRST_REST: Duration = Duration::from_millis(100);
/// How long a rest is at most.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// How long Redis must have stayed until rests are short again: one that comes and goes is not asked ever more often.
const STEADY: Duration = Duration::from_secs(10);
/// One answer of so many must come in time.
const TRIES: usize = 3;
/// The debt of one request of nobody, in nanoseconds.
const TRIFLE: u64 = 1_000_000;

/// Looks for as long as somebody holds it.
pub(super) async fn look_after(shared: Weak<Shared>, mut tidings: watch::Receiver<bool>) {
    let mut rest = FIRST_REST;
    loop {
        let Some(looked_for) = shared.upgrade() else {
            return;
        };
        let began = Instant::now();
        let found = look(&looked_for).await;
        match &found {
            Ok(_) => looked_for.reach.is_back(Instant::now()),
            Err(why) => looked_for.reach.failed(began, why),
        }
        drop(looked_for);
        // Without its connection the driver would end by itself.
        if let Ok((_connection, mut driver)) = found {
            let since = Instant::now();
            tokio::select! {
                () = driver.ended() => {}
                away = tidings.wait_for(|away| *away) => if away.is_err() {
                    return;
                },
            }
            if since.elapsed() >= STEADY {
                rest = FIRST_REST;
            }
        }
        // Many processes see it go at the same moment.
        sleep(rest.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        rest = (rest * 2).min(LONGEST_REST);
    }
}

/// Looks once; gives what it is there on.
async fn look(shared: &Shared) -> Result<(Connection, Driver), String> {
    let settings = &shared.settings;
    let opened = open(settings).await;
    let (connection, driver) = opened.map_err(|error| error.to_string())?;
    let name = format!("{}probe", settings.prefix);
    let script = script::invocation(&name, TRIFLE, TRIFLE * TRIES as u64);
    for _ in 0..TRIES {
        match timeout(settings.timeout, connection.ask(&script)).await {
            Ok(Ok(_)) => return Ok((connection, driver)),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => {}
        }
    }
    Err(format!("no answer within {:?}", settings.timeout))
}
