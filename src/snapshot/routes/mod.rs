//! How do written routes become tables that find one of them?

mod end;
mod head;
mod matcher;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::access;
use super::cache;
use super::compress;
use super::files::Sources;
use super::listeners::WithRoutes;
use super::names::Unread;
use super::overload;
use super::pools::{Pools, retries};
use super::reporter::Reporter;
use super::{End, Route, Routes};
use crate::config::diagnostics::suggestion;
use crate::config::route::Route as Written;
use crate::config::{Config, Diagnostic, Diagnostics, Position, Spanned};
use crate::policy::{HeaderEdits, PriorityRule, RequestId, Rewrite, SecurityHeaders};
use crate::pool::Pool;
use crate::pool::retries::Retries;
use crate::route::{Matcher, RouteTable};

/// One compiled route, with what the tables are built from.
pub(super) struct CompiledRoute {
    route: Arc<Route>,
    matcher: Matcher,
    /// Listener names; empty for all.
    listeners: Vec<String>,
    /// Its place in the configuration.
    index: usize,
}

/// Compiles every route. One with errors is left out, after all of its errors were reported.
pub(super) fn compile(
    config: &Config,
    sources: &Sources<'_>,
    pools: &Pools,
    unread: &Unread,
    diagnostics: &mut Diagnostics,
) -> Vec<CompiledRoute> {
    let listeners: Vec<&str> = config
        .listeners
        .iter()
        .map(|listener| listener.name.value.as_str())
        .collect();
    let known = Known {
        config,
        pools,
        unread,
        listeners: &listeners,
    };
    let of_pools = access::of_pools(config, sources, diagnostics);
    let sheds = overload::sheds(&config.overload);
    let mut used = vec![false; pools.len()];
    let mut spaces = cache::Spaces::default();
    let mut compiled = Vec::with_capacity(config.routes.len());
    for (index, written) in config.routes.iter().enumerate() {
        let asked = written.forward_auth.as_ref().map(|auth| &auth.value.pool);
        for pool in written.pool.iter().chain(asked) {
            if let Some(index) = pools.get_index_of(&pool.value) {
                used[index] = true;
            }
        }
        let mut one = One {
            written,
            reporter: Reporter::new("routes", &written.name, diagnostics),
        };
        let matcher = one.matcher();
        let end = one.end(&known);
        let retries = one.retries(end.as_ref());
        let listeners = one.listeners(&known);
        let priority = one.priority(end.as_ref(), sheds);
        let head = one.head(&listeners, config);
        let request_id = written.request_id.as_ref().and_then(|id| {
            RequestId::compile(id, |message| {
                one.error("request_id.header", id.header.position.clone(), message)
            })
        });
        let security_headers = one.security_headers();
        let (access, cheap) =
            access::of_route(written, &known, &of_pools, sources, &mut one.reporter);
        let cache = cache::of_route(written, config, &mut one.reporter);
        let cached = cache.is_some();
        if let Some(rule) = &cache {
            spaces.add(written, rule, &mut one.reporter);
        }
        let rewrite = written.rewrite.as_ref().and_then(|rewrite| {
            Rewrite::compile(&rewrite.value, |message| {
                one.error("rewrite", rewrite.position.clone(), message)
            })
        });
        let request_headers =
            HeaderEdits::compile(&written.request_headers, |position, message| {
                one.error("request_headers", position, message);
            });
        let response_headers =
            HeaderEdits::compile(&written.response_headers, |position, message| {
                one.error("response_headers", position, message);
            });
        let compress = compress::compile(written, end.as_ref(), config, sources, &mut one.reporter);
        one.unused_policies();
        if let (false, Some(end)) = (one.reporter.failed(), end) {
            let secret_parameter = access.iter().find_map(|policy| policy.secret_parameter());
            let route = Route {
                name: Arc::from(written.name.value.as_str()),
                https_redirect: written.https_redirect,
                max_body: written
                    .max_body
                    .map(|size| Some(size.as_u64()).filter(|size| *size > 0)),
                head,
                request_id,
                security_headers,
                access,
                cheap,
                secret_parameter,
                priority,
                cache: cache.map(Arc::new),
                rewrite,
                request_headers,
                response_headers,
                compress,
                retries,
                end,
                cached: cached.then(|| sources.state.metrics.cached_route(&written.name.value)),
                metrics: sources.state.metrics.route(&written.name.value),
            };
            compiled.push(CompiledRoute {
                route: Arc::new(route),
                matcher,
                listeners,
                index,
            });
        }
    }
    for (pool, used) in config.pools.iter().zip(used) {
        if !used && !unread.has_routes() {
            diagnostics.push(
                Diagnostic::warning(
                    format!("pools[{}]", pool.name.value),
                    "no route uses this pool",
                )
                .at(pool.name.position.clone()),
            );
        }
    }
    compiled
}

/// The names a route may use, and what they stand for.
pub(super) struct Known<'a> {
    pub(super) config: &'a Config,
    pools: &'a Pools,
    unread: &'a Unread,
    listeners: &'a [&'a str],
}

impl<'a> Known<'a> {
    /// The pool that `key` of a route names. If there is none, that is reported.
    pub(super) fn pool(
        &self,
        key: &str,
        pool: &Spanned<String>,
        reporter: &mut Reporter<'_>,
    ) -> Option<&'a Arc<Pool>> {
        let found = self.pools.get(&pool.value);
        if found.is_none() && self.unread.has_pool(&pool.value) {
            // Its own errors are reported where it stands.
            reporter.told_elsewhere();
        } else if found.is_none() {
            let name = pool.value.escape_debug();
            let meant = suggestion(&pool.value, self.pools.keys().map(String::as_str));
            let some: Vec<&str> = self.pools.keys().take(10).map(String::as_str).collect();
            let hint = (!some.is_empty()).then(|| format!("pools: {}", some.join(", ")));
            let message = format!("the pool `{name}` does not exist{meant}");
            reporter.error(key, pool, message, hint.as_deref());
        }
        found
    }
}

/// The compilation of one route.
struct One<'a> {
    written: &'a Written,
    reporter: Reporter<'a>,
}

impl One<'_> {
    fn error(&mut self, key: &str, position: Option<Position>, message: impl Into<String>) {
        self.reporter.error_at(key, position, message, None);
    }

    /// `sheds` says whether the process sheds requests, which goes by their priority.
    fn priority(&mut self, end: Option<&End>, sheds: bool) -> PriorityRule {
        let Some(written) = &self.written.priority else {
            return PriorityRule::default();
        };
        if let Some(End::Pool(pool, _)) = end
            && pool.limits.is_none_or(|limits| limits.queue == 0)
            && !sheds
        {
            let message = format!(
                "in the pool `{}` nobody waits, so nobody goes first",
                pool.name
            );
            let hint = "requests wait where the pool has `limits` and a queue; `overload` also goes by priority";
            self.reporter
                .warning("priority", written, message, Some(hint));
        }
        let compiled = PriorityRule::compile(&written.value, |message| {
            self.error("priority", written.position.clone(), message);
        });
        compiled.unwrap_or_default()
    }

    fn security_headers(&mut self) -> Option<SecurityHeaders> {
        let written = self.written.security_headers.as_ref()?;
        let fields = written.value.fields()?;
        Some(SecurityHeaders::compile(
            &fields,
            |key, at, message, hint| {
                let at = at.or_else(|| written.position.clone());
                let key = format!("security_headers.{key}");
                self.reporter.error_at(&key, at, message, hint);
            },
        ))
    }

    /// Its retries, where they are not its pool's.
    fn retries(&mut self, end: Option<&End>) -> Option<Retries> {
        let Some(End::Pool(pool, timeouts)) = end else {
            return None;
        };
        retries::of_route(
            &self.written.retries,
            pool,
            timeouts.total,
            &mut self.reporter,
        )
    }

    fn listeners(&mut self, known: &Known<'_>) -> Vec<String> {
        for (index, listener) in self.written.listeners.iter().enumerate() {
            let name = listener.value.as_str();
            if known.unread.has_listener(name) {
                self.reporter.told_elsewhere();
            } else if !known.listeners.contains(&name) {
                let meant = suggestion(name, known.listeners.iter().copied());
                self.error(
                    &format!("listeners[{index}]"),
                    listener.position.clone(),
                    format!(
                        "the listener `{}` does not exist{meant}",
                        name.escape_debug()
                    ),
                );
            }
        }
        self.written
            .listeners
            .iter()
            .map(|name| name.value.clone())
            .collect()
    }

    /// What only has a meaning on the way to a pool is an error elsewhere: a key that does nothing is a mistake.
    fn unused_policies(&mut self) {
        if self.written.pool.is_some() {
            return;
        }
        for (key, given) in [
            ("cache", self.written.cache.is_some()),
            ("rewrite", self.written.rewrite.is_some()),
            ("request_headers", !self.written.request_headers.is_empty()),
            ("timeouts", !self.written.timeouts.is_empty()),
            ("retries", !self.written.retries.is_empty()),
            ("max_body", self.written.max_body.is_some()),
            ("priority", self.written.priority.is_some()),
        ] {
            if given {
                self.error(
                    key,
                    None,
                    format!("`{key}` has no effect on a route without a pool"),
                );
            }
        }
    }
}

/// The table of the routes that are for this listener. Listeners with the same routes share it.
pub(super) fn table(
    compiled: &[CompiledRoute],
    listener: &str,
    shared: &mut HashMap<Vec<usize>, WithRoutes>,
) -> WithRoutes {
    let own: Vec<&CompiledRoute> = compiled
        .iter()
        .filter(|route| {
            route.listeners.is_empty() || route.listeners.iter().any(|name| name == listener)
        })
        .collect();
    let indexes: Vec<usize> = own.iter().map(|route| route.index).collect();
    if let Some(table) = shared.get(&indexes) {
        return table.clone();
    }
    let matchers: Vec<Matcher> = own.iter().map(|route| route.matcher.clone()).collect();
    let secrets = own
        .iter()
        .filter_map(|route| route.route.secret_parameter.as_ref());
    let secrets: BTreeSet<Arc<str>> = secrets.map(|secret| Arc::clone(&secret.name)).collect();
    let routes = Routes {
        caches: own.iter().any(|route| route.route.cache.is_some()),
        table: RouteTable::build(&matchers),
        routes: own.iter().map(|route| Arc::clone(&route.route)).collect(),
        secret_parameters: secrets.into_iter().collect(),
    };
    let table = WithRoutes {
        routes: Arc::new(routes),
        indexes: indexes.clone().into(),
    };
    shared.insert(indexes, table.clone());
    table
}
