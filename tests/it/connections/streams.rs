//! How many streams may one HTTP/2 connection have open?

use crate::support::frames::REFUSED_STREAM;

use super::*;

const FIELDS: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/held"),
    (":authority", "a.test"),
];

#[tokio::test]
async fn rfc9113_5_1_2_a_stream_over_the_limit_is_refused_and_the_others_go_on() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = site("limits: {streams: 2}", origin.address());
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        // A client that does not keep to what it was told.
        let mut client = Frames::connect(portcullis.listener("http")).await;
        client.headers(1, &FIELDS, true).await;
        client.headers(3, &FIELDS, true).await;
        arrived(&origin, 2).await;
        client.headers(5, &FIELDS, true).await;
        assert_eq!(client.ended(5).await, Ended::Reset(REFUSED_STREAM));
        origin.release();
        assert_eq!(client.ended(1).await, Ended::Answered(200));
        assert_eq!(origin.journal().most_in_flight(), 2);
        eventually("both have ended", async || {
            portcullis.metric("portcullis_requests_in_flight").await == 0.0
        })
        .await;
        client.headers(7, &FIELDS, true).await;
        assert_eq!(client.ended(7).await, Ended::Answered(200));
    })
    .await;
}
