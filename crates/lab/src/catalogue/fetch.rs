//! A file from the network: whole and verified, or not there.
//!
//! What has arrived lies in `NAME.part` until its checksum is right; only then it gets its name. A download that
//! broke off goes on where it stopped.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_RANGE, RANGE};
use ureq::{Agent, Proxy};

use crate::files::hash_of;

/// How long a server may take to answer, or to send the next bytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);

/// A checksum as its publisher gives it, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// MD5: it finds a damaged file, not a forged one.
    Md5(String),
    /// SHA-256.
    Sha256(String),
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Another process is at it.
    #[error("another process is downloading this file")]
    Busy {
        /// The file that grows.
        path: PathBuf,
    },
    /// The disk does not take it.
    #[error("the downloaded file cannot be kept: {source}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No connection.
    #[error("the server cannot be reached: {reason}")]
    Unreachable {
        /// The address asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// Another answer than the file.
    #[error("the server answered {status}, expected the file")]
    Refused {
        /// The address asked for.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The connection ended before the file did; what is here is kept.
    #[error("the download broke off after {done}{} bytes: {reason}", total.map_or(String::new(), |total| format!(" of {total}")))]
    BrokenOff {
        /// The address asked for.
        url: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes in all, if the server said so.
        total: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Another file than the one that the publisher describes; it was removed.
    #[error("the downloaded file has the {kind} {found}, expected {expected}; it was removed")]
    Checksum {
        /// The address asked for.
        url: String,
        /// Which checksum.
        kind: &'static str,
        /// That of the file.
        found: String,
        /// That of the publisher.
        expected: String,
    },
}

impl FetchError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            FetchError::Busy { .. } => "wait for it, or stop it",
            FetchError::Disk { .. } => {
                "free some space, or set TWINLENS_DATA_DIR to a folder that can be written; then fetch it again"
            }
            FetchError::Unreachable { .. } => {
                "check the network and HTTPS_PROXY, or fetch the file by other means and give its path"
            }
            FetchError::Refused { status, .. } if matches!(status.as_u16(), 404 | 410) => {
                "the file may have moved: fetch it by other means and give its path"
            }
            FetchError::Refused { .. } => "try again later",
            FetchError::BrokenOff { .. } => "repeat the command: it goes on from there",
            FetchError::Checksum { .. } => {
                "fetch it again; if this repeats, the file was replaced or something between alters it"
            }
        }
    }

    /// The file or address that it is about.
    pub fn place(&self) -> String {
        match self {
            FetchError::Busy { path } | FetchError::Disk { path, .. } => path.display().to_string(),
            FetchError::Unreachable { url, .. }
            | FetchError::Refused { url, .. }
            | FetchError::BrokenOff { url, .. }
            | FetchError::Checksum { url, .. } => url.clone(),
        }
    }
}

/// A file and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remote {
    /// Its address.
    pub url: String,
    /// Its length, where its publisher tells it.
    pub bytes: Option<u64>,
    /// What its content must hash to.
    pub checksum: Checksum,
}

/// What fetches files.
pub struct Client {
    agent: Agent,
}

impl Client {
    /// A client that uses the proxy of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    pub fn new() -> Client {
        Client::through(Proxy::try_from_env())
    }

    fn through(proxy: Option<Proxy>) -> Client {
        let config = Agent::config_builder()
            .user_agent(concat!("twinlens/", env!("CARGO_PKG_VERSION")))
            .proxy(proxy)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .http_status_as_error(false)
            .build();
        Client { agent: config.into() }
    }

    /// Brings `remote` to `target`, unless that is there already. `progress` is told the bytes that are here and,
    /// once the server has told it, their total.
    ///
    /// # Errors
    /// A server that cannot be reached, refuses or stops in between; content with another checksum; a disk that
    /// cannot be written; another process that does the same.
    pub fn fetch(
        &self,
        remote: &Remote,
        target: &Path,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        let part = Part::open(target)?;
        // Whoever held the lock before may have finished the file.
        if target.is_file() {
            // An empty one, or none any more.
            drop(fs::remove_file(&part.path));
            return Ok(());
        }
        part.fill(&self.agent, remote, progress)?;
        part.finish(remote, target)
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

/// The beginning of a file, locked while a process adds to it.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn open(target: &Path) -> Result<Part, FetchError> {
        let mut name: OsString = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        let opened = folder.and_then(|()| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
        });
        let file = opened.map_err(|error| on_disk(error, &path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(FetchError::Busy { path }),
            // A file system without locks must not keep anybody from downloading.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Part { path, file }),
        }
    }

    /// Asks for what is missing and writes it.
    fn fill(
        &self,
        agent: &Agent,
        remote: &Remote,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        let here = self.file.metadata().map_err(|error| on_disk(error, &self.path))?.len();
        let mut request = agent.get(&remote.url);
        if here > 0 {
            request = request.header(RANGE, format!("bytes={here}-"));
        }
        let mut response = request.call().map_err(|error| FetchError::Unreachable {
            url: remote.url.clone(),
            reason: error.to_string(),
        })?;
        let goes_on =
            |range: Option<&str>| range.is_some_and(|range| range.starts_with(&format!("bytes {here}-")));
        let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if goes_on(range) => here,
            // All is here already; the checksum will tell whether it is right.
            StatusCode::RANGE_NOT_SATISFIABLE if here > 0 => return Ok(()),
            status => return Err(FetchError::Refused { url: remote.url.clone(), status }),
        };
        let total = response.body().content_length().map(|more| start + more);
        let mut out = &self.file;
        let sought = out.set_len(start).and_then(|()| out.seek(SeekFrom::Start(start)));
        sought.map_err(|error| on_disk(error, &self.path))?;
        let mut done = start;
        let mut reader = response.body_mut().as_reader();
        let mut block = vec![0; 1 << 16];
        progress(done, total);
        loop {
            let count = match reader.read(&mut block) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken_off(&error.to_string(), done, total, remote)),
            };
            out.write_all(&block[..count]).map_err(|error| on_disk(error, &self.path))?;
            done += count as u64;
            progress(done, total);
        }
        match total {
            Some(total) if done < total => Err(broken_off("the server closed it", done, Some(total), remote)),
            _ => Ok(()),
        }
    }

    /// Gives the file its name if it is what it should be, and removes it otherwise.
    fn finish(self, remote: &Remote, target: &Path) -> Result<(), FetchError> {
        let Part { path, mut file } = self;
        let failed = |error| on_disk(error, &path);
        file.sync_all().map_err(failed)?;
        let (kind, expected) = match &remote.checksum {
            Checksum::Md5(digits) => ("MD5", digits),
            Checksum::Sha256(digits) => ("SHA-256", digits),
        };
        let found = remote.checksum.of(&mut file).map_err(failed)?;
        if found != *expected {
            fs::remove_file(&path).map_err(failed)?;
            let (url, expected) = (remote.url.clone(), expected.clone());
            return Err(FetchError::Checksum { url, kind, found, expected });
        }
        fs::rename(&path, target).map_err(failed)
    }
}

impl Checksum {
    fn of(&self, file: &mut File) -> io::Result<String> {
        file.seek(SeekFrom::Start(0))?;
        match self {
            Checksum::Md5(_) => hash_of::<Md5>(file),
            Checksum::Sha256(_) => hash_of::<Sha256>(file),
        }
    }
}

fn on_disk(source: io::Error, path: &Path) -> FetchError {
    FetchError::Disk { path: path.to_owned(), source }
}

fn broken_off(reason: &str, done: u64, total: Option<u64>, remote: &Remote) -> FetchError {
    FetchError::BrokenOff { url: remote.url.clone(), done, total, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;

    use super::*;

    const CONTENT: &[u8] = b"The quick brown fox jumps over the lazy dog";
    /// Of `CONTENT`, by md5sum and sha256sum.
    fn md5() -> Checksum {
        Checksum::Md5("9e107d9d372bb6826bd81d3542a419d6".into())
    }

    fn sha256() -> Checksum {
        Checksum::Sha256("d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592".into())
    }

    /// Serves one request with `answer`, and returns the head of the request in small letters.
    fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file.npz", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let head = head.join("\n").to_lowercase();
            answer(&head, &mut stream);
            head
        });
        (url, served)
    }

    /// A server that knows ranges.
    fn with_ranges(head: &str, stream: &mut TcpStream) {
        let from = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-'));
        let from: usize = from.map_or(0, |from| from.parse().unwrap());
        let (status, range) = match from {
            0 => ("200 OK", String::new()),
            from if from >= CONTENT.len() => ("416 Range Not Satisfiable", String::new()),
            from => {
                let len = CONTENT.len();
                ("206 Partial Content", format!("Content-Range: bytes {from}-{}/{len}\r\n", len - 1))
            }
        };
        send(stream, status, &range, CONTENT.get(from..).unwrap_or_default());
    }

    fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
        let len = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
    }

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            Place { folder: tempfile::tempdir().unwrap() }
        }

        fn target(&self) -> PathBuf {
            self.folder.path().join("downloads").join("file.npz")
        }

        fn part(&self) -> PathBuf {
            self.folder.path().join("downloads").join("file.npz.part")
        }

        fn begin(&self, bytes: &[u8]) {
            fs::create_dir_all(self.part().parent().unwrap()).unwrap();
            fs::write(self.part(), bytes).unwrap();
        }

        fn fetch(&self, url: &str, checksum: Checksum) -> Result<(), FetchError> {
            let remote = Remote { url: url.to_owned(), bytes: None, checksum };
            Client::through(None).fetch(&remote, &self.target(), &mut |_, _| {})
        }

        /// Why a download failed.
        fn complaint(&self, url: &str) -> FetchError {
            let error = self.fetch(url, md5()).unwrap_err();
            assert!(!self.target().exists());
            error
        }
    }

    #[test]
    fn a_file_is_downloaded_and_verified() {
        for checksum in [md5(), sha256()] {
            let place = Place::new();
            let (url, served) = serve(with_ranges);
            let remote = Remote { url, bytes: None, checksum };
            let mut told = Vec::new();
            let progress = &mut |done, total| told.push((done, total));
            Client::through(None).fetch(&remote, &place.target(), progress).unwrap();
            assert_eq!(fs::read(place.target()).unwrap(), CONTENT);
            assert!(!place.part().exists());
            assert_eq!((told[0], told.last()), ((0, Some(43)), Some(&(43, Some(43)))));
            assert!(!served.join().unwrap().contains("range:"));
        }
    }

    #[test]
    fn a_download_goes_on_where_it_stopped() {
        let place = Place::new();
        place.begin(&CONTENT[..10]);
        let (url, served) = serve(with_ranges);
        place.fetch(&url, sha256()).unwrap();
        assert_eq!(fs::read(place.target()).unwrap(), CONTENT);
        assert!(served.join().unwrap().contains("range: bytes=10-"));
    }

    #[test]
    fn a_server_without_ranges_starts_again() {
        let place = Place::new();
        place.begin(b"something else, longer than what the server is going to send");
        let (url, served) = serve(|_, stream| send(stream, "200 OK", "", CONTENT));
        place.fetch(&url, sha256()).unwrap();
        assert_eq!(fs::read(place.target()).unwrap(), CONTENT);
        served.join().unwrap();
    }

    #[test]
    fn a_part_that_was_whole_already_only_needs_its_name() {
        let place = Place::new();
        place.begin(CONTENT);
        let (url, served) = serve(with_ranges);
        place.fetch(&url, md5()).unwrap();
        assert_eq!(fs::read(place.target()).unwrap(), CONTENT);
        served.join().unwrap();
    }

    #[test]
    fn another_checksum_is_wrong_data_and_nothing_stays() {
        let place = Place::new();
        let (url, served) = serve(|_, stream| send(stream, "200 OK", "", b"forged"));
        let error = place.complaint(&url);
        assert!(
            matches!(&error, FetchError::Checksum { expected, .. } if expected == "9e107d9d372bb6826bd81d3542a419d6")
        );
        assert_eq!(error.place(), url);
        assert!(!place.part().exists(), "a wrong part would be wrong for ever");
        served.join().unwrap();
    }

    #[test]
    fn a_server_that_refuses_is_told_with_its_answer() {
        for (status, word) in
            [("404 Not Found", "may have moved"), ("503 Service Unavailable", "try again later")]
        {
            let place = Place::new();
            let (url, served) = serve(move |_, stream| send(stream, status, "", b"<html>"));
            let error = place.complaint(&url);
            assert!(error.to_string().contains(status) && error.hint().contains(word), "{error}");
            served.join().unwrap();
        }
    }

    #[test]
    fn a_range_that_was_not_asked_for_is_refused() {
        let place = Place::new();
        place.begin(&CONTENT[..10]);
        let (url, served) = serve(|_, stream| {
            send(stream, "206 Partial Content", "Content-Range: bytes 0-42/43\r\n", CONTENT);
        });
        assert!(place.complaint(&url).to_string().contains("206"));
        assert_eq!(fs::read(place.part()).unwrap(), &CONTENT[..10], "what was there stays");
        served.join().unwrap();
    }

    #[test]
    fn what_arrived_of_a_broken_download_is_kept() {
        let place = Place::new();
        let (url, served) = serve(|_, stream| {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 43\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&CONTENT[..20]).unwrap();
        });
        let error = place.complaint(&url);
        assert!(error.to_string().contains("broke off after 20 of 43 bytes"), "{error}");
        assert!(error.hint().contains("goes on from there"));
        served.join().unwrap();
        let (url, served) = serve(with_ranges);
        place.fetch(&url, sha256()).unwrap();
        assert_eq!(fs::read(place.target()).unwrap(), CONTENT);
        assert!(served.join().unwrap().contains("range: bytes=20-"));
    }

    #[test]
    fn nobody_at_the_other_end_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file.npz", listener.local_addr().unwrap());
        drop(listener);
        let error = Place::new().complaint(&url);
        assert!(error.to_string().contains("cannot be reached") && error.place() == url, "{error}");
    }

    #[test]
    fn what_is_there_is_not_asked_for() {
        let place = Place::new();
        place.begin(b"");
        fs::write(place.target(), CONTENT).unwrap();
        place.fetch("http://127.0.0.1:9/never-asked", md5()).unwrap();
        assert!(!place.part().exists());
    }

    #[test]
    fn two_processes_do_not_write_to_one_file() {
        let place = Place::new();
        let held = Part::open(&place.target()).unwrap();
        assert!(matches!(place.complaint("http://127.0.0.1:9/never-asked"), FetchError::Busy { .. }));
        drop(held);
    }
}
