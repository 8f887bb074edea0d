//! Which pages of other origins may use a route?

use std::sync::Arc;

use crate::config::Route as Written;
use crate::policy::access::{Access, Cors};
use crate::snapshot::reporter::Reporter;

/// The policy that tells browsers, if there is one.
pub(super) fn compile(written: &Written, reporter: &mut Reporter<'_>) -> Option<Arc<dyn Access>> {
    let cors = written.cors.as_ref()?;
    let methods = &written.r#match.methods;
    if !methods.is_empty() && methods.iter().all(|method| method.value != "OPTIONS") {
        let message = "the route takes no OPTIONS, so preflights don't come here";
        let hint = "add OPTIONS to `match.methods`";
        reporter.warning("cors", cors, message, Some(hint));
    }
    let compiled = Cors::compile(&cors.value, &mut |key, at, message, hint| {
        let at = at.or_else(|| cors.position.clone());
        reporter.error_at(&format!("cors.{key}"), at, message, hint);
    });
    Some(Arc::new(compiled))
}
