//! Who is asked for the addresses of host names?

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Spanned, Timespan};

/// Look-ups of the host names among the endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resolver {
    /// `system`: what /etc/hosts says, else the name servers, search domains and ndots of /etc/resolv.conf; both are
    /// read anew when they change, and without a resolv.conf the name server at 127.0.0.1 is asked. Or name servers, as
    /// `[10.0.0.2, "10.0.0.3:5353"]`, which are asked instead of both files and without search domains. One after the
    /// other is asked, first the one that answered last. Default: system.
    pub addresses: Spanned<NameServers>,
    /// How long one try at one name server may take, up to 10s. A whole look-up ends after 10s. Default: 2s.
    pub timeout: Spanned<Timespan>,
    /// How often each name server is tried before a look-up has failed: 1 to 10. Default: 2.
    pub attempts: Spanned<u8>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            addresses: Spanned::default(),
            timeout: Spanned::new(Timespan::secs(2)),
            attempts: Spanned::new(2),
        }
    }
}

/// `system`, or name servers.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum NameServers {
    /// `system`, or the address of one.
    One(String),
    /// Their addresses; the one that answered last is asked first.
    Many(Vec<Spanned<String>>),
}

/// The word for what the machine's files say.
pub const SYSTEM: &str = "system";

impl Default for NameServers {
    fn default() -> Self {
        Self::One(SYSTEM.to_owned())
    }
}

impl<'de> Deserialize<'de> for NameServers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived as untagged: the places of the addresses would be lost.
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = NameServers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`system` or a list of addresses such as `10.0.0.2`")
            }

            fn visit_str<E: de::Error>(self, one: &str) -> Result<NameServers, E> {
                Ok(NameServers::One(one.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<NameServers, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(many)).map(NameServers::Many)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::diff::diff;
    use crate::config::tests::read;

    #[test]
    fn one_name_server_is_a_list_of_one() {
        let one = read("resolver: { addresses: 10.0.0.2 }");
        let list = read("resolver: { addresses: [10.0.0.2] }");
        assert!(diff(&one, &list).is_empty());
        let two = read("resolver: { addresses: [10.0.0.2, '10.0.0.3:5353'] }");
        let told = diff(&Config::default(), &two).changes[0].to_string();
        assert!(told.contains("addresses system -> ["), "{told}");
    }
}
