//! How are the fields of Pingora's message headers edited?

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

use super::forward::Fields;

macro_rules! fields {
    ($header:ty) => {
        impl Fields for $header {
            fn map(&self) -> &HeaderMap {
                &self.headers
            }

            fn remove(&mut self, name: &HeaderName) {
                self.remove_header(name);
            }

            // Pingora's methods fail only on names and values that are not valid; these are already typed.

            fn set(&mut self, name: HeaderName, value: HeaderValue) {
                let _ = self.insert_header(name, value);
            }

            fn append(&mut self, name: HeaderName, value: HeaderValue) {
                let _ = self.append_header(name, value);
            }
        }
    };
}

fields!(RequestHeader);
fields!(ResponseHeader);
