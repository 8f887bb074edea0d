//! Is the binary replaced without a client noticing, and does a mistake leave everything as it was?

mod load;
