//! How is it used? A page for each task; every command and every configuration in them is run by a test.
//!
//! | You want to | |
//! |---|---|
//! | come from nginx: its directive, our key | [`coming_from_nginx`] |
//! | come from HAProxy: its line, our key | [`coming_from_haproxy`] |
//! | send requests where they belong | [`routing`] |
//! | keep slow, ill and new endpoints from hurting anybody | [`balancing_and_health`] |
//! | decide who may come in | [`access`] |
//! | know the commands, signals and exit codes | [`commands`] |
//! | protect endpoints and the process from too much | [`limits`] |
//! | answer from a cache | [`caching`] |
//! | serve HTTPS, and change certificates | [`tls`] |
//! | change configuration, binary, machine or application without a failed request | [`deploys`] |
//! | see what it does | [`observability`] |
//! | set up the machine under it | [`tuning`] |
//! | know why a request was refused, and what to change | [`troubleshooting`] |

#[doc = include_str!("coming_from_nginx.md")]
pub mod coming_from_nginx {}

#[doc = include_str!("coming_from_haproxy.md")]
pub mod coming_from_haproxy {}

#[doc = include_str!("routing.md")]
pub mod routing {}

#[doc = include_str!("balancing_and_health.md")]
pub mod balancing_and_health {}

#[doc = include_str!("access.md")]
pub mod access {}

#[doc = include_str!("commands.md")]
pub mod commands {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("caching.md")]
pub mod caching {}

#[doc = include_str!("tls.md")]
pub mod tls {}

#[doc = include_str!("deploys.md")]
pub mod deploys {}

#[doc = include_str!("observability.md")]
pub mod observability {}

#[doc = include_str!("tuning.md")]
pub mod tuning {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::config::AccessLogField;
    use crate::error::{EndedBy, Reason};

    #[test]
    fn troubleshooting_has_a_paragraph_for_every_reason_that_begins_with_its_status() {
        let page = include_str!("troubleshooting.md");
        let words: BTreeSet<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'))
            .collect();
        let reasons: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words, reasons);
        for reason in Reason::ALL {
            let begin = format!("\n## `{reason}`\n{}", reason.status());
            assert!(page.contains(&begin), "{reason}");
        }
    }

    #[test]
    fn observability_names_every_field_of_the_access_log() {
        let page = include_str!("observability.md");
        let table = page
            .split("\n# ")
            .find(|part| part.starts_with("The access log"));
        let table = table.unwrap_or_default();
        for field in AccessLogField::ALL {
            assert!(
                table.contains(&format!("`{}`", field.as_str())),
                "{field:?}"
            );
        }
        for who in [
            EndedBy::Client,
            EndedBy::Operator,
            EndedBy::Endpoint,
            EndedBy::Portcullis,
        ] {
            assert!(table.contains(&format!("`{}`", who.as_str())), "{who:?}");
        }
    }

    #[test]
    fn tuning_shows_every_setting_that_is_shipped() {
        let page = include_str!("tuning.md");
        let shipped = include_str!("../../../deploy/sysctl/90-portcullis.conf");
        let is_setting = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let settings: Vec<&str> = shipped.lines().filter(is_setting).collect();
        assert!(page.contains(&format!("```text\n{}\n```", settings.join("\n"))));
        for setting in settings {
            let name = setting.split(' ').next().unwrap_or_default();
            assert!(page.contains(&format!("**`{name}`**")), "why {name}?");
        }
    }
}
