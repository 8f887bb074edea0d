//! Is the right thing asked, and the answer understood?

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http::header::AUTHORIZATION;

use super::*;
use crate::pool::staged::Stage;
use crate::proxy::forward::Scheme;
use crate::route::Request;

fn names(names: &[&'static str]) -> Box<[HeaderName]> {
    names
        .iter()
        .map(|name| HeaderName::from_static(name))
        .collect()
}

fn rules(target: Option<&str>, refusal: Option<Reason>) -> Rules {
    Rules {
        pool: Stage::new(1, "").pool,
        target: target.map(Box::from),
        method: Method::GET,
        timeout: Duration::from_secs(2),
        asked_with: names(&["authorization", "cookie"]),
        to_endpoint: names(&["x-user"]),
        to_client: names(&["set-cookie", "x-plan"]),
        refusal,
    }
}

/// What is asked about a request for this path and query, and the edits made before the answer.
fn asked(rules: Rules, path: &str, query: Option<&str>, headers: &HeaderMap) -> (Verdict, Granted) {
    let mut granted = Granted::default();
    let verdict = asked_after(rules, path, query, headers, &mut granted);
    (verdict, granted)
}

/// The same, when policies before have granted something.
fn asked_after(
    rules: Rules,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    granted: &mut Granted,
) -> Verdict {
    let request = Request {
        host: "a.test",
        path,
        query,
        method: &Method::POST,
        headers,
    };
    let asked = Asked {
        request: &request,
        told_query: request.query,
        target: b"/as/../it/came",
        client: Some([192, 0, 2, 1].into()),
        scheme: Scheme::Https,
        upgrade: false,
        now: Instant::now(),
        time: SystemTime::UNIX_EPOCH,
    };
    ForwardAuth::new(rules).decide(&asked, granted)
}

fn question(rules: Rules, path: &str, query: Option<&str>, headers: &HeaderMap) -> Subrequest {
    read(asked(rules, path, query, headers).0)
}

fn read(verdict: Verdict) -> Subrequest {
    match verdict {
        Verdict::Ask(question) => *question,
        _ => panic!("nothing is asked"),
    }
}

fn reply(status: u16, fields: &[(&'static str, &'static str)]) -> Reply {
    let field = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    Reply {
        status: StatusCode::from_u16(status).expect("a status"),
        fields: fields.iter().map(field).collect(),
        body: Bytes::from_static(b"body"),
    }
}

fn judged(refusal: Option<Reason>, answered: Result<Reply, Unanswered>) -> (String, Granted) {
    let mut granted = Granted::default();
    let said = match rules(None, refusal).judge(answered, &mut granted) {
        Ruling::Pass => "pass".to_owned(),
        Ruling::Refuse(refusal) => refusal.reason.to_string(),
        Ruling::Answer(reply) => format!("answer {} {:?}", reply.status.as_u16(), reply.fields),
    };
    (said, granted)
}

#[test]
fn the_path_in_its_normal_form_is_asked_for_and_told_in_both_dialects() {
    let fields = HeaderMap::new();
    for (target, path, query, wanted, uri) in [
        (None, "/a", None, "/a", "/a"),
        (None, "/a", Some("b=c"), "/a?b=c", "/a?b=c"),
        (None, "/a", Some(""), "/a?", "/a?"),
        (None, "*", None, "/", "*"),
        (Some("/v?w"), "/a", Some("b"), "/v?w", "/a?b"),
    ] {
        let question = question(rules(target, None), path, query, &fields);
        assert_eq!(question.target, wanted);
        for (name, value) in [
            ("x-forwarded-uri", uri),
            ("x-original-uri", uri),
            ("x-forwarded-method", "POST"),
            ("x-original-method", "POST"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "192.0.2.1"),
        ] {
            let told: Vec<_> = question.fields.get_all(name).iter().collect();
            assert_eq!(told, [value], "{name}");
        }
        assert_eq!(question.fields.len(), 6, "{:?}", question.fields);
    }
}

#[test]
fn only_listed_fields_are_given_and_the_crumbs_of_a_cookie_are_joined() {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Bearer a"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-secret", "1"),
        ("x-forwarded-uri", "/public"),
    ] {
        fields.append(name, HeaderValue::from_static(value));
    }
    let question = question(rules(None, None), "/", None, &fields);
    assert_eq!(question.fields["authorization"], "Bearer a");
    let cookies: Vec<_> = question.fields.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1; b=2"]);
    assert_eq!(question.fields.get("x-secret"), None);
    assert_eq!(question.fields["x-forwarded-uri"], "/");
}

#[test]
fn what_policies_before_keep_from_the_endpoint_is_not_for_the_service_either() {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Basic YTpi"),
        ("cookie", "token=secret"),
        ("cookie", "a=1"),
        ("x-user", "root"),
    ] {
        fields.append(name, HeaderValue::from_static(value));
    }
    let mut rules = rules(None, None);
    rules.asked_with = names(&["authorization", "cookie", "x-user"]);
    let anna = HeaderValue::from_static("anna");
    let mut granted = Granted {
        to_endpoint: vec![
            Edit::Remove(AUTHORIZATION),
            Edit::RemoveCookie("token".into()),
            Edit::Vouch(HeaderName::from_static("x-user"), anna.clone()),
        ],
        ..Granted::default()
    };
    let question = read(asked_after(rules, "/", None, &fields, &mut granted));
    assert_eq!(question.fields.get(AUTHORIZATION), None);
    let cookies: Vec<_> = question.fields.get_all(COOKIE).iter().collect();
    assert_eq!(cookies, ["a=1"]);
    assert_eq!(question.fields.get("x-user"), Some(&anna));
}

#[test]
fn what_only_the_service_may_say_is_taken_from_the_client_before_it_is_asked() {
    let mut fields = HeaderMap::new();
    for name in ["x-user", "x_user", "x_users", "x_plan"] {
        fields.append(name, HeaderValue::from_static("root"));
    }
    let (_, granted) = asked(rules(None, None), "/", None, &fields);
    for edit in &granted.to_endpoint {
        edit.apply(&mut fields);
    }
    // The map has its fields in no order.
    let mut left: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["x_plan", "x_users"]);
}

#[test]
fn what_can_not_stand_in_a_field_is_refused() {
    let (verdict, _) = asked(rules(None, None), "/", Some("a\nb"), &HeaderMap::new());
    assert!(
        matches!(verdict, Verdict::Now(Ruling::Refuse(refusal)) if refusal.reason == Reason::BadRequest)
    );
}

#[test]
fn each_class_of_answer_has_one_meaning() {
    let refuse = Some(Reason::AuthUnavailable);
    for status in [200, 204, 299] {
        assert_eq!(judged(refuse, Ok(reply(status, &[]))).0, "pass");
    }
    for status in [300, 302, 304, 400, 401, 403, 404, 429, 499] {
        let fields = [("location", "/login"), ("content-length", "99")];
        let said = judged(refuse, Ok(reply(status, &fields))).0;
        assert_eq!(
            said,
            format!("answer {status} [(\"location\", \"/login\")]")
        );
    }
    for status in [500, 503, 599, 600, 999] {
        assert_eq!(judged(refuse, Ok(reply(status, &[]))).0, "auth_unavailable");
        assert_eq!(judged(None, Ok(reply(status, &[]))).0, "pass");
    }
    let late = Reason::TotalTimeout.into();
    assert_eq!(judged(refuse, Err(late)).0, "auth_unavailable");
    assert_eq!(judged(None, Err(late)).0, "pass");
}

#[test]
fn fields_of_two_hundred_alone_go_on_and_cookies_stand_beside_others() {
    let fields = [
        ("x-user", "alice"),
        ("x-user", "of house"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-plan", "free"),
        ("x-plan", "trial"),
        ("x-other", "1"),
    ];
    let append = |name, value| {
        Edit::Append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let set = |name, value| {
        Edit::Set(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let (_, granted) = judged(None, Ok(reply(200, &fields)));
    assert_eq!(
        granted.to_endpoint,
        [append("x-user", "alice"), append("x-user", "of house")]
    );
    assert_eq!(
        granted.to_client,
        [
            append("set-cookie", "a=1"),
            append("set-cookie", "b=2"),
            set("x-plan", "free"),
            append("x-plan", "trial"),
        ]
    );
    for status in [401, 500] {
        let (_, granted) = judged(None, Ok(reply(status, &fields)));
        assert!(granted.to_endpoint.is_empty() && granted.to_client.is_empty());
    }
}
