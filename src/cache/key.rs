//! Which requests mean the same object?
