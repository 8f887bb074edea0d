//! Do the dashboards, rules and alerts in `deploy/` speak of what there is, and do they say what is to be done?

mod dashboards;
mod expressions;
mod load;
mod metrics;
mod prometheus;
mod rules;
mod scraped;
mod shipped;
mod whole;
