//! Dashboards: what is shipped for Prometheus and Grafana holds against services that run: every query names what is measured, and a
//! real Prometheus, with the configuration that is shipped, has an answer to it.

use crate::interview;
use pipeline_tests::eventually::eventually;
use pipeline_tests::{Stack, oracle};
use reqwest::Client;
use serde_json::Value;
use service_kit::metric::{self, Kind, Metric};
use service_kit::testing::tool;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Queries of the dashboard, with the title of their panel.
fn dashboard_queries() -> Vec<(String, String)> {
    let board: Value = serde_json::from_str(&read(&deploy("dashboards/throughline.json"))).expect("JSON");
    let panels = board["panels"].as_array().expect("panels");
    let queries = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().expect("a title").to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |it| (title.clone(), it["expr"].as_str().expect("a query").to_owned()))
    });
    queries.collect()
}

/// A query as Grafana sends it.
fn filled_in(query: &str) -> String {
    let query = query.replace("$__rate_interval", "30s").replace("$__range", "5m");
    assert!(!query.contains('$'), "a variable that Grafana does not know: {query}");
    query
}

/// Metrics of ours that a query names, without what Prometheus adds to the name of a histogram.
fn named(query: &str, known: &[Metric]) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = query.split(|c| !is_part(c)).filter(|word| word.starts_with("throughline_"));
    let base = |word: &str| {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|ending| word.strip_suffix(ending));
        let histogram = of_histogram
            .filter(|name| known.iter().any(|metric| metric.name == *name && metric.kind == Kind::Histogram));
        histogram.unwrap_or(word).to_owned()
    };
    words.map(base).collect()
}

fn declared() -> Vec<Metric> {
    let all = [metric::COMMON, ingest::measured::ALL, worker::measured::ALL, matcher::measured::ALL];
    all.concat()
}

/// Metrics of ours on a service's page, with their kind.
async fn measured(address: &str) -> BTreeSet<(String, String)> {
    let page = reqwest::get(format!("http://{address}/metrics")).await.expect("answers").text().await;
    let page = page.expect("text");
    let lines = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pairs = lines.map(|line| line.split_once(' ').expect("a name and a kind"));
    let pairs: BTreeSet<_> = pairs.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
    for (name, _) in &pairs {
        assert!(page.contains(&format!("# HELP {name} ")), "{name} is not described");
    }
    pairs
}

/// Prometheus with a copy of the shipped configuration, which scrapes every second.
struct Prometheus {
    url: String,
    http: Client,
    _process: Child,
    _folder: TempDir,
}

impl Prometheus {
    fn start(targets: &[(&str, Vec<String>)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = read(&deploy("prometheus.yml")).replace("interval: 15s", "interval: 1s");
        assert!(config.contains("scrape_interval: 1s"), "the shipped interval is another");
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("writes");
        for name in ["alerts", "targets"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let rules = "alerts/throughline.rules.yml";
        std::fs::copy(deploy(rules), folder.path().join(rules)).expect("copies");
        for (job, addresses) in targets {
            let shipped = deploy(&format!("targets/{job}.yml"));
            assert!(shipped.is_file(), "{} is not shipped", shipped.display());
            let list = serde_json::json!([{ "targets": addresses }]);
            // JSON is YAML.
            std::fs::write(folder.path().join(format!("targets/{job}.yml")), list.to_string())
                .expect("writes");
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let process = Command::new(tool("prometheus"))
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus starts");
        let url = format!("http://{address}/api/v1");
        Self { url, http: Client::new(), _process: process, _folder: folder }
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let answer = self.http.get(format!("{}/{path}", self.url)).query(query).send().await.ok()?;
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["status"], "success", "{path} {query:?}: {answer}");
        Some(answer["data"].clone())
    }

    /// The answer to `query`, once there is one.
    async fn answer(&self, what: &str, query: &str) -> Value {
        eventually(&format!("'{what}' has data: {query}"), async || {
            let data = self.ask("query", &[("query", query)]).await?;
            data["result"].as_array().filter(|result| !result.is_empty())?;
            Some(data)
        })
        .await
    }
}

async fn promtool(arguments: &[&str]) {
    let ran = Command::new(tool("promtool")).args(arguments).current_dir(deploy("alerts")).output().await;
    let ran = ran.expect("promtool starts");
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success(), "promtool {arguments:?}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_configuration_are_what_prometheus_takes_and_each_rule_is_tried() {
    promtool(&["check", "rules", "throughline.rules.yml"]).await;
    promtool(&["check", "config", "../prometheus.yml"]).await;
    promtool(&["test", "rules", "throughline.test.yml"]).await;
    let (rules, tried) =
        (read(&deploy("alerts/throughline.rules.yml")), read(&deploy("alerts/throughline.test.yml")));
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tried.contains(&format!("\"{alert}\"")), "{alert} is not tried");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_names_what_is_measured_and_a_real_prometheus_answers_it() {
    let mut stack = Stack::start(1, 1, 1).await;
    let mut targets = Vec::new();
    for (job, process) in
        [("ingest", &stack.ingests[0]), ("worker", &stack.workers[0]), ("matcher", &stack.matchers[0])]
    {
        let listening = eventually(&format!("{job} says where its metrics are"), async || {
            process.lines().into_iter().find(|line| line["what"] == "health and metrics")
        })
        .await;
        targets.push((job, vec![listening["address"].as_str().expect("an address").to_owned()]));
    }
    let prometheus = Prometheus::start(&targets);
    let id = stack.submit(&interview(), &[("labels", "interview"), ("chunk_blocks", "1")]).await;
    stack.completed(id).await;
    // Uploads that fail for good, so that there is something of these too.
    let broken = stack.submit(&oracle::sample("interview_20min.rttm"), &[]).await;
    stack.recording_when(broken, "fails", |it| it["state"] == "failed").await;

    let declared = declared();
    let mut seen = BTreeSet::new();
    for (_, addresses) in &targets {
        seen.extend(measured(&addresses[0]).await);
    }
    for (name, kind) in &seen {
        let metric = declared.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is measured and not declared"));
        assert_eq!(*kind, format!("{:?}", metric.kind).to_lowercase(), "{name}");
    }
    let rules = eventually("Prometheus has evaluated the rules", async || {
        let rules = prometheus.ask("rules", &[]).await?["groups"][0]["rules"].clone();
        rules.as_array()?.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    })
    .await;
    let rules = rules.as_array().expect("a list");
    let alerts = rules
        .iter()
        .map(|rule| (rule["name"].to_string(), rule["query"].as_str().expect("a query").to_owned()));
    let queries = dashboard_queries();
    assert!(queries.len() > 20 && rules.len() > 10, "{} queries, {} rules", queries.len(), rules.len());
    for (title, query) in queries.iter().cloned().chain(alerts) {
        for name in named(&query, &declared) {
            assert!(
                declared.iter().any(|metric| metric.name == name),
                "'{title}' asks for {name}, which nobody measures"
            );
        }
    }
    for (title, query) in &queries {
        prometheus.answer(title, &filled_in(query)).await;
    }
    let up = prometheus.answer("all are scraped", "sum by (job) (up{job=~\"throughline-.+\"} == 1)").await;
    assert_eq!(up["result"].as_array().map(Vec::len), Some(3), "{up}");
    stack.stop().await;
}
