//! The source of type `http` against real clients over TLS: success only after the commit, repeats known, everything else
//! refused with its reason.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use watchfloor::stdx::signature::{SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};

use crate::support::daemon::{command, run_ndjson, run_text};
use crate::support::free_port;
use crate::support::http::{Site, certificate, client};

/// Guesses of a password: they raise an alert.
fn attack() -> String {
    (0..12)
        .map(|n| {
            let pid = 100 + n;
            format!("2026-11-22T08:00:{n:02}Z web01 sshd[{pid}]: Failed password for invalid user admin from 203.0.113.9 port 4022 ssh2\n")
        })
        .collect()
}

fn lines(count: usize) -> String {
    (0..count)
        .map(|n| format!("2026-11-22T08:00:00Z web01 app[{n}]: message number {n} of a test\n"))
        .collect()
}

fn found(site: &Site, query: &str) -> Vec<serde_json::Value> {
    run_ndjson(&site.config, &["events", "search", query, "--limit", "100000"])
}

fn alerts(site: &Site) -> Vec<serde_json::Value> {
    run_ndjson(&site.config, &["alerts", "list", "--format", "ndjson"])
}

#[test]
fn success_means_committed_and_a_repeat_says_so() {
    let mut site = Site::start("", "");
    let answer = site.post("/ingest", &[("idempotency-key", "one")], lines(3));
    site.kill();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["records"], 3);
    assert_eq!(answer.json()["status"], "stored");

    site.start_daemon();
    assert_eq!(found(&site, "").len(), 3, "what was acknowledged stands after a kill");
    let answer = site.post("/ingest", &[("idempotency-key", "one")], lines(3));
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (200, Some("repeated")));
    let other = site.post("/ingest", &[("idempotency-key", "two")], lines(3));
    assert_eq!(other.json()["repeated"], 0, "the same text under another key is another delivery");
    let other = site.post("/ingest", &[("idempotency-key", "two")], lines(4));
    assert_eq!(other.json()["repeated"], 0, "another text under the same key is not lost");
    let books = site.books();
    assert_eq!((&books["stored"], &books["duplicate"]), (&10.into(), &3.into()), "{books}");
    assert_eq!(books["balances"], true, "{books}");
    assert_eq!(found(&site, "").len(), 10);
    site.daemon.take().unwrap().stop();
}

#[test]
fn a_repeat_after_a_kill_raises_no_second_alert() {
    let mut site = Site::start("", "");
    assert_eq!(site.post("/ingest", &[], attack()).status, 200);
    site.until("an alert", || !alerts(&site).is_empty());
    let before = alerts(&site);
    site.kill();
    site.start_daemon();
    let gzip = {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(attack().as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let answer = site.post("/ingest", &[("content-encoding", "gzip")], gzip);
    assert_eq!(answer.json()["status"], "repeated", "however it is packed: {answer:?}");
    let after = alerts(&site);
    let of = |alerts: &[serde_json::Value]| -> Vec<String> {
        alerts.iter().map(|alert| format!("{} {}", alert["id"], alert["count"])).collect()
    };
    assert_eq!(of(&before), of(&after));
    assert_eq!(site.books()["duplicate"], 12);
}

#[test]
fn a_big_body_that_was_cut_by_a_kill_is_taken_up_where_it_stopped() {
    let mut site = Site::start("", "[limits]\nbatch_records_max = 500\n");
    let body = lines(20_000);
    let sent = {
        let (url, key) = (format!("{}/ingest", site.base), site.key.clone());
        let request =
            site.client.post(url).header("x-api-key", key).header("idempotency-key", "big");
        let request = request.body(body.clone());
        site.runtime.spawn(async move { request.send().await.map(|it| it.status().as_u16()) })
    };
    // In the middle: some batches stand and the answer has not come.
    site.until("a part of it", || site.books()["stored"].as_u64().unwrap_or(0) > 0);
    site.kill();
    let early = site.runtime.block_on(sent).unwrap();
    site.start_daemon();
    let answer = site.post("/ingest", &[("idempotency-key", "big")], body);
    assert_eq!(answer.status, 200, "{answer:?} {early:?}");
    let repeated = answer.json()["repeated"].as_u64().unwrap();
    assert!(repeated > 0 && repeated.is_multiple_of(500), "{answer:?}");
    let books = site.books();
    assert_eq!(books["stored"], 20_000, "{books}");
    assert_eq!(books["duplicate"], repeated, "{books}");
    assert_eq!(found(&site, "").len(), 20_000);
}

#[test]
fn what_is_not_whole_too_long_or_damaged_is_refused_as_a_whole() {
    let port = free_port();
    let plain = format!(
        "body_bytes_max = \"64 KiB\"\nunpacked_bytes_max = \"1 MiB\"\n\
         [[sources]]\nname = \"plain\"\ntype = \"http\"\nauth = \"none\"\nlisten = \"127.0.0.1:{port}\"\nread_timeout = \"1s\"\n"
    );
    let site = Site::start(&plain, "");
    let half = |head: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(lines(1).as_bytes()).unwrap();
        stream
    };
    let head = "POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    drop(half(head));
    let mut slow = half(head);
    let mut said = String::new();
    slow.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    let mut whole =
        half("POST /ingest HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 58\r\n\r\n");
    let mut said = String::new();
    whole.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "the same as a whole: {said}");

    let numbers = || {
        let status = run_text(&site.config, &["status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let rows = status["sources"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == "plain").cloned().unwrap()
    };
    site.until("the half body is counted", || numbers()["numbers"]["refused_half_body"] == 1);
    assert_eq!(numbers()["numbers"]["refused_slow"], 1);
    assert_eq!(numbers()["stored"], 1, "nothing of what was not whole: {}", numbers());

    let mut page = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = "POST /ingest HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    page.write_all(head.as_bytes()).unwrap();
    let mut said = String::new();
    page.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 401"), "a web page: {said}");

    let answer = site.post("/ingest", &[], vec![b'x'; 70 << 10]);
    assert_eq!(answer.status, 413, "{answer:?}");
    let pieces =
        futures_util::stream::iter((0..70).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1 << 10])));
    let answer = site.post("/ingest", &[], reqwest::Body::wrap_stream(pieces));
    assert_eq!(answer.status, 413, "without a length: {answer:?}");
    let bomb = zstd::encode_all(&*vec![b'\n'; 2 << 20], 3).unwrap();
    let answer = site.post("/ingest", &[("content-encoding", "zstd")], bomb);
    assert_eq!(answer.json()["error"]["reason"], "too_large", "{answer:?}");
    let answer = site.post("/ingest", &[("content-encoding", "gzip")], "no gzip");
    assert_eq!(answer.status, 415, "{answer:?}");
    assert_eq!(site.post("/ingest", &[], "").status, 400);
    assert_eq!(site.post("/nowhere/else", &[], "x").status, 404);
    assert_eq!(site.number("refused_too_large"), 3);
}

#[test]
fn only_good_keys_of_the_source_are_let_in_and_a_revoked_one_soon_is_not() {
    let port = free_port();
    let other =
        format!("[[sources]]\nname = \"other\"\ntype = \"http\"\nlisten = \"127.0.0.1:{port}\"\n");
    let site = Site::start("", &other);
    let ask = |headers: &[(&str, &str)]| site.ask("POST", "/ingest", headers, lines(1)).unwrap();
    let none = ask(&[]);
    assert_eq!(
        (none.status.as_u16(), none.json()["error"]["reason"].as_str()),
        (401, Some("no_key"))
    );
    let wrong = format!("{}x", site.key);
    assert_eq!(ask(&[("x-api-key", &wrong)]).status, 401);
    assert_eq!(ask(&[("x-api-key", "wfk_000000000000_x")]).status, 401);
    let bearer = format!("Bearer {}", site.key);
    assert_eq!(ask(&[("authorization", &bearer)]).status, 200);
    let hec = site.ask("POST", "/services/collector/event", &[("authorization", "Splunk x")], "{}");
    assert_eq!(hec.unwrap().json()["code"], 4);

    // The daemon makes it, and its own source knows it at once.
    let make =
        ["keys", "create", "--scope", "ingest", "--source", "other", "--name", "one\u{1b}[31m"];
    let elsewhere = run_text(&site.config, &make);
    assert_eq!(ask(&[("x-api-key", elsewhere.trim())]).status, 401, "good for another source");
    let keys = run_ndjson(&site.config, &["keys", "list", "--format", "ndjson"]);
    assert_eq!(keys.len(), 2);
    let listed = run_text(&site.config, &["keys", "list"]);
    assert!(!listed.contains(elsewhere.trim()) && !listed.contains('\u{1b}'), "{listed}");

    let id = keys[0]["id"].as_str().unwrap();
    run_text(&site.config, &["keys", "revoke", id]);
    site.until("revoked", || ask(&[("authorization", &bearer)]).status == 401);
    let output = command(&site.config).args(["keys", "revoke", "nothing"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = command(&site.config)
        .args(["keys", "create", "--scope", "ingest", "--source", "othr"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("did you mean other"), "{said}");
    assert_eq!(site.books()["stored"], 1);
    assert!(site.number("refused_wrong_key") >= 4);
}

#[test]
fn a_new_certificate_is_taken_up_and_an_expired_one_keeps_clients_away() {
    let mut site = Site::start("", "");
    assert_eq!(site.post("/ingest", &[], lines(1)).status, 200);
    let pem = certificate(site.folder.path(), false);
    let old = std::mem::replace(&mut site.client, client(&pem));
    let key = site.key.clone();
    let headers = [("x-api-key", key.as_str())];
    site.until("the new certificate", || {
        site.ask("POST", "/ingest", &headers, lines(2)).is_ok_and(|answer| answer.status == 200)
    });
    let new = std::mem::replace(&mut site.client, old);
    assert!(site.ask("POST", "/ingest", &headers, lines(3)).is_err(), "the old one is not trusted");
    site.client = new;

    let pem = certificate(site.folder.path(), true);
    site.client = client(&pem);
    let mut last = None;
    site.until("the expired certificate", || {
        let error = site.ask("POST", "/ingest", &headers, lines(4)).unwrap_err();
        last = Some(format!("{error:?}"));
        last.as_ref().is_some_and(|text| text.contains("Expired"))
    });
    certificate(site.folder.path(), false);
    std::fs::write(site.folder.path().join("key.pem"), "nonsense").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    assert!(site.ask("POST", "/ingest", &headers, lines(5)).is_err());
    assert!(!found(&site, "").is_empty(), "a broken certificate ends nothing");
}

#[test]
fn signed_requests_are_taken_once_and_in_their_time_only() {
    let site = Site::prepare("hmac_secret = { file = \"SECRET\" }", "");
    let secret = site.folder.path().join("hmac");
    std::fs::write(&secret, "shared secret\n").unwrap();
    let text = std::fs::read_to_string(&site.config).unwrap();
    std::fs::write(&site.config, text.replace("SECRET", secret.to_str().unwrap())).unwrap();
    let mut site = site;
    site.start_daemon();

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (now, old) = (now.to_string(), (now - 301).to_string());
    let body = lines(2);
    let signed = |timestamp: &str, key: &str| {
        let signed =
            Signed { timestamp, method: "POST", target: "/ingest", key, body: body.as_bytes() };
        signed.sign(b"shared secret")
    };
    let send = |timestamp: &str, key: &str, signature: &str, body: String| {
        let headers = [
            (TIMESTAMP_HEADER, timestamp),
            (SIGNATURE_HEADER, signature),
            ("idempotency-key", key),
        ];
        let answer = site.post("/ingest", &headers, body);
        (answer.status.as_u16(), answer.text)
    };
    assert_eq!(site.post("/ingest", &[], body.clone()).status, 401, "unsigned");
    let good = signed(&now, "k");
    let changed = send(&now, "k", &good, lines(3));
    assert!(changed.0 == 401 && changed.1.contains("does not belong"), "{changed:?}");
    assert_eq!(send(&now, "other", &good, body.clone()).0, 401, "the key is signed too");
    assert_eq!(send(&old, "k", &signed(&old, "k"), body.clone()).0, 401, "too old");
    assert_eq!(send(&now, "k", &good, body.clone()).0, 200);
    let replayed = send(&now, "k", &good, body.clone());
    assert!(replayed.0 == 401 && replayed.1.contains("used before"), "{replayed:?}");
    let anew = (now.parse::<u64>().unwrap() + 1).to_string();
    let repeat = send(&anew, "k", &signed(&anew, "k"), body.clone());
    assert!(repeat.0 == 200 && repeat.1.contains("repeated"), "an honest repeat: {repeat:?}");
    assert_eq!(site.books()["stored"], 2);
    assert_eq!(site.number("refused_signature"), 5);
}

#[test]
fn more_than_the_rate_is_refused_with_the_time_to_wait() {
    let site = Site::start("requests_per_second = 1\nrequests_burst = 2\n", "");
    let answers: Vec<_> = (1..8).map(|n| site.post("/ingest", &[], lines(n))).collect();
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(taken >= 2 && taken < answers.len(), "{answers:?}");
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(site.number("refused_rate"), (answers.len() - taken) as i64);
}

#[test]
fn a_start_that_cannot_listen_says_so_and_an_open_door_is_no_configuration() {
    let site = Site::prepare("", "");
    let _taken = std::net::TcpListener::bind(("127.0.0.1", site.port)).unwrap();
    let output = command(&site.config).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{}", site.port)), "{said}");

    let text = std::fs::read_to_string(&site.config).unwrap();
    let open: String = text
        .lines()
        .filter(|line| !line.starts_with("tls_"))
        .map(|line| {
            if line.starts_with("listen") {
                "listen = \"0.0.0.0:8088\"\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    std::fs::write(&site.config, open).unwrap();
    let output = command(&site.config).args(["config", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    assert!(said.contains("set sources[0].tls_cert and sources[0].tls_key"), "{said}");
}

#[test]
fn the_dialect_of_elasticsearch_is_answered_item_by_item() {
    let site = Site::start("", "");
    let key = site.key.clone();
    let basic =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("beats:{key}"));
    let login = format!("ApiKey {basic}");
    let root = site.ask("GET", "/", &[("authorization", &login)], "").unwrap();
    assert_eq!(root.headers["x-elastic-product"], "Elasticsearch");
    assert_eq!(root.json()["tagline"], "You Know, for Search");
    assert_eq!(site.ask("GET", "/", &[], "").unwrap().status, 401);
    let setup = site.ask("PUT", "/_index_template/x", &[("authorization", &login)], "{}").unwrap();
    assert_eq!(setup.json()["acknowledged"], true);
    let body = "{\"create\":{}}\n{\"@timestamp\":\"2026-11-22T08:00:00Z\",\"message\":\"bulk one\",\"host\":{\"name\":\"web01\"}}\n\
                {\"index\":{\"_index\":\"b\"}}\nno json\n";
    let answer = site.post("/logs/_bulk", &[], body).json();
    assert_eq!(answer["errors"], false, "{answer}");
    assert_eq!(answer["items"][0]["create"]["status"], 201, "{answer}");
    assert_eq!(answer["items"][0]["create"]["_index"], "logs", "{answer}");
    // A shipper would throw away what is answered with 400: it is a reject that is kept.
    assert_eq!(answer["items"][1]["index"]["status"], 201, "{answer}");
    let answer = site.post("/logs/_bulk", &[], body).json();
    assert_eq!(answer["items"][0]["create"]["result"], "noop", "{answer}");
    let malformed = site.post("/_bulk", &[], "{\"a\":1}\n{}\n");
    assert_eq!(malformed.status, 400, "{malformed:?}");
    let events = found(&site, "host:web01");
    assert_eq!(events.len(), 1, "{events:?}");
    let books = site.books();
    assert_eq!((&books["duplicate"], &books["rejected"]), (&2.into(), &1.into()), "{books}");
    // Nor does one that would use up the stack of who passes over it end the daemon.
    let deep = format!("{{\"create\":{{}}}}\n[{{\"a\":{}\n", "[".repeat(900_000));
    let answer = site.post("/logs/_bulk", &[], deep).json();
    assert_eq!(answer["items"][0]["create"]["status"], 201, "{answer}");
    assert_eq!(site.books()["rejected"], 2);
}

#[test]
fn splunks_collector_says_what_splunk_says() {
    let site = Site::start("", "");
    let key = format!("Splunk {}", site.key);
    let ask = |path: &str, body: &str| {
        let answer = site.ask("POST", path, &[("authorization", &key)], body.to_owned()).unwrap();
        (answer.status.as_u16(), answer.json())
    };
    let event = "{\"time\":1795334400,\"host\":\"web02\",\"event\":\"Nov 22 08:00:00 web02 sshd[7]: Failed password for bob from 192.0.2.7 port 5 ssh2\"}";
    let (status, said) = ask("/services/collector/event", event);
    assert_eq!((status, &said), (200, &serde_json::json!({ "text": "Success", "code": 0 })));
    assert_eq!(ask("/services/collector", event).1["repeated"], 1);
    let (status, said) = ask("/services/collector", "{\"event\":1}{\"event\":");
    assert_eq!((status, said["code"].as_u64()), (400, Some(6)), "{said}");
    assert_eq!(ask("/services/collector", "{\"time\":1}").1["code"], 12);
    assert_eq!(
        ask("/services/collector/raw?host=web03", "Nov 22 08:00:00 web03 cron[1]: x").0,
        200
    );
    let health = site.ask("GET", "/services/collector/health", &[], "").unwrap();
    assert_eq!(health.json()["code"], 17);
    assert_eq!(found(&site, "host:web02 class:logon_failure").len(), 1);
    assert_eq!(found(&site, "host:web03").len(), 1);
    assert_eq!(site.books()["rejected"], 0);
}

/// The commands of a page, one block after the other.
fn blocks(page: &str) -> Vec<String> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_commands_of_the_documentation_work() {
    let signed = free_port();
    let second = format!(
        "[[sources]]\nname = \"signed\"\ntype = \"http\"\nlisten = \"127.0.0.1:{signed}\"\nhmac_secret = {{ env = \"HTTP_TEST_SECRET\" }}\n"
    );
    let mut site = Site::prepare("", &second);
    let secret = site.folder.path().join("hmac");
    std::fs::write(&secret, "s3cret").unwrap();
    let text = std::fs::read_to_string(&site.config).unwrap();
    let text =
        text.replace("env = \"HTTP_TEST_SECRET\"", &format!("file = \"{}\"", secret.display()));
    std::fs::write(&site.config, text).unwrap();
    site.start_daemon();
    let page =
        std::fs::read_to_string(crate::support::root().join("docs/sources/http.md")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let mut said = String::new();
    for block in blocks(&page) {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &block])
            .current_dir(scratch.path())
            .env("URL", &site.base)
            .env("SIGNED_URL", format!("http://127.0.0.1:{signed}"))
            .env("SECRET", "s3cret")
            .env("KEY", &site.key)
            .env("CURL_CA_BUNDLE", site.folder.path().join("cert.pem"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{block}\n{text}\n{errors}");
        said.push_str(&text);
    }
    assert!(page.contains("{\"status\":\"repeated\",\"records\":1,\"repeated\":1}"));
    assert!(said.contains("{\"status\":\"repeated\",\"records\":1,\"repeated\":1}"), "{said}");
    let books = site.books();
    assert_eq!((&books["stored"], &books["rejected"]), (&7.into(), &0.into()), "{books}\n{said}");
}

/// The table of keys as the program reads them.
fn table() -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("watchfloor.toml");
    std::fs::write(&config, "[[sources]]\nname = \"push\"\ntype = \"http\"\n").unwrap();
    let shown = run_text(&config, &["config", "show", "--docs"]);
    let lines: Vec<&str> = shown.lines().collect();
    let mut table = "| key | default | what |\n| --- | --- | --- |\n".to_owned();
    for pair in lines.chunks(2) {
        let Some((name, _)) =
            pair[1].strip_prefix("sources[0].").and_then(|it| it.split_once(" = "))
        else {
            continue;
        };
        let (what, default) =
            pair[0].strip_prefix("# ").unwrap().rsplit_once(" Default: ").unwrap();
        table.push_str(&format!("| `{name}` | `{default}` | {what} |\n"));
    }
    table
}

#[test]
fn the_page_lists_every_key_that_the_source_reads() {
    let path = crate::support::root().join("docs/sources/http.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("## Keys of the configuration\n\n").unwrap();
    let (_, after) = rest.split_once("\nFixed: ").unwrap();
    let fresh = format!("{before}## Keys of the configuration\n\n{}\nFixed: {after}", table());
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        std::fs::write(&path, fresh).unwrap();
        return;
    }
    assert!(
        page == fresh,
        "write it again: WATCHFLOOR_BLESS=1 cargo test --test it http::the_page"
    );
}
