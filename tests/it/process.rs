//! Does the process start, obey signals and show itself?
