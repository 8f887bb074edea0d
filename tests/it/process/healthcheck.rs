//! What does `portcullis healthcheck` tell a container's health check?

use crate::support::*;

#[tokio::test]
async fn a_process_is_ready_or_not_and_alive_all_the_while() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let said = portcullis.run(&["healthcheck"]).await;
    assert_eq!((said.code, said.text.trim()), (0, "ready"), "{said:?}");
    let drained = portcullis.run(&["drain"]).await;
    assert_eq!(drained.code, 0, "{drained:?}");
    let said = portcullis.run(&["healthcheck"]).await;
    assert_eq!((said.code, said.text.trim()), (1, "drained"), "{said:?}");
    let said = portcullis.run(&["healthcheck", "--live"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    portcullis.stop().await;
    let said = portcullis.run(&["healthcheck"]).await;
    assert_eq!(said.code, 3, "{said:?}");
}
