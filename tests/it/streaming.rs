//! Do bytes flow as they come?
