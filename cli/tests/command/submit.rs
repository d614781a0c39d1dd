//! `throughline submit`: what is lost on the way is sent again, as the same upload.

use crate::run::{clip, text, throughline};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// One request: its lines, and the bytes of its body, as far as they were read.
struct Asked {
    head: Vec<String>,
    body: usize,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        let line = self.head.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value).expect("the header is there")
    }
}

fn read(stream: &TcpStream, whole: bool) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let mut asked = Asked { head, body: 0 };
    let length: usize = asked.header("content-length").parse().expect("a length");
    let wanted = if whole { length } else { length / 2 };
    let mut body = vec![0; wanted];
    reader.read_exact(&mut body).expect("the body");
    asked.body = wanted;
    asked
}

/// A service that gives these answers one after another; `None` hangs up in the middle of the upload.
fn service(answers: Vec<Option<&'static str>>) -> (String, JoinHandle<Vec<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = std::thread::spawn(move || {
        let mut all = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            all.push(read(&stream, answer.is_some()));
            if let Some(answer) = answer {
                let (status, body) = answer.split_once('|').expect("status and body");
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: 0\r\ncontent-length: {length}\r\n\r\n"
                );
                stream.write_all(format!("{head}{body}").as_bytes()).expect("answers");
            }
        }
        all
    });
    (address, serving)
}

#[test]
fn an_upload_is_sent_again_with_its_key_until_it_is_taken() {
    let busy = r#"429 Busy|{"title":"Busy","detail":"as many uploads as are taken"}"#;
    let taken = r#"202 Accepted|{"id":"0199a3c4-5d6e-7f80-9123-456789abcdef"}"#;
    let (address, serving) = service(vec![None, Some(busy), Some(taken)]);
    let run = throughline(["submit", "--server", &address, "--title", "t", text(&clip())]).succeeds();
    assert!(run.stdout.contains("recording 0199a3c4-5d6e-7f80-9123-456789abcdef"), "{run:?}");
    assert!(run.stderr.contains("as many uploads as are taken; trying again"), "{run:?}");
    let asked = serving.join().expect("serves");
    let key = asked[0].header("idempotency-key");
    assert!(key.len() == 38 && key.starts_with('"'), "{key}");
    assert!(asked.iter().all(|again| again.header("idempotency-key") == key));
    let size = std::fs::metadata(clip()).expect("is there").len() as usize;
    assert!(asked[2].body > size && asked[1].body == asked[2].body);
}

#[test]
fn the_same_reason_to_wait_is_told_once() {
    let busy = r#"429 Busy|{"title":"Busy","detail":"as many uploads as are taken"}"#;
    let taken = r#"202 Accepted|{"id":"0199a3c4-5d6e-7f80-9123-456789abcdef"}"#;
    let (address, serving) = service(vec![Some(busy), Some(busy), Some(busy), Some(taken)]);
    let run = throughline(["submit", "--server", &address, text(&clip())]).succeeds();
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert_eq!(serving.join().expect("serves").len(), 4);
}

#[test]
fn a_service_that_is_away_is_told_in_one_line() {
    let complaint = throughline(["operations", "--server", "http://127.0.0.1:1"]).complains();
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.contains("cannot reach the service at http://127.0.0.1:1: "), "{complaint}");
    assert!(complaint.contains("refused") && !complaint.contains("error sending request"), "{complaint}");
    let complaint = throughline(["operations", "--server", "nowhere"]).complains();
    assert!(complaint.contains("'nowhere' is not the address of a service"), "{complaint}");
}

#[test]
fn what_will_not_pass_is_told_at_once() {
    let (address, serving) =
        service(vec![Some(r#"422 No|{"title":"No","detail":"this key belongs to another file"}"#)]);
    let complaint = throughline(["submit", "--server", &address, text(&clip())]).complains();
    assert!(complaint.contains("this key belongs to another file"), "{complaint}");
    assert_eq!(serving.join().expect("serves").len(), 1);
}

#[test]
fn a_token_is_made_anew_each_time_with_the_digest_that_the_service_wants() {
    let (first, second) =
        (throughline(["token", "calls"]).succeeds().stdout, throughline(["token"]).succeeds().stdout);
    assert_ne!(first, second);
    let value = |name: &str| {
        let line =
            first.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).expect("the line is there");
        line.to_owned()
    };
    let (token, digest) = (value("THROUGHLINE_API_TOKEN"), value("THROUGHLINE_API_TOKEN_SHA256"));
    use sha2::{Digest, Sha256};
    assert_eq!((token.len(), hex::encode(Sha256::digest(&token))), (64, digest.clone()));
    assert!(first.contains(&format!("calls {digest}")), "{first}");
}
