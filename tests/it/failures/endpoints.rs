//! Which endpoint gets a request, and what happens to the others when one is gone?

use origin::Origin;

use crate::support::*;

#[tokio::test]
async fn requests_are_spread_exactly_by_weight_and_smoothly() {
    both_carriers(async |carrier| {
        let mut origins = Vec::new();
        for name in ["five", "one", "other", "none"] {
            origins.push(Origin::builder().name(name).start().await.expect("an origin"));
        }
        let addresses: Vec<String> =
            origins.iter().map(|origin| origin.address().expect("TCP").to_string()).collect();
        let yaml = format!(
            "listeners: [{{name: http, address: '127.0.0.1:0'}}]\nroutes: [{{name: all, pool: p}}]\n\
             pools: [{{name: p, endpoints: [{{address: '{}', weight: 5}}, '{}', '{}', {{address: '{}', weight: 0}}]}}]\n",
            addresses[0], addresses[1], addresses[2], addresses[3]
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        // Over several connections, and so over several threads.
        let mut clients = [http1(address).await, http1(address).await, http2(address).await, http1(address).await];
        let mut names = Vec::new();
        for number in 0..70 {
            let answer = clients[number % 4].get("/").await;
            names.push(answer.header("x-origin").expect("a name").to_owned());
        }
        let count = |name: &str| names.iter().filter(|other| *other == name).count();
        assert_eq!((count("five"), count("one"), count("other"), count("none")), (50, 10, 10, 0), "{names:?}");
        // Smoothly: in every round of seven each has its share.
        for round in names.chunks(7) {
            assert_eq!(round.iter().filter(|name| *name == "five").count(), 5, "{names:?}");
        }
        for (index, requests) in [(0, 50.0), (1, 10.0)] {
            let series = format!("portcullis_upstream_requests_total{{endpoint=\"{}\"", addresses[index]);
            assert_eq!(portcullis.metric(&series).await, requests);
        }
    })
    .await;
}
