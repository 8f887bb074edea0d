//! Which algorithms may sign a token?

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, EdDSAParameters, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};

/// An algorithm of RFC 7518 §3.1 or RFC 8037 §3.1. `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA, PKCS #1 v1.5, with SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, with SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, with SHA-512.
    Rs512,
    /// RSA, PSS, with SHA-256.
    Ps256,
    /// RSA, PSS, with SHA-384.
    Ps384,
    /// RSA, PSS, with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
}

/// What an algorithm takes to verify a signature.
pub(super) enum Kind {
    /// A secret that both sides know.
    Secret(hmac::Algorithm),
    /// An RSA key.
    Rsa(&'static RsaParameters),
    /// A point on this curve.
    Ec(&'static EcdsaVerificationAlgorithm),
    /// A point on Curve25519.
    Ed(&'static EdDSAParameters),
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The one of this name, which is case-sensitive (RFC 7515 §4.1.1).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// Its name in a token's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether both sides need the same secret.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// How long a secret for it is at least, in bytes: as long as its hash (RFC 7518 §3.2). 0 for those that need none.
    pub const fn shortest_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 0,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Hs256 => Kind::Secret(hmac::HMAC_SHA256),
            Self::Hs384 => Kind::Secret(hmac::HMAC_SHA384),
            Self::Hs512 => Kind::Secret(hmac::HMAC_SHA512),
            Self::Rs256 => Kind::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Kind::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Kind::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Kind::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Kind::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Kind::Rsa(&RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Kind::Ec(&ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Kind::Ec(&ECDSA_P384_SHA384_FIXED),
            Self::Es512 => Kind::Ec(&ECDSA_P521_SHA512_FIXED),
            Self::EdDsa => Kind::Ed(&ED25519),
        }
    }
}
