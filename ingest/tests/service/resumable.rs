//! Resumable uploads, as the tus protocol has them: in pieces, interrupted, sent twice, given up.

use crate::raw;
use crate::stack::{Stack, interview, problem};
use reqwest::header::HeaderMap;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const BYTES: &str = "application/offset+octet-stream";
const PATIENCE: Duration = Duration::from_secs(60);

fn tus(stack: &Stack, method: Method, path: &str) -> RequestBuilder {
    stack.http.request(method, stack.url(path)).header("tus-resumable", "1.0.0")
}

/// Creates an upload of `length` bytes and returns its address.
pub async fn create(stack: &Stack, length: usize, metadata: &str) -> String {
    let request = tus(stack, Method::POST, "/v1/uploads")
        .header("upload-length", length)
        .header("upload-metadata", metadata);
    let answer = request.send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::CREATED);
    text(answer.headers(), "location")
}

pub fn patch(stack: &Stack, upload: &str, offset: usize, bytes: impl Into<Body>) -> RequestBuilder {
    tus(stack, Method::PATCH, upload)
        .header("content-type", BYTES)
        .header("upload-offset", offset)
        .body(bytes)
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("answers")
}

async fn head(stack: &Stack, upload: &str) -> Response {
    send(tus(stack, Method::HEAD, upload)).await
}

pub fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).unwrap_or_else(|| panic!("no {name} in {headers:?}")).to_str().expect("text").to_owned()
}

/// Offset of the upload, once `is_so` holds of it.
async fn offset_when(stack: &Stack, upload: &str, is_so: impl Fn(usize) -> bool) -> usize {
    let started = Instant::now();
    loop {
        let offset = text(head(stack, upload).await.headers(), "upload-offset").parse().expect("a number");
        if is_so(offset) {
            return offset;
        }
        assert!(started.elapsed() < PATIENCE, "still at {offset}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A PATCH of which `bytes` are sent, of `announced`; the client stays connected.
async fn begin(
    address: SocketAddr,
    upload: &str,
    offset: usize,
    announced: usize,
    bytes: &[u8],
) -> TcpStream {
    let mut client = TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntus-resumable: 1.0.0\r\ncontent-type: {BYTES}\r\nupload-offset: {offset}\r\ncontent-length: {announced}\r\n\r\n"
    );
    client.write_all(&[head.as_bytes(), bytes].concat()).await.expect("sends");
    client
}

/// The recording that `upload` has become, whose object must be `bytes` and nothing else be left.
pub async fn is_recording(stack: &Stack, upload: &str, bytes: &[u8]) -> serde_json::Value {
    let id = upload.rsplit('/').next().expect("an id");
    let recording = stack.recording(id).await;
    assert_eq!(recording["id"], id);
    assert_eq!(std::fs::read(stack.object(&format!("recordings/{id}/upload"))).expect("is stored"), bytes);
    let digest: String = sqlx::query_scalar("SELECT upload_sha256 FROM recordings")
        .fetch_one(&stack.pool)
        .await
        .expect("one recording");
    assert_eq!(digest, hex::encode(Sha256::digest(bytes)));
    stack.count_when("SELECT count(*) FROM upload_parts", |parts| parts == 0).await;
    assert!(!stack.object(&format!("recordings/{id}/parts")).exists());
    recording
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_pieces_is_one_recording_with_its_options() {
    let stack = Stack::start(&[]).await;
    let bytes = interview();
    // Titel, ../calls/Talk 7.opus, interview, 2; and what Uppy adds.
    let metadata = "title VGl0ZWw=,filename Li4vY2FsbHMvVGFsayA3Lm9wdXM=,labels aW50ZXJ2aWV3,num_speakers Mg==,filetype YXVkaW8vb2dn,relativePath bnVsbA==";
    let upload = create(&stack, bytes.len(), metadata).await;
    let (first, second) = bytes.split_at(1000);
    let answer = send(patch(&stack, &upload, 0, first.to_vec())).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(answer.headers(), "upload-offset"), "1000");
    assert_eq!(text(answer.headers(), "tus-resumable"), "1.0.0");
    assert!(text(answer.headers(), "upload-expires").ends_with(" GMT"));

    let shown = head(&stack, &upload).await;
    assert_eq!(shown.status(), StatusCode::OK);
    assert_eq!(text(shown.headers(), "upload-offset"), "1000");
    assert_eq!(text(shown.headers(), "upload-length"), bytes.len().to_string());
    assert_eq!(text(shown.headers(), "upload-metadata"), metadata);
    assert_eq!(text(shown.headers(), "cache-control"), "no-store");
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);

    let answer = send(patch(&stack, &upload, 1000, second.to_vec())).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(answer.headers(), "upload-offset"), bytes.len().to_string());
    let recording = text(answer.headers(), "throughline-recording");
    assert_eq!(recording, upload.replace("/v1/uploads/", "/v1/recordings/"));
    let shown = is_recording(&stack, &upload, &bytes).await;
    assert_eq!((&shown["title"], &shown["file_name"]), (&json!("Titel"), &json!("Talk 7")));
    assert_eq!(shown["settings"]["labels"], "interview");
    assert_eq!(shown["settings"]["min_speakers"], 2);
    // A client whose last answer was lost asks, and sees that it is done.
    let shown = head(&stack, &upload).await;
    assert_eq!(text(shown.headers(), "upload-offset"), bytes.len().to_string());
    assert_eq!(text(shown.headers(), "throughline-recording"), recording);
    stack.decoded(shown.url().path().rsplit('/').next().expect("an id")).await;

    let refused = send(tus(&stack, Method::DELETE, &upload)).await;
    let why = problem(refused, StatusCode::FORBIDDEN, "upload-complete").await;
    assert!(why.contains(&recording), "{why}");
    let deleted = stack.http.delete(stack.url(&recording)).send().await.expect("answers");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(head(&stack, &upload).await.status(), StatusCode::NOT_FOUND);
    stack.files_become(0).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_follow_the_protocol_is_refused_with_advice() {
    let stack = Stack::start(&["--max-upload-bytes=1000"]).await;
    let answer = stack.http.request(Method::OPTIONS, stack.url("/v1/uploads")).send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(answer.headers(), "tus-version"), "1.0.0");
    assert_eq!(text(answer.headers(), "tus-max-size"), "1000");
    for extension in
        ["creation", "creation-with-upload", "creation-defer-length", "expiration", "termination"]
    {
        let spoken = text(answer.headers(), "tus-extension");
        assert!(spoken.split(',').any(|spoken| spoken == extension), "{spoken}");
    }

    let other = stack.post("/v1/uploads").header("tus-resumable", "0.2.2").header("upload-length", 5);
    let answer = send(other).await;
    assert_eq!(text(answer.headers(), "tus-version"), "1.0.0");
    problem(answer, StatusCode::PRECONDITION_FAILED, "tus-version").await;
    let new = || tus(&stack, Method::POST, "/v1/uploads");
    for (request, status, kind, part) in [
        (stack.post("/v1/uploads").header("upload-length", 5), 412, "tus-version", "Tus-Resumable: 1.0.0"),
        (new(), 400, "tus-header", "Upload-Length must say"),
        (new().header("upload-length", "many"), 400, "tus-header", "must be a whole number"),
        (new().header("upload-length", 0), 400, "empty-upload", "empty"),
        (new().header("upload-length", 1001), 413, "too-large", "1000 bytes"),
        (
            new().header("upload-length", 5).header("upload-metadata", "speakers Mg=="),
            400,
            "bad-option",
            "'speakers'",
        ),
        (
            new().header("upload-length", 5).header("upload-metadata", "num_speakers MA=="),
            400,
            "bad-option",
            "speakers",
        ),
        (new().header("upload-length", 5).header("upload-metadata", "title %"), 400, "tus-header", "'title'"),
        (new().header("upload-length", 5).body("bytes"), 415, "tus-content-type", "offset+octet-stream"),
        (new().query(&[("title", "t")]).header("upload-length", 5), 400, "bad-option", "'title'"),
    ] {
        let why = problem(send(request).await, StatusCode::from_u16(status).expect("a status"), kind).await;
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(stack.count("SELECT count(*) FROM resumable_uploads").await, 0);

    let upload = create(&stack, 10, "").await;
    for (request, status, kind, part) in [
        (patch(&stack, &upload, 1, "x"), 409, "wrong-offset", "goes on at byte 0"),
        (patch(&stack, &upload, 0, "eleven byte"), 413, "past-the-end", "10 bytes"),
        (
            tus(&stack, Method::PATCH, &upload).header("content-type", BYTES).body("x"),
            400,
            "tus-header",
            "Upload-Offset",
        ),
        (
            tus(&stack, Method::PATCH, &upload).header("upload-offset", 0).body("x"),
            415,
            "tus-content-type",
            "octet-stream",
        ),
        (
            patch(&stack, &upload, 0, "x").header("upload-length", 11),
            400,
            "tus-header",
            "Upload-Length is not",
        ),
        (tus(&stack, Method::POST, &upload), 400, "tus-header", "X-HTTP-Method-Override"),
        (tus(&stack, Method::PATCH, "/v1/uploads/7"), 400, "bad-id", "'7'"),
        (
            patch(&stack, &format!("/v1/uploads/{}", uuid::Uuid::now_v7()), 0, "x"),
            404,
            "unknown-upload",
            "create a new one",
        ),
    ] {
        let why = problem(send(request).await, StatusCode::from_u16(status).expect("a status"), kind).await;
        assert!(why.contains(part), "{why}");
    }
    // One that does not say how much it sends.
    let endless = Body::wrap_stream(futures::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>("12345"))));
    let why = problem(
        send(patch(&stack, &upload, 0, endless)).await,
        StatusCode::PAYLOAD_TOO_LARGE,
        "past-the-end",
    );
    assert!(why.await.contains("10 bytes"));
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_connection_was_cut_counts() {
    let stack = Stack::start(&["--silence-seconds=1"]).await;
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let upload = create(&stack, bytes.len(), "").await;
    drop(begin(stack.address, &upload, 0, bytes.len(), &bytes[..11_000_000]).await);
    assert_eq!(offset_when(&stack, &upload, |offset| offset > 9_000_000).await, 11_000_000);
    // One that falls silent is told what is kept.
    let mut silent =
        begin(stack.address, &upload, 11_000_000, 9_000_000, &bytes[11_000_000..11_500_000]).await;
    let answer = raw::until_closed(&mut silent).await;
    assert_eq!(raw::status(&answer), 408);
    assert!(answer.contains("the first 11500000 bytes are kept"), "{answer}");

    let rest = patch(&stack, &upload, 11_500_000, bytes[11_500_000..].to_vec());
    assert_eq!(send(rest).await.status(), StatusCode::NO_CONTENT);
    is_recording(&stack, &upload, &bytes).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_stopped_keeps_what_has_come_and_says_so() {
    let stack = Stack::start(&[]).await;
    let other = stack.another().await;
    let upload = create(&stack, 100, "").await;
    let mut client = begin(other.address, &upload, 0, 100, &[7; 40]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.stop().await;
    let answer = raw::until_closed(&mut client).await;
    assert_eq!(raw::status(&answer), 204);
    assert!(answer.contains("upload-offset: 40"), "{answer}");
    assert_eq!(send(patch(&stack, &upload, 40, vec![7; 60])).await.status(), StatusCode::NO_CONTENT);
    is_recording(&stack, &upload, &[7; 100]).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_send_the_same_bytes_at_once_one_wins() {
    let stack = Stack::start(&[]).await;
    let bytes = vec![9; 300_000];
    let upload = create(&stack, 600_000, "").await;
    let mut slow = begin(stack.address, &upload, 0, 600_000, &[1; 100]).await;
    assert_eq!(send(patch(&stack, &upload, 0, bytes.clone())).await.status(), StatusCode::NO_CONTENT);
    slow.write_all(&vec![1; 599_900]).await.expect("sends");
    let answer = raw::until_closed(&mut slow).await;
    assert_eq!(raw::status(&answer), 409);
    assert!(answer.contains("goes on at byte 300000, not at 0"), "{answer}");
    assert_eq!(send(patch(&stack, &upload, 300_000, bytes.clone())).await.status(), StatusCode::NO_CONTENT);
    is_recording(&stack, &upload, &[9; 600_000]).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_may_come_with_the_creation_the_length_later_and_everything_as_a_post() {
    let stack = Stack::start(&[]).await;
    let new = tus(&stack, Method::POST, "/v1/uploads")
        .header("upload-defer-length", 1)
        .header("content-type", BYTES);
    let answer = send(new.body("half ")).await;
    assert_eq!(
        (answer.status(), text(answer.headers(), "upload-offset").as_str()),
        (StatusCode::CREATED, "5")
    );
    let upload = text(answer.headers(), "location");
    let shown = head(&stack, &upload).await;
    assert_eq!(text(shown.headers(), "upload-defer-length"), "1");
    assert!(!shown.headers().contains_key("upload-length"));
    let rest = tus(&stack, Method::POST, &upload)
        .header("x-http-method-override", "PATCH")
        .header("content-type", BYTES)
        .header("upload-offset", 5)
        .header("upload-length", 9);
    let answer = send(rest.body("done")).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(answer.headers().contains_key("throughline-recording"));
    is_recording(&stack, &upload, b"half done").await;

    let whole =
        tus(&stack, Method::POST, "/v1/uploads").header("upload-length", 3).header("content-type", BYTES);
    let answer = send(whole.body("all")).await;
    assert_eq!(
        (answer.status(), text(answer.headers(), "upload-offset").as_str()),
        (StatusCode::CREATED, "3")
    );
    assert!(answer.headers().contains_key("throughline-recording"));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_its_callers_alone() {
    let tokens = tempfile::NamedTempFile::new().expect("a file");
    let line = |name: &str, token: &str| format!("{name} {}\n", hex::encode(Sha256::digest(token)));
    std::fs::write(tokens.path(), line("ann", "s3cret") + &line("bob", "0ther")).expect("writes");
    let stack = Stack::start(&[&format!("--api-tokens-file={}", tokens.path().display())]).await;
    let new = tus(&stack, Method::POST, "/v1/uploads").header("upload-length", 3);
    let answer = send(new.bearer_auth("s3cret")).await;
    let upload = text(answer.headers(), "location");
    for method in [Method::HEAD, Method::DELETE] {
        let answer = send(tus(&stack, method, &upload).bearer_auth("0ther")).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
    let bobs = send(patch(&stack, &upload, 0, "bob").bearer_auth("0ther")).await;
    problem(bobs, StatusCode::NOT_FOUND, "unknown-upload").await;
    let anns = send(patch(&stack, &upload, 0, "ann").bearer_auth("s3cret")).await;
    assert_eq!(anns.status(), StatusCode::NO_CONTENT);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_ended_or_that_nobody_goes_on_with_leaves_nothing() {
    let stack = Stack::start(&["--sweep-seconds=1", "--upload-expires-seconds=2"]).await;
    let ended = create(&stack, 10, "").await;
    assert_eq!(send(patch(&stack, &ended, 0, "12345")).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(stack.files().len(), 1);
    assert_eq!(send(tus(&stack, Method::DELETE, &ended)).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(stack.files(), Vec::<std::path::PathBuf>::new());
    problem(send(patch(&stack, &ended, 5, "67890")).await, StatusCode::NOT_FOUND, "unknown-upload").await;

    let left = create(&stack, 10, "").await;
    assert_eq!(send(patch(&stack, &left, 0, "12345")).await.status(), StatusCode::NO_CONTENT);
    stack.files_become(0).await;
    assert_eq!(head(&stack, &left).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(stack.count("SELECT count(*) FROM resumable_uploads").await, 0);
    // One that became a recording is forgotten as an upload, and only as that.
    let done = create(&stack, 5, "").await;
    assert_eq!(send(patch(&stack, &done, 0, "12345")).await.status(), StatusCode::NO_CONTENT);
    is_recording(&stack, &done, b"12345").await;
    stack.count_when("SELECT count(*) FROM resumable_uploads", |uploads| uploads == 0).await;
    is_recording(&stack, &done, b"12345").await;
    stack.stop().await;
}

/// An upload of `1234567890` of which all came to a process that died before it made a recording of it, and left a part more that it
/// had not noted.
async fn whole_and_forsaken(stack: &Stack) -> String {
    let upload = create(stack, 10, "").await;
    assert_eq!(send(patch(stack, &upload, 0, "12345")).await.status(), StatusCode::NO_CONTENT);
    let id = upload.rsplit('/').next().expect("an id");
    let object = |name: &str| format!("recordings/{id}/parts/{name}");
    std::fs::write(stack.object(&object("5-died")), "67890").expect("writes");
    std::fs::write(stack.object(&object("5-unnoted")), "67x").expect("writes");
    let mut transaction = stack.pool.begin().await.expect("begins");
    let part = "INSERT INTO upload_parts (upload_id, first_byte, bytes, object) VALUES ($1::uuid, 5, 5, $2)";
    sqlx::query(part).bind(id).bind(object("5-died")).execute(&mut *transaction).await.expect("inserts");
    // As one that died while it put the parts together leaves it.
    let row = "UPDATE resumable_uploads SET received = 10, composing_until = now() - interval '1 second' WHERE id = $1::uuid";
    sqlx::query(row).bind(id).execute(&mut *transaction).await.expect("updates");
    transaction.commit().await.expect("commits");
    upload
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_upload_whose_process_died_is_finished_by_the_next_question_or_by_upkeep() {
    let stack = Stack::start(&[]).await;
    let asked = whole_and_forsaken(&stack).await;
    let shown = head(&stack, &asked).await;
    assert!(shown.headers().contains_key("throughline-recording"), "{shown:?}");
    is_recording(&stack, &asked, b"1234567890").await;
    stack.stop().await;

    let stack = Stack::start(&["--sweep-seconds=1"]).await;
    let left = whole_and_forsaken(&stack).await;
    stack.count_when("SELECT count(*) FROM recordings", |recordings| recordings == 1).await;
    is_recording(&stack, &left, b"1234567890").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_pieces_wait_their_turn_among_those_that_come_in() {
    let stack = Stack::start(&["--max-concurrent-uploads=1"]).await;
    let (first, second) = (create(&stack, 100, "").await, create(&stack, 3, "").await);
    let mut holder = begin(stack.address, &first, 0, 100, &[1; 50]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waiting = tokio::spawn(patch(&stack, &second, 0, "abc").send());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished());
    holder.write_all(&[1; 50]).await.expect("sends");
    assert_eq!(raw::status(&raw::until_closed(&mut holder).await), 204);
    let answer = waiting.await.expect("no panic").expect("answers");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_uploads_are_open_at_once_of_one_caller_and_in_all() {
    let tokens = crate::callers::tokens(&[("ann", ""), ("bob", ""), ("cay", "")]);
    let file = format!("--api-tokens-file={}", tokens.path().display());
    let stack = Stack::start(&[&file, "--max-open-uploads=3", "--max-open-uploads-per-caller=2"]).await;
    let new = async |caller: &str| {
        let request = tus(&stack, Method::POST, "/v1/uploads").header("upload-length", 9);
        send(request.bearer_auth(caller)).await
    };
    let first = text(new("ann").await.headers(), "location");
    assert_eq!(new("ann").await.status(), StatusCode::CREATED);
    let detail = problem(new("ann").await, StatusCode::TOO_MANY_REQUESTS, "too-many-uploads").await;
    assert!(detail.contains("one token"), "{detail}");
    assert_eq!(new("bob").await.status(), StatusCode::CREATED);
    let detail = problem(new("cay").await, StatusCode::TOO_MANY_REQUESTS, "too-many-uploads").await;
    assert!(detail.contains("this service"), "{detail}");
    // One that is complete is no longer open.
    let whole = send(patch(&stack, &first, 0, "not audio").bearer_auth("ann")).await;
    assert_eq!(whole.status(), StatusCode::NO_CONTENT);
    assert_eq!(new("cay").await.status(), StatusCode::CREATED);
    stack.stop().await;
}
