//! How is the cookie set, and which is believed when it comes back?

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_is_set_as_it_is_written_beside_those_of_the_application() {
    both_carriers(async |carrier| {
        let (origins, authority) = (three_origins().await, Authority::new());
        let settings = "cookie: {name: stay, path: /headers, domain: a.test, same_site: strict, lifetime: 1h, \
                        secret: '${STICKY_SECRET}'}";
        let listener = ", tls: {certificates: [{certificate: a.crt, key: a.key}]}";
        let portcullis = Portcullis::builder(&yaml_with(listener, &origins, settings))
            .identity("a", &authority.issue(&["a.test"]))
            .env("STICKY_SECRET", "0123456789abcdef0123456789abcdef")
            .carrier(carrier)
            .start()
            .await;
        let mut client = https2(portcullis.listener("http"), "a.test", &authority.roots()).await;
        let answer = client.get("/headers?set-cookie=x%3D1&set-cookie=y%3D2").await;
        let set: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|set| set.to_str().expect("ASCII")).collect();
        assert_eq!(&set[..2], ["x=1", "y=2"]);
        let (value, attributes) = set[2].split_once("; ").expect("attributes");
        assert!(value.starts_with("stay=1") && value.len() == "stay=".len() + 44, "{value}");
        assert_eq!(attributes, "Path=/headers; Domain=a.test; Max-Age=3600; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(set.len(), 3);
        // What Portcullis says by itself comes from no endpoint.
        assert_eq!(client.get("/own").await.header("set-cookie"), None);
    })
    .await;
    let origins = three_origins().await;
    let portcullis = Portcullis::start(&yaml(
        &origins,
        "cookie: {http_only: false, same_site: none}",
    ))
    .await;
    let answer = http1(portcullis.listener("http")).await.get("/").await;
    let set = answer.header("set-cookie").expect("a cookie");
    assert!(set.ends_with("; Path=/; SameSite=None"), "{set}");
    for origin in &origins {
        admin(
            &portcullis,
            &format!("/endpoints/drain?pool=p&endpoint={}", address(origin)),
        )
        .await;
    }
    let answer = http1(portcullis.listener("http")).await.get("/").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("set-cookie")),
        (503, None)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_was_not_made_here_is_as_good_as_none() {
    let origins = three_origins().await;
    let portcullis = Portcullis::start(&yaml(&origins, "cookie: {}")).await;
    let stranger = Portcullis::start(&yaml(&origins, "cookie: {}")).await;
    let foreign = regular(&stranger, "b").await.cookie.expect("a cookie");
    let own = regular(&portcullis, "b").await.cookie.expect("a cookie");
    let mut forged = own.clone();
    let last = forged.pop().expect("a character");
    forged.push(if last == 'A' { 'E' } else { 'A' });
    let long = format!("portcullis={}", "1".repeat(20_000));
    let address_of_b = format!("portcullis={}", address(&origins[1]));
    let mut client = http1(portcullis.listener("http")).await;
    for cookie in [
        foreign,
        forged,
        long,
        address_of_b,
        "portcullis=".to_owned(),
    ] {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut visitor = Visitor {
                cookie: Some(cookie.clone()),
                set: 0,
            };
            seen.push(visitor.visit(&mut client).await);
            assert_eq!(visitor.set, 1, "{cookie}");
            assert_ne!(visitor.cookie.as_ref(), Some(&cookie));
        }
        seen.sort();
        assert_eq!(seen, ["a", "b", "c"], "{cookie}");
    }
    let mut visitor = Visitor {
        cookie: Some(own),
        set: 0,
    };
    assert_eq!(
        (visitor.visit(&mut client).await.as_str(), visitor.set),
        ("b", 0)
    );
}
