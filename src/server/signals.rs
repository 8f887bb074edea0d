//! What do signals do? HUP reloads, USR2 upgrades, USR1 opens the access log anew, for logrotate. TERM and QUIT stop in
//! good order, INT and a second signal at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Notify};

use crate::admin::AdminDoor;
use crate::server::process::Process;
use crate::server::reload::Reloads;
use crate::server::stop::{Cause, close_doors, end};
use crate::server::supervisor::{STOPPING_EVERY, Supervisor};
use crate::server::upgrade::Upgrades;

/// How long it may take until a new process that did not come to take over is gone, and everyone who has asked something
/// has the answer.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Takes the signals whose default would kill the process, before anything else runs: one that comes while the
/// configuration is being read must not end a process that is about to serve.
///
/// # Errors
///
/// The system gives no pipe for them.
pub fn take_early() -> io::Result<()> {
    // The system's handler stays when the receiver goes.
    alone(|| {
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

/// Runs what takes signals so that none of them is lost. Between the moment when the system has the handler and the moment
/// when the handler knows whom to tell, one that comes is swallowed; while the only thread blocks them, they wait.
fn alone<T>(take: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let ours = SigSet::from_iter([
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ]);
    let before = ours.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let taken = runtime.block_on(async { take() });
    before.thread_set_mask()?;
    taken
}

/// The signals of a process that is about to serve. One that comes before it does is remembered.
pub struct Taken {
    terminate: Signal,
    quit: Signal,
    interrupt: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Taken {
    /// Takes them all. To be called while the process has one thread: another would be given what this one blocks.
    ///
    /// # Errors
    ///
    /// The system gives no pipe for them.
    pub fn all() -> io::Result<Self> {
        alone(|| {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                quit: signal(SignalKind::quit())?,
                interrupt: signal(SignalKind::interrupt())?,
                hangup: signal(SignalKind::hangup())?,
                reopen: signal(SignalKind::user_defined1())?,
                upgrade: signal(SignalKind::user_defined2())?,
            })
        })
    }
}

/// Listens to signals for as long as the process runs.
pub struct Signals {
    /// Where they arrive; held for as long as they are listened to.
    pub taken: Mutex<Taken>,
    /// The process they are about.
    pub process: Arc<Process>,
    /// Open until the end, unless a successor has it.
    pub admin: Arc<AdminDoor>,
    /// What SIGHUP asks.
    pub reloads: Reloads,
    /// What SIGUSR2 asks.
    pub upgrades: Upgrades,
    /// Who started the process, and wants to know.
    pub supervisor: Arc<Supervisor>,
    /// Told when signals are listened to: who is told before that that the process serves could kill it with one.
    pub listening: Arc<Notify>,
}

impl Signals {
    /// Resolves when the process is to end, and everything in it has.
    async fn serve(&self) {
        let mut taken = self.taken.lock().await;
        let Taken {
            terminate,
            quit,
            interrupt,
            hangup,
            reopen,
            upgrade,
        } = &mut *taken;
        self.listening.notify_one();
        let cause = loop {
            tokio::select! {
                _ = terminate.recv() => break self.asked("SIGTERM"),
                _ = quit.recv() => break self.asked("SIGQUIT"),
                _ = interrupt.recv() => {
                    log::info!("SIGINT: leaving at once; {}", self.open());
                    self.stop();
                    close_doors(&self.process);
                    return;
                }
                successor = self.process.successor() => {
                    log::info!("process {} has taken over: stopping", successor.pid);
                    break Cause::Succeeded(successor);
                }
                _ = reopen.recv() => self.process.reopen_logs("SIGUSR1"),
                _ = hangup.recv() => self.reloads.request("SIGHUP"),
                _ = upgrade.recv() => self.upgrades.request("SIGUSR2"),
            }
        };
        self.end(cause, [terminate, quit, interrupt, reopen]).await;
    }

    /// Ends in good order, unless another signal comes. A process that only finishes what a successor left to it may still
    /// be asked to stop, by a signal or by the successor: then the grace of a stop begins.
    async fn end(&self, mut cause: Cause, [terminate, quit, interrupt, reopen]: [&mut Signal; 4]) {
        loop {
            let signal = {
                let mut ending = std::pin::pin!(end(&self.process, &cause));
                let soon = tokio::time::Instant::now() + STOPPING_EVERY;
                let mut ticks = tokio::time::interval_at(soon, STOPPING_EVERY);
                loop {
                    tokio::select! {
                        () = &mut ending => return,
                        _ = ticks.tick(), if self.is_service_end(&cause) => {
                            self.supervisor.still_stopping(self.process.live.count());
                        }
                        () = self.process.stopping(), if cause != Cause::Asked => break "the new process",
                        _ = terminate.recv() => break "SIGTERM",
                        _ = quit.recv() => break "SIGQUIT",
                        _ = interrupt.recv() => break "SIGINT",
                        _ = reopen.recv() => self.process.reopen_logs("SIGUSR1"),
                    }
                }
            };
            if cause == Cause::Asked || signal == "SIGINT" {
                // In a hurry some may still be open.
                close_doors(&self.process);
                return log::warn!("{signal}: leaving at once; {}", self.open());
            }
            cause = self.asked(signal);
        }
    }

    /// Whom leaving at once concerns.
    fn open(&self) -> String {
        format!("{} connections are open", self.process.live.count())
    }

    fn asked(&self, signal: &str) -> Cause {
        log::info!("{signal}: stopping");
        self.stop();
        Cause::Asked
    }

    fn stop(&self) {
        self.process.stop();
        if self.is_service_end(&Cause::Asked) {
            self.supervisor.stopping();
        }
    }

    /// The end of a process that has a successor is not the service's.
    fn is_service_end(&self, cause: &Cause) -> bool {
        *cause == Cause::Asked && !self.process.has_heir()
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    /// Pingora's own graceful way always sleeps its full grace; by the time it is told, here, all is over.
    async fn recv(&self) -> ShutdownSignal {
        self.serve().await;
        // Nobody is left behind: a new process that was to take over goes as well, and who has asked gets an answer.
        let Process {
            starting, askers, ..
        } = &*self.process;
        let _ = tokio::time::timeout(LAST_ANSWERS, async {
            self.admin.close();
            askers.leave();
            starting.none_left().await;
            askers.none_left().await;
        })
        .await;
        ShutdownSignal::FastShutdown
    }
}
