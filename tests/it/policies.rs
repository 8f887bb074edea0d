//! Does each policy do its one thing?
