//! How is it used? A page for each task.
//!
//! A test runs every block of commands and of configuration in them. Those that it does not run, at most six with those
//! of the README and of the manual's other pages, say in the source of their page why.
//!
//! A page shows only the sections that it is about. What it leaves out, such as listeners or the pool that a route names,
//! is as in the README's first configuration, but for the ports: commands go to a listener at `:8080`, or at `:8443` with
//! TLS.
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
    use crate::config::diff::FIXED;
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
    fn deploys_names_every_setting_that_takes_a_new_process_and_no_other() {
        let page = include_str!("deploys.md");
        let (_, list) = page
            .split_once("Few settings take a new process (")
            .expect("the sentence");
        let (list, _) = list.split_once(')').expect("its list");
        let named: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
        // A section stands for all that is in it.
        let means = |name: &str, key: &str| {
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        for key in FIXED {
            assert!(named.iter().any(|name| means(name, key)), "{key}");
        }
        for name in named {
            assert!(FIXED.iter().any(|key| means(name, key)), "{name}");
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
