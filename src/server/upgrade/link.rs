//! How do two processes talk while one takes over from the other? Messages over a Unix socket, each a length and JSON,
//! some with descriptors of sockets (SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// How many descriptors go with one message. The kernel takes 253 at once.
pub const MOST_DESCRIPTORS: usize = 64;

/// The largest message, in bytes: what host names resolve to may be much.
const LARGEST: usize = 64 << 20;

/// How long the rest of a message may take, though its deadline is over: a message that is left half read takes the
/// conversation with it.
const REST: Duration = Duration::from_secs(2);

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// One end.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The number of its process.
    pub pid: u32,
    /// The user it acts as.
    pub user: u32,
}

impl Link {
    /// Connects to a socket.
    ///
    /// # Errors
    ///
    /// Nobody is there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(path)?,
        })
    }

    /// Takes an open connection.
    pub fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// Another handle of the same connection.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.stream.try_clone()?))
    }

    /// Who is at the other end, as the kernel knows it.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn peer(&self) -> io::Result<Peer> {
        let peer = sockopt::socket_peercred(&self.stream)?;
        Ok(Peer {
            pid: u32::try_from(peer.pid.as_raw_nonzero().get()).unwrap_or_default(),
            user: peer.uid.as_raw(),
        })
    }

    /// Sends a message with at most [`MOST_DESCRIPTORS`] descriptors. Waits until `deadline`, or for ever, for the other end
    /// to take it.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or the other end is gone.
    pub fn send(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        // There may be keys in it.
        let mut bytes = Zeroizing::new(vec![0; 4]);
        serde_json::to_writer(&mut *bytes, message)?;
        let length = u32::try_from(bytes.len() - 4).map_err(|_| io::ErrorKind::FileTooLarge)?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut sent = 0;
        while sent < bytes.len() {
            self.stream.set_write_timeout(left(deadline)?)?;
            let mut control = SendAncillaryBuffer::new(&mut space);
            if sent == 0
                && !descriptors.is_empty()
                && !control.push(SendAncillaryMessage::ScmRights(descriptors))
            {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let piece = [IoSlice::new(&bytes[sent..])];
            match sendmsg(&self.stream, &piece, &mut control, SendFlags::NOSIGNAL) {
                Ok(length) => sent += length,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The next message with its descriptors. Waits until `deadline`, or for ever, for its beginning.
    ///
    /// # Errors
    ///
    /// `TimedOut`, `UnexpectedEof` when the other end is gone, or what came is no such message.
    pub fn receive<T: DeserializeOwned>(
        &self,
        deadline: Option<Instant>,
    ) -> io::Result<(T, Vec<OwnedFd>)> {
        let mut descriptors = Vec::new();
        let mut length = [0; 4];
        self.fill(&mut length, &mut descriptors, deadline)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let deadline = deadline.map(|deadline| deadline.max(Instant::now() + REST));
        let mut body = Zeroizing::new(Vec::new());
        while body.len() < length {
            // No more memory than what really comes.
            let start = body.len();
            body.resize((start + PIECE).min(length), 0);
            self.fill(&mut body[start..], &mut descriptors, deadline)?;
        }
        Ok((serde_json::from_slice(&body)?, descriptors))
    }

    fn fill(
        &self,
        bytes: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            self.stream.set_read_timeout(left(deadline)?)?;
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut piece = [IoSliceMut::new(&mut bytes[filled..])];
            let read = recvmsg(
                self.stream.as_fd(),
                &mut piece,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            );
            let length = match read {
                // The process has no place for the descriptors that came.
                Ok(read) if read.flags.contains(ReturnFlags::CTRUNC) => {
                    return Err(rustix::io::Errno::MFILE.into());
                }
                Ok(read) => read.bytes,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error.into()),
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    descriptors.extend(received);
                }
            }
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += length;
        }
        Ok(())
    }
}

/// How long one may still wait.
fn left(deadline: Option<Instant>) -> io::Result<Option<Duration>> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    if left == Some(Duration::ZERO) {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn links() -> (Link, Link) {
        let (one, other) = UnixStream::pair().expect("a pair");
        (Link::new(one), Link::new(other))
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(10))
    }

    #[test]
    fn a_message_arrives_whole_and_with_its_descriptors() {
        let (one, other) = links();
        let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let descriptors = vec![socket.as_fd(); MOST_DESCRIPTORS];
        let long = "x".repeat(3 * PIECE);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                one.send(&long, &descriptors, soon()).expect("sent");
                one.send(&"next", &[], None).expect("sent");
            });
            let (text, received) = other.receive::<String>(soon()).expect("a message");
            assert!(text == long, "another text");
            assert_eq!(received.len(), MOST_DESCRIPTORS);
            for descriptor in received {
                let same = TcpListener::from(descriptor)
                    .local_addr()
                    .expect("a socket");
                assert_eq!(same, socket.local_addr().expect("a socket"));
            }
            let (next, received) = other.receive::<String>(soon()).expect("a message");
            assert_eq!((next.as_str(), received.len()), ("next", 0));
        });
    }

    #[test]
    fn waiting_ends_with_the_deadline_and_with_the_other_end() {
        let (one, other) = links();
        let at_once = Some(Instant::now());
        let error = other.receive::<String>(at_once).expect_err("nothing came");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let shortly = Some(Instant::now() + Duration::from_millis(20));
        let error = other.receive::<String>(shortly).expect_err("nothing came");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let much = "x".repeat(8 << 20);
        let shortly = Some(Instant::now() + Duration::from_millis(20));
        let error = one.send(&much, &[], shortly).expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let (one, other) = links();
        drop(one);
        let error = other
            .receive::<String>(soon())
            .expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_message_that_has_begun_is_read_to_its_end() {
        let (one, other) = links();
        let write = |bytes| io::Write::write_all(&mut &one.stream, bytes).expect("sent");
        let deadline = Instant::now() + Duration::from_millis(300);
        write(b"\0\0\0\x06");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let late = deadline.saturating_duration_since(Instant::now());
                // The rest must come after the deadline, and only time makes it pass.
                std::thread::sleep(late + Duration::from_millis(50));
                write(b"\"late\"");
            });
            let received = other.receive::<String>(Some(deadline)).expect("a message");
            assert_eq!(received.0, "late");
        });
    }

    #[test]
    fn what_is_no_message_is_refused_without_taking_memory() {
        for bytes in [&[0xff; 8][..], b"\0\0\0\x02{]"] {
            let (one, other) = links();
            io::Write::write_all(&mut &one.stream, bytes).expect("sent");
            other.receive::<String>(soon()).expect_err("no message");
        }
        let (one, other) = links();
        one.send(&7, &[], None).expect("sent");
        other.receive::<String>(soon()).expect_err("another type");
        drop(one);
        let mut rest = Vec::new();
        (&other.stream).read_to_end(&mut rest).expect("read");
        assert_eq!(rest, b"");
    }
}
