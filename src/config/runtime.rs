//! How does the process run, and how does it end or hand over?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Spanned, Timespan};

/// The process and its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Worker threads; each accepts on its own socket of every listener and keeps its own connections to the endpoints.
    /// Default: 0, one for each core the process may use.
    pub threads: u16,
    /// How long running requests may go on after SIGTERM or SIGQUIT. The process leaves as soon as the last one has
    /// ended. Default: 30s.
    pub grace: Timespan,
    /// How long connections are still accepted after SIGTERM, while `/readyz` fails already and answers ask clients to
    /// connect anew: the time a balancer in front needs to notice. The grace begins after it. Default: 0s.
    pub stop_delay: Timespan,
    /// How long the old process of an upgrade may stay for its long connections. Default: 1h.
    pub upgrade_grace: Timespan,
    /// How long the new process of an upgrade may take until it is ready; then it is ended, and the old one goes on.
    /// Default: 30s.
    pub upgrade_timeout: Timespan,
    /// A directory of mode 0700, made if it is missing, for the sockets of `portcullis reload`, `drain` and `upgrade`.
    /// `auto` goes by the configuration's path, in $RUNTIME_DIRECTORY, /run/portcullis (root),
    /// $XDG_RUNTIME_DIR/portcullis or portcullis-UID in $TMPDIR, which is /tmp unless it is set. Default: auto.
    pub directory: Spanned<String>,
    /// A file for the number of the process; removed by the process whose number it has. Default: none.
    #[schemars(example = "/run/portcullis/portcullis.pid")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<Spanned<String>>,
    /// How often to look whether a file of the configuration or a certificate has changed, and then to reload; 0s for
    /// never. Default: 0s.
    pub watch: Spanned<Timespan>,
    /// Which carrier moves the bytes between client and endpoint; for diagnosis only. Default: auto.
    pub carrier: Carrier,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            threads: 0,
            grace: Timespan::secs(30),
            stop_delay: Timespan::secs(0),
            upgrade_grace: Timespan::secs(3600),
            upgrade_timeout: Timespan::secs(30),
            directory: Spanned::new("auto".to_owned()),
            pid_file: None,
            watch: Spanned::new(Timespan::secs(0)),
            carrier: Carrier::Auto,
        }
    }
}

/// Which carrier moves the bytes between client and endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// The direct exchange where it fits (no request body, HTTP/1 endpoint, no upgrade), duplex for everything else.
    #[default]
    Auto,
    /// As `auto`; what the direct exchange can't carry is answered with 500 instead of falling back.
    Direct,
    /// Always pingora-proxy's own machinery, which does not hedge.
    Duplex,
}
