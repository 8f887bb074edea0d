//! How slow may a client be, and what do those get and cost that are slower?

mod attackers;
mod attacks;
mod deadlines;
mod rates;
mod slowhttptest;
