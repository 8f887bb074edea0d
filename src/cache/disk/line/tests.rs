//! Is the line to the disk bounded, and does one bad job harm no other?

use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use super::*;

/// Keeps the line's only thread busy until what comes back is dropped.
fn busy(line: &Line) -> Sender<()> {
    let (let_go, wait) = mpsc::channel();
    let (told, begun) = mpsc::channel();
    line.push_always(move || {
        let _ = told.send(());
        let _ = wait.recv();
    });
    begun.recv_timeout(Duration::from_secs(20)).expect("begins");
    let_go
}

#[test]
fn a_line_is_bounded_by_jobs_and_by_bytes() {
    let line = Line::new("test", 1, 3, 100).expect("a thread");
    let busy = busy(&line);
    let (told, done) = mpsc::channel();
    let job = |number: u8| {
        let told = told.clone();
        move || {
            let _ = told.send(number);
        }
    };
    assert!(!line.push(101, job(0)), "too large");
    assert!(line.push(90, job(1)));
    assert!(!line.push(11, job(0)), "no memory");
    assert!(line.push(10, job(2)) && line.push(0, job(3)));
    assert!(!line.push(0, job(0)), "no place");
    line.push_always(job(4));
    drop(busy);
    let wait = || done.recv_timeout(Duration::from_secs(20)).expect("done");
    assert_eq!([wait(), wait(), wait(), wait()], [1, 2, 3, 4]);
    assert!(line.push(100, job(5)), "there is room again");
    assert_eq!(wait(), 5);
}

#[test]
fn a_panic_ends_one_job_and_what_is_in_line_is_done_after_the_end() {
    let line = Line::new("test", 1, 10, 100).expect("a thread");
    let busy = busy(&line);
    let (told, done) = mpsc::channel();
    line.push_always(|| panic!("on purpose"));
    line.push_always(move || {
        let _ = told.send(7);
    });
    drop(line);
    drop(busy);
    assert_eq!(done.recv_timeout(Duration::from_secs(20)), Ok(7));
    assert!(done.recv().is_err(), "the thread has let go of everything");
}
