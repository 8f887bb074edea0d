//! Portcullis, an edge proxy and load balancer on Pingora. This page is the map.
//!
//! # Modules, in the order a request meets them
//!
//! | Module | The question it answers | May use |
//! |---|---|---|
//! | [`server`] | how does the process start, accept and stop? | everything |
//! | [`proxy`] | what happens to one request? | everything but the process; of [`server`] its connection and door; Pingora |
//! | [`admission`] | who may come in, by addresses, numbers and secrets? | `config`, `route`, `pool` (`Priority`, `Address`), `telemetry`; [`admission::shared`] also Redis |
//! | [`route`] | which route does it match? | nothing of ours |
//! | [`policy`] | what is done to it on its route? | `admission`, `config`, `route`, `pool` (`Priority`, and the pool that is asked), `proxy::forward`, `telemetry`, `error` |
//! | [`cache`] | has it been answered before, and may that answer be used? | `admission::NetworkSet`, `config`, `proxy::forward`, `route`, `telemetry` |
//! | [`pool`] | which endpoint serves it, and what did we learn? | `config`, `route`, `state`, `upstream`, `telemetry`, `error` |
//! | [`upstream`] | how is that endpoint reached? | `pool`, `policy::access::jwt` (whose keys it fetches), `server::connection::socket`, `telemetry`, `error`; Pingora |
//! | [`telemetry`] | what is told about it? | `error`, `config` (the fields of a line), `route` (how a query is read); for names of labels `pool::Priority`, `admission::overload::Resource`, `admission::connections::Full`, `cache::CacheResult`, `cache::report` |
//! | [`error`] | in which ways can it fail? | nothing |
//!
//! Beside the line stand [`config`] (what the operator wrote: plain values), [`snapshot`] (one immutable generation, compiled
//! from it), [`state`] (memory that outlives a generation; it knows the types that it keeps, and no generation), [`tls`] (certificates and rustls configurations), [`admin`] (the
//! own listener for metrics, probes and orders), [`cli`] and [`demo`]. The [`manual`] tells how it fits together and why.
//!
//! `admission`, `config`, `route`, `policy` and the parts of `pool` that decide name no session and no server of Pingora: they are pure,
//! and tested in microseconds. In `admission` three parts are not: [`admission::shared`] asks a Redis, [`admission::memory`] reads what
//! the kernel says in `/proc`, and [`admission::passwords`] has threads of its own, on which passwords are tried; so has
//! [`cache::disk`], for its files.
//!
//! # Words
//!
//! One word for each thing, in code, configuration, logs, metrics and docs.
//!
//! | Word | Meaning |
//! |---|---|
//! | listener | an address that accepts connections, with its TLS, protocol and limit settings |
//! | route | which requests get which policies and which pool |
//! | policy | one thing done to a request or response on a route |
//! | access | the policies that decide whether a request may go on |
//! | pool | a named set of endpoints with a balancer, limits and timeouts |
//! | endpoint | one address in a pool |
//! | balancer | the algorithm that chooses an endpoint |
//! | lease | the right to use one endpoint for one attempt, given back by drop |
//! | door | an address that is open, with its sockets, over all generations |
//! | slot | room for one request at an endpoint or in a pool whose limit counts them; a lease holds it |
//! | queue | where requests wait for a slot, by priority and then in the order they came |
//! | attempt, retry | one try of a request at one endpoint; each further one after a setback |
//! | hedge | a second attempt beside the first, because that takes long |
//! | budget | the share of a pool's requests that may be attempted again |
//! | trial | a request that is let through to see whether a breaker may close |
//! | ejection | an endpoint is left out for a while because its answers show that it is ill |
//! | mark | what a sticky cookie says instead of an endpoint's address |
//! | bucket, debt | what the requests of one key of a rate limit share; what they have used of it and time has not paid off |
//! | cell | where a table remembers the debt of one key |
//! | permit | the proof of having been let in: of a connection, which counts until it is dropped, or of a request past a breaker |
//! | shed | to refuse a request because the whole process has too much to do, by its priority |
//! | pace | how fast a client sends or takes while it is waited for, kept as time that it earns |
//! | flood | so much of what nothing asked for on an HTTP/2 connection that it is ended |
//! | claim | what a verified token says of whoever brings it; in `tls`, the right of a certificate to a name |
//! | object | one stored response |
//! | space | the name under which routes keep objects; the route's own, unless they share one |
//! | variant | one object among those that `Vary` tells apart |
//! | flight, follower | one fetch of one object, which no client's leaving ends; a request that has its answer from another's flight |
//! | fresh, stale, validate | as in RFC 9111: may be used, may be used on terms, must be asked about first |
//! | tier | where objects are kept: memory or disk |
//! | purge | to end the use of objects by address, prefix or tag: hard, or soft, which makes them stale |
//! | outcome | what an attempt taught about the endpoint: success, failure or neutral; or that a hedge outran it |
//! | check, verdict | an endpoint is asked whether it is well; what its checks have made of it |
//! | snapshot, generation | everything a request may read: immutable, numbered, swapped whole |
//! | state | memory that outlives a reload |
//! | carrier | what moves the bytes of a request: the direct exchange or pingora-proxy's duplex |
//! | reload | another configuration takes over in the same process |
//! | upgrade | another process, the successor, takes over the doors |
//! | drain | the operator wants no new requests here, or at one endpoint; everything else goes on |
//! | reason | why a request ended as it did: one closed set for log, metric and `Proxy-Status` |

pub mod admin;
pub mod admission;
pub mod cache;
pub mod cli;
pub mod config;
pub mod demo;
pub mod error;
pub mod manual;
pub mod policy;
pub mod pool;
pub mod proxy;
pub mod route;
pub mod server;
pub mod snapshot;
pub mod state;
pub mod telemetry;
pub mod tls;
pub mod upstream;
