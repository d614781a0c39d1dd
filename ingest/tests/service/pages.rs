//! Pages: what browsers get, and what their player asks for.

use crate::stack::{Stack, interview, problem};
use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RANGE,
};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_runs_no_script_but_its_own_and_browsers_keep_its_files_for_ever() {
    let stack = Stack::start(&[]).await;
    for path in ["/", "/operations", "/recordings/0199a3c4-5d6e-7f80-9123-456789abcdef"] {
        let page = stack.get(path).send().await.expect("answers");
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        let headers = page.headers().clone();
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'self'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let html = page.text().await.expect("text");
        assert!(!html.contains("{{"), "{html}");
        // Every file that it names is there, of its type, and kept.
        let files: Vec<&str> =
            html.split('"').filter(|part| part.starts_with("/files/") && part.contains('.')).collect();
        assert!(files.len() > 3, "{html}");
        for file in files {
            let answer = stack.get(file).send().await.expect("answers");
            assert_eq!(answer.status(), StatusCode::OK, "{file}");
            assert_eq!(answer.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable", "{file}");
            let tag = answer.headers()[ETAG].clone();
            let again = stack.get(file).header(IF_NONE_MATCH, tag).send().await.expect("answers");
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{file}");
        }
    }
    let older = stack.get("/files/0000/js/api.js").send().await.expect("answers");
    assert_eq!(
        (older.status(), &older.headers()[CACHE_CONTROL]),
        (StatusCode::OK, &"no-cache".parse().expect("a value"))
    );
    for path in
        ["/recordings/seven", "/files/0000/index.html", "/files/0000/../../Cargo.toml", "/files/0000/none.js"]
    {
        let answer = stack.get(path).send().await.expect("answers");
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_a_page_to_a_browser_and_a_problem_to_programs() {
    let stack = Stack::start(&[]).await;
    for path in ["/recording", "/recordings/seven", "/v2/recordings", "/%3Cscript%3Ealert(1)%3C/script%3E"] {
        let browser = stack.get(path).header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
        let page = browser.send().await.expect("answers");
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
        let html = page.text().await.expect("text");
        assert!(html.contains("Page not found") && html.contains("href=\"/\""), "{html}");
        assert!(!html.contains("<script") && !html.contains("{{"), "{html}");
        let program = stack.get(path).header(ACCEPT, "*/*").send().await.expect("answers");
        assert!(program.status().is_client_error(), "{path}");
        assert_eq!(program.headers()[CONTENT_TYPE], "application/problem+json", "{path}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_gets_the_uploaded_bytes_whole_or_in_part() {
    let stack = Stack::start(&[]).await;
    let bytes = interview();
    let id = stack.upload("", bytes.clone()).await["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/recordings/{id}/audio");
    let whole = stack.get(&path).send().await.expect("answers");
    assert_eq!(
        (whole.status(), &whole.headers()[CONTENT_TYPE]),
        (StatusCode::OK, &"audio/ogg".parse().expect("a value"))
    );
    let tag = whole.headers()[ETAG].clone();
    assert!(whole.bytes().await.expect("reads") == bytes);
    let size = bytes.len();
    for (range, wanted, told) in [
        ("bytes=0-99", 0..100, format!("bytes 0-99/{size}")),
        ("bytes=1000-", 1000..size, format!("bytes 1000-{}/{size}", size - 1)),
        ("bytes=-7", size - 7..size, format!("bytes {}-{}/{size}", size - 7, size - 1)),
    ] {
        let part = stack.get(&path).header(RANGE, range).send().await.expect("answers");
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.headers()[CONTENT_RANGE].to_str().expect("text"), told);
        assert!(part.bytes().await.expect("reads") == bytes[wanted], "{range}");
    }
    let behind = stack.get(&path).header(RANGE, format!("bytes={size}-")).send().await.expect("answers");
    assert_eq!(behind.headers()[CONTENT_RANGE].to_str().expect("text"), format!("bytes */{size}"));
    problem(behind, StatusCode::RANGE_NOT_SATISFIABLE, "range").await;
    let known = stack.get(&path).header(IF_NONE_MATCH, tag).send().await.expect("answers");
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    // A page that pretends to be a recording is no page to a browser.
    let html = stack.upload("", b"<html><script>alert(1)</script>".to_vec()).await;
    let path = format!("/v1/recordings/{}/audio", html["id"].as_str().expect("an id"));
    let html = stack.get(&path).send().await.expect("answers");
    assert_eq!(html.headers()[CONTENT_TYPE], "application/octet-stream");
    assert_eq!(html.headers()["x-content-type-options"], "nosniff");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waveform_is_kept_while_decoding_and_goes_with_its_recording() {
    let stack = Stack::start(&[]).await;
    let id = stack.upload("", interview()).await["id"].as_str().expect("an id").to_owned();
    stack.decoded(&id).await;
    let waveform = async |query: &str| {
        let answer =
            stack.get(&format!("/v1/recordings/{id}/waveform{query}")).send().await.expect("answers");
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.expect("is JSON")
    };
    let all = waveform("").await;
    let peaks = all["peaks"].as_array().expect("peaks").len() as f64;
    let seconds = all["duration_seconds"].as_f64().expect("a duration");
    assert_eq!((all["peaks_per_second"].as_f64(), peaks), (Some(20.0), (seconds * 20.0).ceil()));
    let fewer = waveform("?points=100").await;
    let loudest = |it: &Value| it["peaks"].as_array().expect("peaks").iter().filter_map(Value::as_u64).max();
    assert!(fewer["peaks"].as_array().expect("peaks").len() <= 100);
    assert_eq!(loudest(&fewer), loudest(&all));
    let none = stack.get(&format!("/v1/recordings/{id}/waveform?points=0")).send().await.expect("answers");
    problem(none, StatusCode::BAD_REQUEST, "bad-option").await;
    let deleted =
        stack.http.delete(stack.url(&format!("/v1/recordings/{id}"))).send().await.expect("answers");
    assert!(deleted.status().is_success());
    assert_eq!(stack.count("SELECT count(*) FROM waveforms").await, 0);
    stack.stop().await;
}
