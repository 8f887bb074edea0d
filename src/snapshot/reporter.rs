//! How is what is wrong with one part of the configuration told?

use crate::config::{Diagnostic, Diagnostics, Position, Spanned};

/// Reports what is wrong with one part, such as a pool, and knows whether anything was.
pub(super) struct Reporter<'a> {
    /// What keys begin with, as `pools[app]`.
    part: String,
    /// Where what has no place of its own is said to be.
    whole: Option<Position>,
    diagnostics: &'a mut Diagnostics,
    failed: bool,
}

impl<'a> Reporter<'a> {
    /// For the part of this name in `list`, such as `pools`.
    pub(super) fn new(
        list: &str,
        name: &Spanned<String>,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self {
            part: format!("{list}[{}]", name.value),
            whole: name.position.clone(),
            diagnostics,
            failed: false,
        }
    }

    /// Whether there was an error.
    pub(super) const fn failed(&self) -> bool {
        self.failed
    }

    /// Takes note of an error that is told elsewhere.
    pub(super) const fn told_elsewhere(&mut self) {
        self.failed = true;
    }

    pub(super) fn error<T>(
        &mut self,
        key: &str,
        at: &Spanned<T>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.error_at(key, at.position.clone(), message, hint);
    }

    /// As [`error`](Self::error), for what is known by its place only.
    pub(super) fn error_at(
        &mut self,
        key: &str,
        at: Option<Position>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.failed = true;
        let key = format!("{}.{key}", self.part);
        self.push(Diagnostic::error(key, message), at, hint);
    }

    pub(super) fn warning<T>(
        &mut self,
        key: &str,
        at: &Spanned<T>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        self.warning_at(key, at.position.clone(), message, hint);
    }

    /// As [`warning`](Self::warning), for what is known by its place only.
    pub(super) fn warning_at(
        &mut self,
        key: &str,
        at: Option<Position>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        let key = format!("{}.{key}", self.part);
        self.push(Diagnostic::warning(key, message), at, hint);
    }

    fn push(&mut self, diagnostic: Diagnostic, at: Option<Position>, hint: Option<&str>) {
        let at = at.or_else(|| self.whole.clone());
        self.diagnostics
            .push(diagnostic.at(at).hint(hint.map(str::to_owned)));
    }
}
