//! Which policies decide whether a request may go on, and in which order?

use std::sync::Arc;

use super::reporter::Reporter;
use crate::admission::NetworkSet;
use crate::admission::networks::parse;
use crate::config::access::IpFilter as WrittenIpFilter;
use crate::config::{Listener as WrittenListener, Route as WrittenRoute, Spanned};
use crate::policy::access::{Access, IpFilter, Policies};

/// Those of a listener: they hold for whatever it is asked, before a route is looked for.
pub(super) fn of_listener(written: &WrittenListener, reporter: &mut Reporter<'_>) -> Policies {
    let mut policies: Vec<Arc<dyn Access>> = Vec::new();
    policies.extend(ip_filter(&written.ip_filter, reporter));
    policies.into()
}

/// Those of a route. The order is the documented one: what costs least comes first.
pub(super) fn of_route(written: &WrittenRoute, reporter: &mut Reporter<'_>) -> Policies {
    let mut policies: Vec<Arc<dyn Access>> = Vec::new();
    policies.extend(ip_filter(&written.ip_filter, reporter));
    policies.into()
}

fn ip_filter(written: &WrittenIpFilter, reporter: &mut Reporter<'_>) -> Option<Arc<dyn Access>> {
    let allow = networks("ip_filter.allow", &written.allow, reporter);
    let deny = networks("ip_filter.deny", &written.deny, reporter);
    (!written.is_empty()).then(|| {
        Arc::new(IpFilter {
            allow: (!written.allow.is_empty()).then_some(allow),
            deny,
        }) as Arc<dyn Access>
    })
}

/// Reads addresses and networks; what is wrong with one is reported.
pub(super) fn networks(
    key: &str,
    written: &[Spanned<String>],
    reporter: &mut Reporter<'_>,
) -> NetworkSet {
    let read = written.iter().enumerate().filter_map(|(index, network)| {
        parse(&network.value)
            .map_err(|error| {
                let key = format!("{key}[{index}]");
                reporter.error(&key, network, error.to_string(), Some(&error.hint()));
            })
            .ok()
    });
    NetworkSet::new(read)
}
