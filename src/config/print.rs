//! What does the configuration say once every default is filled in?

use serde::Serialize;

use super::access::RateLimit;
use super::pool::Endpoint;
use super::resolver::{NameServers, SYSTEM};
use super::route::{DEFAULT_CONTENT_TYPE, DEFAULT_REDIRECT, DEFAULT_STATUS, RouteSecurityHeaders};
use super::{
    AccessLog, Admin, Cache, Config, Forwarding, Listener, Metrics, Overload, Pool, ProcessLog,
    Redis, Resolver, Route, Runtime, Spanned,
};

/// The whole configuration as JSON, which is YAML as well, and itself a configuration. Masked is the value of a header
/// or query parameter whose name tells of a secret, what cookies are
/// signed with, and the password and the secret of Redis.
pub fn effective(config: &Config) -> serde_json::Value {
    let mut printed = serde_json::to_value(prepared(config, true)).unwrap_or_default();
    escape(&mut printed);
    printed
}

/// The whole configuration with every default filled in.
pub(super) fn filled_in(config: &Config) -> Config {
    prepared(config, false)
}

/// Every part with its defaults filled in; `masked` if someone else than its owner is to see it.
fn prepared(config: &Config, masked: bool) -> Config {
    let mut printed = config.clone();
    // Taken apart, so that a new section can't be forgotten.
    let Config {
        include: _,
        runtime,
        admin,
        metrics,
        access_log,
        log,
        forwarding,
        resolver,
        overload,
        redis,
        cache,
        listeners,
        routes,
        pools,
    } = &mut printed;
    prepare(runtime, masked);
    prepare(admin, masked);
    prepare(metrics, masked);
    prepare(access_log, masked);
    prepare(log, masked);
    prepare(forwarding, masked);
    prepare(resolver, masked);
    prepare(overload, masked);
    prepare(redis, masked);
    prepare(cache, masked);
    listeners.iter_mut().for_each(|part| prepare(part, masked));
    routes.iter_mut().for_each(|part| prepare(part, masked));
    pools.iter_mut().for_each(|part| prepare(part, masked));
    for route in routes {
        // What that is goes by another section.
        if let Some(written) = &mut route.cache {
            let largest = Spanned::new(cache.max_object());
            written.value.max_object.get_or_insert(largest);
        }
    }
    printed
}

fn prepare<T: Printed>(part: &mut T, masked: bool) {
    part.fill_in();
    if masked {
        part.mask();
    }
}

/// A part of the configuration, on its way to be shown.
pub(super) trait Printed: Clone + Serialize {
    /// Writes the defaults that are not written when the part is read, and one form for what has two.
    fn fill_in(&mut self) {}

    /// Replaces what only its owner may see.
    fn mask(&mut self) {}
}

impl Printed for Runtime {}
impl Printed for Admin {}
impl Printed for Metrics {}
impl Printed for AccessLog {}
impl Printed for ProcessLog {}
impl Printed for Forwarding {}
impl Printed for Overload {}
impl Printed for Cache {}

impl Printed for Listener {
    fn fill_in(&mut self) {
        self.rate_limits.iter_mut().for_each(RateLimit::fill_in);
        self.limits.fill_in();
    }

    fn mask(&mut self) {
        mask_keys(&mut self.rate_limits);
    }
}

impl Printed for Route {
    fn fill_in(&mut self) {
        self.rate_limits.iter_mut().for_each(RateLimit::fill_in);
        if self.pool.is_some() {
            self.priority.get_or_insert_default();
        }
        if let Some(cache) = &mut self.cache {
            cache.value.space.get_or_insert_with(|| self.name.clone());
        }
        if let Some(auth) = &mut self.forward_auth {
            auth.value.fill_in();
        }
        if let Some(security) = &mut self.security_headers
            && let Some(fields) = security.value.fields()
        {
            security.value = RouteSecurityHeaders::Fields(Box::new(fields));
        }
        if let Some(jwt) = &mut self.jwt {
            jwt.value.fill_in();
        }
        if let Some(redirect) = &mut self.redirect {
            redirect.value.status.get_or_insert(DEFAULT_REDIRECT);
        }
        if let Some(respond) = &mut self.respond {
            respond.value.status.get_or_insert(DEFAULT_STATUS);
            let content_type = &mut respond.value.content_type;
            content_type.get_or_insert_with(|| DEFAULT_CONTENT_TYPE.to_owned());
        }
    }

    fn mask(&mut self) {
        mask_keys(&mut self.rate_limits);
        for edits in [&mut self.request_headers, &mut self.response_headers] {
            for (name, value) in edits.set.iter_mut().chain(edits.add.iter_mut()) {
                if names_a_secret(name) {
                    MASK.clone_into(&mut value.value);
                }
            }
        }
        if let Some(basic_auth) = &mut self.basic_auth {
            basic_auth.value.mask(MASK);
        }
        if let Some(api_key) = &mut self.api_key {
            api_key.value.mask(MASK);
        }
        if let Some(jwt) = &mut self.jwt {
            jwt.value.mask(MASK);
        }
        let matches = &mut self.r#match;
        for Spanned { value: field, .. } in matches.headers.iter_mut().chain(&mut matches.query) {
            if names_a_secret(&field.name) {
                for value in [&mut field.exact, &mut field.regex].into_iter().flatten() {
                    MASK.clone_into(value);
                }
            }
        }
    }
}

impl Printed for Redis {
    fn mask(&mut self) {
        // Too short for a secret: what is printed does not run with it.
        self.mask(MASK);
    }
}

impl Printed for Resolver {
    fn fill_in(&mut self) {
        if let NameServers::One(one) = &mut self.addresses.value
            && one != SYSTEM
        {
            let one = Spanned::new(std::mem::take(one));
            self.addresses.value = NameServers::Many(vec![one]);
        }
    }
}

impl Printed for Pool {
    fn fill_in(&mut self) {
        self.rate_limits.iter_mut().for_each(RateLimit::fill_in);
        for endpoint in &mut self.endpoints {
            let mut settings = endpoint.value.settings();
            settings.priority = settings.priority();
            endpoint.value = Endpoint::Full(settings);
        }
        self.balancer.value.fill_in();
        if let Some(health) = &mut self.health {
            health.value.fill_in();
        }
    }

    fn mask(&mut self) {
        mask_keys(&mut self.rate_limits);
        let sticky = self.sticky.as_mut();
        if let Some(cookie) = sticky.and_then(|sticky| sticky.value.cookie.as_mut()) {
            // Too short for a secret: what is printed does not run with it.
            cookie.value.mask(MASK);
        }
        let health = self.health.iter_mut();
        for (name, value) in health.flat_map(|health| &mut health.value.headers) {
            if names_a_secret(name) {
                MASK.clone_into(&mut value.value);
            }
        }
    }
}

/// Writes `${`, which is the environment, so that it stands for itself when it is read again.
pub fn escape(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = text.replace("${", "$${"),
        serde_json::Value::Array(items) => items.iter_mut().for_each(escape),
        serde_json::Value::Object(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}

/// Masks the exempt values of keys such as `header.X-Api-Key`.
fn mask_keys(limits: &mut [RateLimit]) {
    let secret = |limit: &&mut RateLimit| names_a_secret(&limit.key.value);
    let secret = limits.iter_mut().filter(secret);
    secret.for_each(|limit| limit.mask(MASK));
}

const MASK: &str = "***";

fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "pass",
        "authorization",
        "cookie",
        "token",
        "secret",
        "password",
        "key",
        "credential",
        "auth",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}
