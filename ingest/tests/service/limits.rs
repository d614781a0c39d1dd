//! Limits: how much at once, and how slow, clients may be; what is over is told so and leaves nothing.

use crate::access::become_status;
use crate::raw;
use crate::stack::{Stack, problem};
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// The head of an upload of `length` bytes, and nothing of them.
async fn begin_upload(stack: &Stack, length: usize) -> TcpStream {
    let mut client = TcpStream::connect(stack.address).await.expect("connects");
    let head = format!(
        "POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.expect("sends");
    client
}

async fn nothing_is_left(stack: &Stack) {
    stack.files_become(0).await;
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_over_the_number_taken_at_once_is_told_to_come_back_and_then_is_taken() {
    let stack = Stack::start(&["--max-concurrent-uploads=1"]).await;
    let mut first = begin_upload(&stack, 9_000_000).await;
    first.write_all(&vec![1; 8_900_000]).await.expect("sends");
    stack.files_become(1).await;

    let second = stack.post("/v1/recordings").body("x").send().await.expect("answers");
    assert_eq!(second.headers()["retry-after"], "5");
    problem(second, StatusCode::TOO_MANY_REQUESTS, "busy").await;
    // Told before it sends anything: there is no `100 Continue`.
    let waiting = raw::exchange(stack.address, b"POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n").await;
    assert_eq!((raw::status(&waiting), raw::answers(&waiting)), (429, 1));

    first.write_all(&vec![1; 100_000]).await.expect("sends");
    assert_eq!(raw::status(&raw::until_closed(&mut first).await), 202);
    stack.upload("", b"x".to_vec()).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_falls_silent_or_only_drips_is_given_up_and_its_place_is_free_again() {
    let stack =
        Stack::start(&["--max-concurrent-uploads=1", "--silence-seconds=1", "--min-bytes-per-second=1000"])
            .await;
    let mut silent = begin_upload(&stack, 100).await;
    let answer = raw::until_closed(&mut silent).await;
    assert_eq!(raw::status(&answer), 408);
    assert!(
        answer.contains("urn:throughline:problem:stalled") && answer.contains("no data came for 1 seconds"),
        "{answer}"
    );

    // The same inside a form, before any field: the parser of forms knows of no time.
    let form = b"POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 5000\r\n\r\n--b\r\ncontent-disposition: form-data; name=\"tit";
    let answer = raw::exchange(stack.address, form).await;
    assert_eq!(raw::status(&answer), 408);

    let mut dripping = begin_upload(&stack, 10_000).await;
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if dripping.write_all(b"x").await.is_err()
                || dripping.try_read(&mut [0; 4]).is_ok_and(|read| read > 0)
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), drip).await.expect("is given up");
    assert!(raw::until_closed(&mut dripping).await.contains("urn:throughline:problem:too-slow"));
    nothing_is_left(&stack).await;
    stack.upload("", b"x".to_vec()).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_takes_too_long_is_ended_however_steadily_it_comes() {
    let stack = Stack::start(&["--max-upload-seconds=1", "--min-bytes-per-second=0"]).await;
    let mut client = begin_upload(&stack, 10_000).await;
    let steady = async {
        while client.write_all(b"x").await.is_ok() && client.try_read(&mut [0; 4]).is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), steady).await.expect("is ended");
    assert!(raw::until_closed(&mut client).await.contains("urn:throughline:problem:too-long"));
    nothing_is_left(&stack).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_and_a_connection_that_asks_nothing_are_hung_up() {
    let stack = Stack::start(&["--head-seconds=1"]).await;
    let started = Instant::now();
    let mut idle = TcpStream::connect(stack.address).await.expect("connects");
    let mut endless = TcpStream::connect(stack.address).await.expect("connects");
    endless.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n").await.expect("sends");
    let writing = async {
        for n in 0.. {
            if endless.write_all(format!("x-{n}: y\r\n").as_bytes()).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), writing).await.expect("is hung up");
    raw::until_closed(&mut idle).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    // One that comes fast enough is only too large.
    let large = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    assert_eq!(raw::status(&raw::exchange(stack.address, large.as_bytes()).await), 431);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_wait_until_one_ends() {
    let stack = Stack::start(&["--max-connections=2", "--head-seconds=3600"]).await;
    let first = TcpStream::connect(stack.address).await.expect("connects");
    let _second = TcpStream::connect(stack.address).await.expect("connects");
    let third = stack.get("/healthz").timeout(Duration::from_millis(700)).send().await;
    assert!(third.expect_err("is not answered").is_timeout());
    drop(first);
    let fourth = stack.get("/healthz").timeout(Duration::from_secs(30)).send().await.expect("answers");
    assert_eq!(fourth.status(), StatusCode::OK);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_around_the_fields_of_a_form_is_bounded() {
    let stack = Stack::start(&[]).await;
    // A part whose head has no end, in a body that says nothing of its length.
    let mut client = TcpStream::connect(stack.address).await.expect("connects");
    let head = b"POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-type: multipart/form-data; boundary=b\r\n\r\n5\r\n--b\r\n\r\n";
    client.write_all(head).await.expect("sends");
    let piece = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let sending = async {
        for _ in 0..64 {
            if client.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    let (_, ()) = (sending.await, client.write_all(b"0\r\n\r\n").await.unwrap_or_default());
    let answer = raw::until_closed(&mut client).await;
    assert_eq!(raw::status(&answer), 400);
    assert!(answer.contains("more than 1 MiB around the form's fields"), "{answer}");

    let many: String = (0..50)
        .map(|n| format!("--b\r\ncontent-disposition: form-data; name=\"o{n}\"\r\n\r\nv\r\n"))
        .collect();
    let form = raw::upload(
        "content-type: multipart/form-data; boundary=b\r\n",
        format!("{many}--b--\r\n").as_bytes(),
    );
    let answer = raw::exchange(stack.address, &form).await;
    assert!(answer.contains("there is no option 'o0'"), "{answer}");
    nothing_is_left(&stack).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_take_no_body_refuse_a_large_one_unread() {
    let stack = Stack::start(&[]).await;
    let id = uuid::Uuid::now_v7();
    for address in [
        format!("POST /v1/recordings/{id}/reprocess"),
        "GET /v1/recordings".to_owned(),
        "GET /healthz".to_owned(),
    ] {
        let head = format!(
            "{address} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1000000000\r\n\r\n"
        );
        let answer = raw::exchange(stack.address, head.as_bytes()).await;
        assert_eq!(raw::status(&answer), 413, "{address}");
        assert!(answer.contains("takes no body"), "{answer}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_uploads_at_once_are_all_answered_and_as_many_as_said_are_taken() {
    let stack = Stack::start(&["--max-concurrent-uploads=8"]).await;
    let body = vec![7_u8; 300_000];
    let send = async || {
        let answer = stack.post("/v1/recordings").body(body.clone()).send().await.expect("answers");
        let (status, retry_after) = (answer.status(), answer.headers().contains_key("retry-after"));
        let _: Value = answer.json().await.expect("is JSON");
        assert_eq!(status == StatusCode::TOO_MANY_REQUESTS, retry_after);
        status
    };
    let answers = join_all((0..200).map(|_| send())).await;
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    let (taken, refused) = (count(StatusCode::ACCEPTED), count(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(taken + refused, 200, "{answers:?}");
    assert!(taken >= 8, "{taken} taken");
    assert_eq!(stack.count("SELECT count(*) FROM recordings").await, taken as i64);
    stack.files_become(taken).await;
    stack.stop().await;
}

/// A connection from another address of this machine.
async fn connect_from(address: &str, stack: &Stack) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{address}:0").parse().expect("an address")).expect("is ours");
    socket.connect(stack.address).await.expect("connects")
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_stop_nobody_at_another_address_and_health_never() {
    let limits = ["--max-connections=48", "--max-connections-per-address=16", "--head-seconds=2"];
    let stack = Stack::start(&limits).await;
    let mut heads = Vec::new();
    for _ in 0..120 {
        let mut head = connect_from("127.0.0.2", &stack).await;
        head.write_all(b"GET /v1/recordings HTTP/1.1\r\nhost: local").await.expect("sends");
        heads.push(head);
    }
    let started = Instant::now();
    let others = stack.get("/v1/recordings").send().await.expect("answers");
    assert_eq!(others.status(), StatusCode::OK);
    let health = stack.http.get(format!("http://{}/healthz", stack.admin)).send().await.expect("answers");
    assert_eq!(health.status(), StatusCode::OK);
    println!("{} half-open heads: answered after {:?}", heads.len(), started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let mut refused = connect_from("127.0.0.2", &stack).await;
    refused.write_all(b"GET /v1/recordings HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sends");
    let answer = raw::until_closed(&mut refused).await;
    assert!(raw::status(&answer) == 429 && answer.contains("problem:many-connections"), "{answer}");
    // They are hung up on, and then their address is answered again.
    let again = async || {
        let mut again = connect_from("127.0.0.2", &stack).await;
        let request = b"GET /v1/recordings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        again.write_all(request).await.expect("sends");
        let status = raw::status(&raw::until_closed(&mut again).await);
        StatusCode::from_u16(status).expect("a status")
    };
    become_status(again, StatusCode::OK).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_of_one_address_leave_places_for_the_uploads_of_others() {
    let stack = Stack::start(&["--max-concurrent-uploads=4", "--max-uploads-per-address=2"]).await;
    let head = b"POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100000\r\n\r\nx";
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut client = connect_from("127.0.0.2", &stack).await;
        client.write_all(head).await.expect("sends");
        slow.push(client);
    }
    // In the midst of them a third is told so.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut third = connect_from("127.0.0.2", &stack).await;
    third.write_all(head).await.expect("sends");
    let answer = raw::until_closed(&mut third).await;
    assert!(raw::status(&answer) == 429 && answer.contains("problem:busy-address"), "{answer}");
    stack.upload("", b"x".to_vec()).await;
    drop(slow);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_clients_are_told_apart_by_what_it_says_of_them() {
    let stack = Stack::start(&[
        "--max-uploads-per-address=1",
        "--max-connections-per-address=1",
        "--proxies=127.0.0.1",
    ])
    .await;
    let mut first = TcpStream::connect(stack.address).await.expect("connects");
    first
        .write_all(b"POST /v1/recordings HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 192.0.2.7\r\ncontent-length: 9\r\n\r\nnot")
        .await
        .expect("sends");
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (client, wanted) in
        [("192.0.2.7", StatusCode::TOO_MANY_REQUESTS), ("192.0.2.8", StatusCode::ACCEPTED)]
    {
        // What the client itself has said stands before.
        let forwarded = format!("192.0.2.9, {client}");
        let answer = stack.post("/v1/recordings").header("x-forwarded-for", forwarded).body("x").send().await;
        assert_eq!(answer.expect("answers").status(), wanted, "{client}");
    }
    drop(first);
    stack.stop().await;
}
