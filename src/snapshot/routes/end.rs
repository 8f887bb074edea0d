//! Where does a route say that it ends?

use std::sync::Arc;
use std::time::Duration;

use super::{Known, One};
use crate::config::{Spanned, Timespan};
use crate::policy::{Redirect, Respond};
use crate::pool::Timeouts;
use crate::snapshot::End;
use crate::snapshot::pools::unlimited_if_zero;

impl One<'_> {
    pub(super) fn end(&mut self, known: &Known<'_>) -> Option<End> {
        let written = self.written;
        match (&written.pool, &written.redirect, &written.respond) {
            (Some(pool), None, None) => self.pool(pool, known),
            (None, Some(redirect), None) => {
                let compiled = Redirect::compile(&redirect.value, |message| {
                    self.error("redirect", redirect.position.clone(), message);
                });
                compiled.map(End::Redirect)
            }
            (None, None, Some(respond)) => {
                let compiled = Respond::compile(&respond.value, |message| {
                    self.error("respond", respond.position.clone(), message);
                });
                compiled.map(End::Respond)
            }
            (None, None, None) => {
                self.reporter.error_at(
                    "pool",
                    None,
                    "the route ends nowhere",
                    Some("give one of `pool`, `redirect` and `respond`"),
                );
                None
            }
            _ => {
                self.error(
                    "pool",
                    None,
                    "`pool`, `redirect` and `respond` exclude each other; give one of them",
                );
                None
            }
        }
    }

    fn pool(&mut self, pool: &Spanned<String>, known: &Known<'_>) -> Option<End> {
        let found = known.pool("pool", pool, &mut self.reporter)?;
        let own = &self.written.timeouts;
        for (key, time) in [
            ("timeouts.first_byte", &own.first_byte),
            ("timeouts.read", &own.read),
        ] {
            if let Some(time) = time
                && time.is_zero()
            {
                self.error(
                    key,
                    time.position.clone(),
                    "a time of 0 would end every request",
                );
            }
        }
        let or = |own: &Option<Spanned<Timespan>>, pools: Duration| {
            own.as_ref().map_or(pools, |time| time.as_duration())
        };
        let timeouts = Timeouts {
            first_byte: or(&own.first_byte, found.timeouts.first_byte),
            read: or(&own.read, found.timeouts.read),
            total: match &own.total {
                Some(total) => unlimited_if_zero(total),
                None => found.timeouts.total,
            },
            ..found.timeouts
        };
        Some(End::Pool(Arc::clone(found), timeouts))
    }
}
