//! Does one reload answer all who have asked while another was running?

use std::process::Command;

use super::*;

/// An included file whose reading lasts as long as the test wants.
struct Slow(std::fs::File);

impl Slow {
    /// Puts it in place of `more.yaml`; after that the process can be asked for a reload.
    fn place(portcullis: &Portcullis) {
        let path = portcullis.directory().join("pipe");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        std::fs::rename(&path, portcullis.directory().join("more.yaml")).expect("renamed");
    }

    /// Waits until a reload is reading it.
    async fn is_read(portcullis: &Portcullis) -> Self {
        let path = portcullis.directory().join("more.yaml");
        let open = move || std::fs::File::options().write(true).open(path);
        let open = in_time("a reader", tokio::task::spawn_blocking(open)).await;
        Self(open.expect("no panic").expect("a pipe"))
    }

    /// Lets the reload go on with this.
    fn end(self, text: &str) {
        use std::io::Write;
        (&self.0).write_all(text.as_bytes()).expect("written");
    }
}

async fn start() -> Portcullis {
    let yaml = "include: [more.yaml]\n".to_owned() + &config(&[HTTP], &[], &[]);
    Portcullis::builder(&yaml)
        .file("more.yaml", format!("routes: [{}]\n", says("first", &[])))
        .start()
        .await
}

#[tokio::test]
async fn requests_that_come_while_one_runs_are_answered_by_the_next() {
    let portcullis = start().await;
    let admin = portcullis.admin();
    let sockets = || portcullis.descriptors()["socket"];
    Slow::place(&portcullis);
    let first = tokio::spawn(post(admin, "/reload", ""));
    let slow = Slow::is_read(&portcullis).await;
    let before = sockets();
    let others: Vec<_> = (0..30)
        .map(|_| tokio::spawn(post(admin, "/reload", "")))
        .collect();
    for _ in 0..3 {
        portcullis.signal("HUP");
    }
    eventually("all have come", async || sockets() >= before + 30).await;
    // Traffic and the admin listener go on meanwhile, under the generation in force.
    assert_eq!(text(portcullis.listener("http")).await, "first");
    assert_eq!(portcullis.metric("portcullis_reloads_total").await, 0.0);
    portcullis.replace("more.yaml", format!("routes: [{}]\n", says("third", &[])));
    slow.end(&format!("routes: [{}]\n", says("second", &[])));
    let first = first.await.expect("an answer");
    assert_eq!(
        (first.status, &first.json()["generation"]),
        (200, &2.into())
    );
    for other in others {
        let answer = other.await.expect("an answer");
        // Whoever asked after the change hears of the generation that has it.
        assert_eq!(
            (answer.status, &answer.json()["generation"]),
            (200, &3.into())
        );
    }
    assert_eq!(text(portcullis.listener("http")).await, "third");
    let reloads = portcullis.metric("portcullis_reloads_total").await;
    assert!(
        (2.0..6.0).contains(&reloads),
        "{reloads} reloads for 34 requests"
    );
}

#[tokio::test]
async fn a_process_that_is_to_stop_does_not_wait_for_a_reload() {
    let mut portcullis = start().await;
    Slow::place(&portcullis);
    let asked = tokio::spawn(post(portcullis.admin(), "/reload", ""));
    let _slow = Slow::is_read(&portcullis).await;
    assert_eq!(portcullis.stop().await.code(), Some(0));
    // Nobody can answer it any more; only that it ends matters.
    let _ = in_time("the end of its connection", asked).await;
}
