//! What do signals do? TERM and QUIT stop in good order, INT and a second signal at once; USR1 opens the access log
//! anew, for logrotate; HUP and USR2 never kill.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::live::Live;
use crate::telemetry::AccessLog;

/// Takes the signals whose default would kill the process, before anything else runs: one that comes while the
/// configuration is being read must not end a process that is about to serve.
///
/// # Errors
///
/// The system gives no pipe for them.
pub fn take_early() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    // The system's handler stays when the receiver goes.
    runtime.block_on(async {
        for kind in [
            SignalKind::hangup(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ] {
            signal(kind).map(drop)?;
        }
        Ok(())
    })
}

/// Stops the process: tells every worker, waits for their connections, and then lets Pingora end its services.
pub struct Stop {
    /// One for each worker, so that waiting connections of different threads share no lock.
    pub workers: Vec<watch::Sender<bool>>,
    /// The connections that may go on until the grace is over.
    pub live: Arc<Live>,
    /// What `/readyz` says.
    pub ready: Arc<AtomicBool>,
    /// How long they may.
    pub grace: Duration,
    /// Opened anew on SIGUSR1.
    pub access_log: Option<Arc<AccessLog>>,
}

impl Stop {
    async fn drain(&self) {
        self.ready.store(false, Ordering::Relaxed);
        for worker in &self.workers {
            // A worker that has ended needs no word.
            let _ = worker.send(true);
        }
        log::info!(
            "{} connections have {:?} to end",
            self.live.count(),
            self.grace
        );
        match tokio::time::timeout(self.grace, self.live.none_left()).await {
            Ok(()) => log::info!("every connection has ended"),
            Err(_) => log::warn!(
                "the grace is over; {} connections are cut",
                self.live.count()
            ),
        }
    }

    async fn wait(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut reopen = signal(SignalKind::user_defined1())?;
        let mut unused = signal(SignalKind::user_defined2())?;
        let name = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = quit.recv() => break "SIGQUIT",
                _ = interrupt.recv() => {
                    log::info!("SIGINT: leaving at once");
                    return Ok(());
                }
                _ = reopen.recv() => {
                    if let Some(log) = &self.access_log {
                        log.reopen();
                        log::info!("SIGUSR1: the access log is opened anew");
                    }
                }
                _ = unused.recv() => log::warn!("SIGUSR2 has no meaning here"),
                _ = hangup.recv() => {
                    log::warn!("SIGHUP: this version can't reload its configuration; restart it");
                }
            }
        };
        log::info!("{name}: stopping");
        let any = async |signal: &mut Signal| signal.recv().await;
        tokio::select! {
            () = self.drain() => {}
            _ = any(&mut terminate) => log::warn!("second signal: leaving at once"),
            _ = any(&mut quit) => log::warn!("second signal: leaving at once"),
            _ = any(&mut interrupt) => log::warn!("interrupted: leaving at once"),
        }
        Ok(())
    }
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    /// Pingora's own graceful way always sleeps its full grace; by the time it is told, here, all is over.
    async fn recv(&self) -> ShutdownSignal {
        if let Err(error) = self.wait().await {
            log::error!("signals: {error}");
        }
        ShutdownSignal::FastShutdown
    }
}
