//! What lets a client that was here before skip most of the handshake, even after a reload or an upgrade?

use super::tickets::Tickets;
use super::{ClientAuth, TicketKeys, TlsError};
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// How many sessions of TLS 1.2 clients that don't take tickets are kept, for each way to authenticate clients.
const CACHED_SESSIONS: usize = 512;

/// How many ways to authenticate clients are remembered. More only cost those clients a full handshake.
const MAX_SCOPES: usize = 64;

/// The ticket keys and session caches, kept over reloads.
///
/// Sessions are shared between all listeners that authenticate clients in the same way, and never between others. A
/// ticket says "this client has been checked"; taken from a listener that asks for no certificate to one that requires
/// it, or from one client CA to another, it would be a way around the check. So a change of a listener's client CA ends
/// the sessions that were based on the old one. That a session belongs to the name it was made for, rustls sees to.
///
/// Ticket keys are random, change every six hours, and open nothing after twelve. They are never written down, and leave
/// the process only in an upgrade: the keys for clients that are not asked for a certificate go to the successor, over a
/// socket that only its own user can open. The sessions in the caches, and the keys for all other clients, end with the
/// process.
#[derive(Debug, Default)]
pub struct SessionState {
    scopes: Mutex<Scopes>,
}

#[derive(Debug, Default)]
struct Scopes {
    /// The oldest first.
    known: VecDeque<(ClientAuth, Sessions)>,
    /// What [`ClientAuth::None`] is to start with.
    inherited: Option<TicketKeys>,
}

/// What the listeners that authenticate clients in one way share.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    pub(super) ticketer: Arc<Tickets>,
    pub(super) cache: Arc<dyn StoresServerSessions>,
}

impl SessionState {
    /// Nobody has been here yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Clients that are not asked for a certificate have been with another process, which exported these keys.
    pub fn with_tickets(keys: TicketKeys) -> Self {
        let scopes = Scopes {
            known: VecDeque::new(),
            inherited: Some(keys),
        };
        Self {
            scopes: Mutex::new(scopes),
        }
    }

    /// The ticket keys for clients that are not asked for a certificate; `None` if no listener asked for them.
    pub fn export(&self) -> Option<TicketKeys> {
        let scopes = self.scopes();
        let sessions = scopes.find(&ClientAuth::None)?;
        Some(sessions.ticketer.export())
    }

    /// The sessions of clients that were authenticated in exactly this way.
    pub(super) fn of(&self, client_auth: &ClientAuth) -> Result<Sessions, TlsError> {
        let mut scopes = self.scopes();
        if let Some(sessions) = scopes.find(client_auth) {
            return Ok(sessions.clone());
        }
        let inherited = match client_auth {
            ClientAuth::None => scopes.inherited.take(),
            ClientAuth::Optional(_) | ClientAuth::Required(_) => None,
        };
        let tickets = match inherited {
            Some(keys) => Tickets::with_keys(keys, SystemTime::now())?,
            None => Tickets::new()?,
        };
        let sessions = Sessions {
            ticketer: Arc::new(tickets),
            cache: ServerSessionMemoryCache::new(CACHED_SESSIONS),
        };
        if scopes.known.len() == MAX_SCOPES {
            scopes.known.pop_front();
        }
        scopes
            .known
            .push_back((client_auth.clone(), sessions.clone()));
        Ok(sessions)
    }

    fn scopes(&self) -> MutexGuard<'_, Scopes> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scopes {
    fn find(&self, client_auth: &ClientAuth) -> Option<&Sessions> {
        let mut known = self.known.iter();
        known
            .find(|(auth, _)| auth == client_auth)
            .map(|(_, sessions)| sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Authorities, Pem, self_signed};
    use rustls::server::ProducesTickets;

    fn authorities() -> Authorities {
        let made = self_signed(["ca.example"]).expect("a certificate");
        Authorities::from_pem(&Pem::inline("ca.pem", made.certificate)).expect("an authority")
    }

    fn shared(state: &SessionState, one: &ClientAuth, other: &ClientAuth) -> bool {
        let of = |auth| state.of(auth).expect("sessions").ticketer;
        Arc::ptr_eq(&of(one), &of(other))
    }

    #[test]
    fn sessions_are_shared_only_where_clients_are_authenticated_the_same_way() {
        let state = SessionState::new();
        let one = authorities();
        let required = ClientAuth::Required(one.clone());
        assert!(shared(&state, &ClientAuth::None, &ClientAuth::None));
        assert!(shared(
            &state,
            &required,
            &ClientAuth::Required(one.clone())
        ));
        assert!(!shared(&state, &ClientAuth::None, &required));
        assert!(!shared(&state, &ClientAuth::Optional(one), &required));
        assert!(!shared(
            &state,
            &ClientAuth::Required(authorities()),
            &required
        ));
    }

    #[test]
    fn the_number_of_scopes_is_bounded() {
        let state = SessionState::new();
        for _ in 0..MAX_SCOPES + 2 {
            state
                .of(&ClientAuth::Required(authorities()))
                .expect("sessions");
        }
        assert_eq!(state.scopes().known.len(), MAX_SCOPES);
    }

    #[test]
    fn only_clients_that_are_not_asked_for_a_certificate_take_their_sessions_to_a_successor() {
        let old = SessionState::new();
        let required = ClientAuth::Required(authorities());
        let ticket = |state: &SessionState, auth| {
            let sessions = state.of(auth).expect("sessions");
            sessions.ticketer.encrypt(b"session").expect("a ticket")
        };
        let of_required = ticket(&old, &required);
        assert!(old.export().is_none(), "nobody has asked for these keys");
        let of_none = ticket(&old, &ClientAuth::None);
        let new = SessionState::with_tickets(old.export().expect("keys"));
        let opens = |auth, ticket| {
            let sessions = new.of(auth).expect("sessions");
            sessions.ticketer.decrypt(ticket).is_some()
        };
        assert!(!opens(&required, &of_none));
        assert!(!opens(&required, &of_required));
        assert!(opens(&ClientAuth::None, &of_none));
        assert!(!opens(&ClientAuth::None, &of_required));
    }
}
