//! What lets a client that was here before skip most of the handshake, even after a reload?

use super::{ClientAuth, TlsError};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

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
/// Ticket keys are random, never leave the memory, change every six hours, and are gone after twelve.
#[derive(Debug, Default)]
pub struct SessionState {
    scopes: Mutex<VecDeque<(ClientAuth, Sessions)>>,
}

/// What the listeners that authenticate clients in one way share.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    pub(super) ticketer: Arc<dyn ProducesTickets>,
    pub(super) cache: Arc<dyn StoresServerSessions>,
}

impl SessionState {
    /// Nobody has been here yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sessions of clients that were authenticated in exactly this way.
    pub(super) fn of(&self, client_auth: &ClientAuth) -> Result<Sessions, TlsError> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sessions)) = scopes.iter().find(|(auth, _)| auth == client_auth) {
            return Ok(sessions.clone());
        }
        let sessions = Sessions {
            ticketer: Ticketer::new()?,
            cache: ServerSessionMemoryCache::new(CACHED_SESSIONS),
        };
        if scopes.len() == MAX_SCOPES {
            scopes.pop_front();
        }
        scopes.push_back((client_auth.clone(), sessions.clone()));
        Ok(sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Authorities, Pem, self_signed};

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
        assert_eq!(state.scopes.lock().expect("not poisoned").len(), MAX_SCOPES);
    }
}
