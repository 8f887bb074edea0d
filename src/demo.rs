//! What does a first look show? The proxy with the settings of `conf/portcullis.yaml`, in front of small app servers in
//! the same process, with a certificate that exists only in memory.

use std::path::Path;
use std::sync::Arc;

use origin::Origin;

use crate::config::{Diagnostic, Diagnostics};
use crate::pool::Address;
use crate::server::door::passed::Passed;
use crate::server::exit::StartError;
use crate::server::reload::prepare::{Prepared, prepare_loaded};
use crate::server::run::{self, Launch, Started};
use crate::state::State;
use crate::tls::self_signed;

/// The files the demo runs, as they stand in the repository.
const MAIN: &str = include_str!("../conf/portcullis.yaml");
const APP: &str = include_str!("../upstreams/app.yaml");

/// Where the configuration looks for its certificate unless the environment says otherwise.
const CERTIFICATE: &str = "/etc/portcullis/tls/fullchain.pem";
const KEY: &str = "/etc/portcullis/tls/privkey.pem";

/// Runs until a signal ends it.
///
/// # Errors
///
/// What keeps the proxy or one of the app servers from starting; a taken port is named.
pub fn demo() -> Result<(), StartError> {
    let state = run::new_state()?;
    let certificate = self_signed(["localhost", "127.0.0.1", "::1"])
        .map_err(|error| StartError::Other(error.to_string()))?;
    state
        .pems
        .insert(CERTIFICATE.into(), certificate.certificate);
    state.pems.insert(KEY.into(), certificate.key);
    let prepared = prepare(&state);
    let addresses = prepared
        .config
        .pools
        .iter()
        .flat_map(|pool| &pool.endpoints);
    let addresses: Vec<String> = addresses
        .map(|endpoint| endpoint.value.address().to_owned())
        .collect();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("origins")
        .enable_all()
        .build()
        .map_err(|error| StartError::Other(error.to_string()))?;
    let origins = runtime.block_on(start_origins(&addresses))?;
    let launch = Launch {
        source: Arc::new(prepare),
        path: None,
        take_over: None,
        passed: Passed::default(),
    };
    let started = run::launch(launch, state)?;
    print!("{}", introduction(&started, &addresses));
    started.serve();
    drop(origins);
    runtime.shutdown_background();
    Ok(())
}

/// Reads the embedded files the way they would be read from a disk.
fn prepare(state: &State) -> Prepared {
    let written = || -> std::io::Result<tempfile::TempDir> {
        let directory = tempfile::tempdir()?;
        for (folder, file, text) in [
            ("conf", "portcullis.yaml", MAIN),
            ("upstreams", "app.yaml", APP),
        ] {
            std::fs::create_dir(directory.path().join(folder))?;
            std::fs::write(directory.path().join(folder).join(file), text)?;
        }
        Ok(directory)
    };
    let mut diagnostics = Diagnostics::default();
    let directory = match written() {
        Ok(directory) => directory,
        Err(error) => {
            diagnostics.push(Diagnostic::error("", format!("temporary files: {error}")));
            return prepare_loaded(None, diagnostics, state);
        }
    };
    // Not the process's environment: the demo brings its own certificate.
    let main: &Path = &directory.path().join("conf").join("portcullis.yaml");
    let loaded = crate::config::load::load(main, &|_| None, &mut diagnostics);
    prepare_loaded(loaded, diagnostics, state)
}

async fn start_origins(addresses: &[String]) -> Result<Vec<Origin>, StartError> {
    let mut origins = Vec::with_capacity(addresses.len());
    for (number, address) in addresses.iter().enumerate() {
        let name = format!("app-{}", number + 1);
        let started = Origin::builder().name(&name).listen(address).start().await;
        let origin = started.map_err(|error| {
            let port = address.rsplit(':').next().unwrap_or_default();
            StartError::App(match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("{name}: {address}: port {port} is taken by another process; stop it and try again")
                }
                _ => format!("{name}: {address}: {error}"),
            })
        })?;
        origins.push(origin);
    }
    Ok(origins)
}

/// What listens where, and what to try.
fn introduction(started: &Started, origins: &[String]) -> String {
    let mut text = String::from("Portcullis is running.\n\n");
    let mut tries = String::new();
    for (listener, address) in &started.listeners {
        let Address::Inet(address) = address else {
            continue;
        };
        let tls = listener.tls.is_some();
        let url = format!(
            "{}://localhost:{}",
            if tls { "https" } else { "http" },
            address.port()
        );
        text.push_str(&format!("  {:<10} {url}\n", listener.name));
        if tls {
            tries.push_str(&format!(
                "  curl -k {url}/                     # TLS and HTTP/2\n"
            ));
        } else {
            tries.push_str(&format!("  curl -i {url}/                      # one of the app servers; again for the next\n"));
            tries.push_str(&format!(
                "  curl -s {url}/echo                  # what an app server sees\n"
            ));
            tries.push_str(&format!(
                "  curl -i {url}/status                # answered at the edge\n"
            ));
            tries.push_str(&format!(
                "  curl -i {url}/old/page              # redirected\n"
            ));
            tries.push_str(&format!(
                "  curl -N '{url}/sse?n=5&ms=500'        # a stream of events\n"
            ));
        }
    }
    if let Some(admin) = &started.admin {
        text.push_str(&format!("  {:<10} http://{admin}/metrics\n", "admin"));
        tries.push_str(&format!(
            "  curl -s http://{admin}/metrics       # for Prometheus\n"
        ));
    }
    for (number, address) in origins.iter().enumerate() {
        text.push_str(&format!(
            "  {:<10} http://{address}\n",
            format!("app-{}", number + 1)
        ));
    }
    format!("{text}\nTry:\n{tries}\nCtrl-C stops it. The lines that follow are the access log.\n\n")
}
