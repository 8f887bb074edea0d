//! Does every query of a dashboard, rule or alert ask for what there is, and get an answer?

mod answered;
mod expressions;
mod load;
mod shown;
mod whole;
