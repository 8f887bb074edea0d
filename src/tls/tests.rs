//! Do the two sides agree? Whole handshakes in memory, and the certificates the other tests are made with.

use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SignatureAlgorithm,
};
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, Error, HandshakeKind, ProtocolVersion, ServerConfig,
    ServerConnection,
};

/// A certificate authority.
pub(super) struct Issuer(CertifiedIssuer<'static, KeyPair>);

/// An issued certificate.
pub(super) struct Leaf {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Issuer {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(authority(name), key).expect("a root"))
    }

    pub(super) fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::signed_by(authority(name), key, &self.0).expect("an intermediate"))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(super) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_with_key(names, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(super) fn leaf_with_key(&self, names: &[&str], kind: &'static SignatureAlgorithm) -> Leaf {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate_for(kind).expect("a key");
        let params = CertificateParams::new(names).expect("valid names");
        let certificate = params.signed_by(&key, &self.0).expect("a leaf");
        Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn authorities(&self) -> Authorities {
        Authorities::from_pem(&Pem::inline("ca.pem", self.pem())).expect("an authority")
    }
}

impl Leaf {
    pub(super) fn load(&self) -> Arc<LoadedCertificate> {
        let certificate = Pem::inline("cert.pem", self.certificate.as_str());
        let key = Pem::inline("key.pem", self.key.as_str());
        Arc::new(LoadedCertificate::from_pem(&certificate, &key).expect("it loads"))
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn accept(issuer: &Issuer, settings: &AcceptSettings) -> Arc<ServerConfig> {
    accept_with(issuer, settings, UnknownSni::Default, &SessionState::new())
}

fn accept_with(
    issuer: &Issuer,
    settings: &AcceptSettings,
    unknown_sni: UnknownSni,
    sessions: &SessionState,
) -> Arc<ServerConfig> {
    let entry = |names: &[&str]| Entry {
        certificate: issuer.leaf(names).load(),
        names: None,
        default: false,
    };
    let entries = vec![entry(&["a.example"]), entry(&["*.b.example"])];
    let set = Arc::new(CertificateSet::build(entries, unknown_sni));
    server_config(set, settings, sessions).expect("a configuration")
}

fn connect(verification: Verification) -> Arc<ClientConfig> {
    connect_with(ConnectSettings {
        verification,
        ..ConnectSettings::default()
    })
}

fn connect_with(settings: ConnectSettings) -> Arc<ClientConfig> {
    let roots = Roots::with_loader(|| (Vec::new(), Vec::new()));
    client_config(&settings, &roots).expect("a configuration")
}

fn trusting(issuer: &Issuer) -> Arc<ClientConfig> {
    connect(Verification::Authorities(issuer.authorities()))
}

/// Moves bytes until nobody has anything to say; the first error ends it.
fn shake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).expect("a valid name");
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory takes all");
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("memory gives all");
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory takes all");
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("memory gives all");
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

#[test]
fn installing_the_provider_twice_is_fine() {
    install_provider();
    install_provider();
}

#[test]
fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let issuer = Issuer::new("root");
    let (server, client) = (
        accept(&issuer, &AcceptSettings::default()),
        trusting(&issuer),
    );
    for name in ["a.example", "x.b.example"] {
        shake(&client, &server, name).expect(name);
    }
    for name in ["b.example", "x.y.b.example", "other.example"] {
        let error = shake(&client, &server, name).expect_err("the default is for another name");
        assert!(
            matches!(error, Error::InvalidCertificate(_)),
            "{name}: {error}"
        );
    }
}

#[test]
fn an_unknown_name_can_be_refused() {
    let issuer = Issuer::new("root");
    let settings = AcceptSettings::default();
    let server = accept_with(&issuer, &settings, UnknownSni::Reject, &SessionState::new());
    let client = connect(Verification::Off);
    shake(&client, &server, "a.example").expect("a known name");
    assert!(shake(&client, &server, "other.example").is_err());
    assert!(shake(&client, &server, "192.0.2.1").is_err());
}

#[test]
fn the_oldest_version_is_obeyed() {
    let issuer = Issuer::new("root");
    let tls12 = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("TLS 1.2")
        .with_root_certificates(issuer.authorities().store())
        .with_no_client_auth();
    let tls12 = Arc::new(tls12);
    for (min_version, old_client_gets_in) in [(MinVersion::Tls12, true), (MinVersion::Tls13, false)]
    {
        let settings = AcceptSettings {
            min_version,
            ..AcceptSettings::default()
        };
        let server = accept(&issuer, &settings);
        assert_eq!(
            shake(&tls12, &server, "a.example").is_ok(),
            old_client_gets_in
        );
        let (client, _) = shake(&trusting(&issuer), &server, "a.example").expect("TLS 1.3");
        assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    }
}

#[test]
fn alpn_prefers_http2_and_refuses_what_is_not_offered() {
    let issuer = Issuer::new("root");
    let offer = |alpn| {
        connect_with(ConnectSettings {
            verification: Verification::Off,
            alpn,
            ..ConnectSettings::default()
        })
    };
    let server = |h2, http1| {
        let settings = AcceptSettings {
            h2,
            http1,
            ..AcceptSettings::default()
        };
        accept(&issuer, &settings)
    };
    let chosen = |alpn, server| {
        let shaken = shake(&offer(alpn), &server, "a.example");
        shaken.map(|(client, _)| client.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(
        chosen(ConnectAlpn::Both, server(true, true)),
        Ok(Some(b"h2".to_vec()))
    );
    assert_eq!(
        chosen(ConnectAlpn::Http1, server(true, true)),
        Ok(Some(b"http/1.1".to_vec()))
    );
    assert_eq!(
        chosen(ConnectAlpn::Both, server(false, true)),
        Ok(Some(b"http/1.1".to_vec()))
    );
    assert_eq!(chosen(ConnectAlpn::Both, server(false, false)), Ok(None));
    assert!(chosen(ConnectAlpn::Http2, server(false, true)).is_err());
}

#[test]
fn an_endpoint_of_another_authority_is_refused_unless_verification_is_off() {
    let issuer = Issuer::new("root");
    let server = accept(&issuer, &AcceptSettings::default());
    let other = trusting(&Issuer::new("other root"));
    let error = shake(&other, &server, "a.example").expect_err("unknown authority");
    assert!(matches!(error, Error::InvalidCertificate(_)), "{error}");
    shake(&connect(Verification::Off), &server, "wrong.example").expect("not verified");
}

#[test]
fn without_system_authorities_only_pools_that_need_them_fail() {
    let roots = Roots::with_loader(|| (Vec::new(), Vec::new()));
    let error = client_config(&ConnectSettings::default(), &roots).expect_err("no authorities");
    assert!(matches!(error, TlsError::NoSystemRoots { .. }), "{error}");
    connect(Verification::Off);
    trusting(&Issuer::new("root"));
}

#[test]
fn a_self_signed_certificate_is_its_own_authority() {
    let made = self_signed(["a.example"]).expect("a certificate");
    let pem = Pem::inline("ca.pem", made.certificate.as_str());
    let client = connect(Verification::Authorities(
        Authorities::from_pem(&pem).expect("one"),
    ));
    let entry = Entry {
        certificate: Leaf {
            certificate: made.certificate,
            key: made.key,
        }
        .load(),
        names: None,
        default: false,
    };
    let set = Arc::new(CertificateSet::build(vec![entry], UnknownSni::Default));
    let server = server_config(set, &AcceptSettings::default(), &SessionState::new());
    shake(&client, &server.expect("a configuration"), "a.example").expect("trusted");
}

fn with_certificate(issuer: &Issuer) -> Arc<ClientConfig> {
    connect_with(ConnectSettings {
        verification: Verification::Off,
        client_certificate: Some(issuer.leaf(&["client"]).load()),
        ..ConnectSettings::default()
    })
}

#[test]
fn a_client_certificate_is_optional_or_required_but_never_of_another_authority() {
    let (issuer, clients) = (Issuer::new("root"), Issuer::new("clients"));
    let accepting = |client_auth| {
        let settings = AcceptSettings {
            client_auth,
            ..AcceptSettings::default()
        };
        accept(&issuer, &settings)
    };
    let required = accepting(ClientAuth::Required(clients.authorities()));
    let optional = accepting(ClientAuth::Optional(clients.authorities()));
    for server in [&required, &optional] {
        let (_, server) = shake(&with_certificate(&clients), server, "a.example").expect("known");
        assert!(server.peer_certificates().is_some());
    }
    let anonymous = connect(Verification::Off);
    assert_eq!(
        shake(&anonymous, &required, "a.example").err(),
        Some(Error::NoCertificatesPresented)
    );
    let (_, server) = shake(&anonymous, &optional, "a.example").expect("anonymous");
    assert!(server.peer_certificates().is_none());
    let stranger = with_certificate(&Issuer::new("strangers"));
    for server in [&required, &optional] {
        assert!(shake(&stranger, server, "a.example").is_err());
    }
}

fn kind(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Option<HandshakeKind> {
    let (client, server) = shake(client, server, "a.example").expect("a handshake");
    assert_eq!(client.handshake_kind(), server.handshake_kind());
    client.handshake_kind()
}

#[test]
fn a_client_resumes_its_session_even_after_a_reload() {
    let issuer = Issuer::new("root");
    let (sessions, settings) = (SessionState::new(), AcceptSettings::default());
    let server = accept_with(&issuer, &settings, UnknownSni::Default, &sessions);
    let client = trusting(&issuer);
    assert_eq!(kind(&client, &server), Some(HandshakeKind::Full));
    assert_eq!(kind(&client, &server), Some(HandshakeKind::Resumed));
    let reloaded = accept_with(&issuer, &settings, UnknownSni::Default, &sessions);
    assert_eq!(kind(&client, &reloaded), Some(HandshakeKind::Resumed));
    let restarted = accept(&issuer, &settings);
    assert_eq!(kind(&client, &restarted), Some(HandshakeKind::Full));
}

#[test]
fn a_client_of_either_version_resumes_its_session_with_the_process_that_takes_over() {
    let issuer = Issuer::new("root");
    let settings = AcceptSettings::default();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(issuer.authorities().store())
            .with_no_client_auth();
        let client = Arc::new(client);
        let mut sessions = SessionState::new();
        let server = accept_with(&issuer, &settings, UnknownSni::Default, &sessions);
        assert_eq!(kind(&client, &server), Some(HandshakeKind::Full));
        for _ in 0..2 {
            sessions = SessionState::with_tickets(sessions.export().expect("keys"));
            let server = accept_with(&issuer, &settings, UnknownSni::Default, &sessions);
            assert_eq!(kind(&client, &server), Some(HandshakeKind::Resumed));
        }
    }
}

#[test]
fn a_session_without_a_certificate_is_no_way_into_a_listener_that_requires_one() {
    let (issuer, clients) = (Issuer::new("root"), Issuer::new("clients"));
    let sessions = SessionState::new();
    let accepting = |client_auth| {
        let settings = AcceptSettings {
            client_auth,
            ..AcceptSettings::default()
        };
        accept_with(&issuer, &settings, UnknownSni::Default, &sessions)
    };
    let anonymous = connect(Verification::Off);
    kind(&anonymous, &accepting(ClientAuth::None));
    kind(
        &anonymous,
        &accepting(ClientAuth::Optional(clients.authorities())),
    );
    let required = accepting(ClientAuth::Required(clients.authorities()));
    assert!(shake(&anonymous, &required, "a.example").is_err());
    let known = with_certificate(&clients);
    assert_eq!(kind(&known, &required), Some(HandshakeKind::Full));
    assert_eq!(kind(&known, &required), Some(HandshakeKind::Resumed));
}
