//! How does a test start Portcullis and talk to it?
