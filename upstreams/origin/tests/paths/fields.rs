//! Do the fields that were asked for come back?

use crate::client::{ask2, get, origin};

#[tokio::test]
async fn asked_for_fields_come_back_decoded_and_repeated() {
    let (_origin, address) = origin().await;
    let reply = get(address, "/headers?x-a=1&x-a=2%2C3&Set-Cookie=k%3Dv").await;
    assert_eq!(reply.status, 200);
    let values: Vec<_> = reply.fields.get_all("x-a").iter().collect();
    assert_eq!(values, ["1", "2,3"]);
    assert_eq!(reply.field("set-cookie"), "k=v");
}

#[tokio::test]
async fn an_illegal_field_is_answered_with_400_and_the_reason() {
    let (_origin, address) = origin().await;
    let reply = get(address, "/headers?content-length=7").await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("content-length"), "{}", reply.text());
}

#[tokio::test]
async fn trailers_follow_the_body_over_http2() {
    let (_origin, address) = origin().await;
    let reply = ask2(address, "GET", "/trailers", b"").await;
    assert_eq!(reply.text(), "trailers follow\n");
    assert_eq!(reply.trailers["x-trailer"], "end");
}

#[tokio::test]
async fn every_response_names_its_origin_and_the_date_can_be_left_out() {
    let (_origin, address) = origin().await;
    let reply = get(address, "/").await;
    assert_eq!(reply.field("x-origin"), "a");
    assert!(reply.fields.contains_key("date"));
    let dateless = origin::Origin::builder().date(false).start().await;
    let dateless = dateless.expect("started");
    let address = dateless.address().expect("an address");
    for reply in [
        get(address, "/").await,
        ask2(address, "GET", "/", b"").await,
    ] {
        assert_eq!(reply.field("x-origin"), "origin");
        assert!(!reply.fields.contains_key("date"));
    }
}
