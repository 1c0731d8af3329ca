//! The web pages, as a browser without scripts sees them.

use axum::http::{Method, Request};
use drover_protocol::{JobId, LogLevel};
use serde_json::json;

use super::{Answer, Api};
use crate::{http::cursor::Cursor as _, store::DeadLetter};

/// What a form needs that is drawn from a schema.
const SCHEMA: &str = "
name: report
title: Monthly report
input:
  type: object
  required: [month]
  additionalProperties: false
  properties:
    month: { type: string, title: Month, description: 'As 2026-01', pattern: '^[0-9]{4}-[0-9]{2}$' }
    pages: { type: integer, title: Pages, minimum: 1, default: 3 }
    draft: { type: boolean, title: Draft }
    format: { enum: [pdf, html], default: pdf }
    recipients: { type: array, items: { type: string } }
steps:
  - { key: write, title: Write it, job: process }
";

impl Api {
    /// A page, which must be there.
    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.html().to_owned()
    }

    /// Sends a form as a page of this address does.
    async fn send_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_form_from("same-origin", path, fields).await
    }

    async fn send_form_from(&self, site: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(body.into());
        self.ask(request.unwrap()).await
    }
}

impl Answer {
    fn html(&self) -> &str {
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8", "{}", self.body);
        self.body.as_str().unwrap()
    }

    /// Where it leads to.
    fn leads_to(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.body);
        self.header("location")
    }
}

/// How often a text stands in a page.
fn count(page: &str, text: &str) -> usize {
    page.matches(text).count()
}

/// A letter that nobody could process.
async fn dead_letter(api: &Api) -> i64 {
    let letter = DeadLetter {
        queue: "drover.submit".into(),
        reason: "malformed".into(),
        detail: Some("it is no JSON".into()),
        message_id: Some("m-1".into()),
        message_type: None,
        content_type: None,
        body: b"{\"type\": <nothing>".to_vec(),
        whole_bytes: None,
        properties: json!({}),
        job_id: None,
        redrives: 0,
    };
    api.desk.app.store.insert_dead_letters(&[letter]).await.unwrap();
    api.desk.app.store.newest_dead().await.unwrap()
}

#[tokio::test]
async fn every_page_is_html_under_a_strict_policy_and_has_nothing_inline() {
    let api = Api::new().await;
    let (id, subs) = api.import(3).await;
    let letter = dead_letter(&api).await;
    api.desk.start(subs[1]).await;
    let paths = [
        "/".into(),
        "/jobs".into(),
        format!("/jobs/{id}"),
        format!("/jobs/{id}?view=jobs"),
        format!("/jobs/{id}?view=logs"),
        format!("/jobs/{id}?view=history"),
        format!("/jobs/{id}?view=data"),
        format!("/jobs/{}", subs[1]),
        "/run".into(),
        "/run/import".into(),
        "/run/validate".into(),
        "/workers".into(),
        "/queues".into(),
        "/dead".into(),
        format!("/dead/{letter}"),
        "/definitions".into(),
        "/definitions/import".into(),
        "/schedules".into(),
        "/api".into(),
    ];
    for path in paths {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let page = answer.html();
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"));
        for inline in ["style=", "<style", "onclick=", "javascript:", "<script>"] {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
        assert_eq!((count(page, "<h1"), count(page, "<main"), count(page, "<title>")), (1, 1, 1), "{path}");
        assert!(page.contains("<html lang=\"en\">") && page.contains("name=\"viewport\""), "{path}");
    }
}

#[tokio::test]
async fn style_and_script_are_served_from_here_for_ever() {
    let api = Api::new().await;
    let page = api.page("/").await;
    let addresses: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(addresses.len() >= 3, "{addresses:?}");
    for address in addresses {
        let answer = api.get(address).await;
        assert_eq!(answer.status, 200, "{address}");
        assert!(answer.header("cache-control").contains("immutable"), "{address}");
        let text = answer.body.to_string();
        assert!(!text.contains("https://") && !text.contains("@import"), "{address} loads something from elsewhere");
    }
    assert_eq!(api.get("/assets/drover-0123.css").await.status, 404);
}

#[tokio::test]
async fn an_empty_system_says_what_to_do_next() {
    let api = Api::new().await;
    api.desk.app.store.workers_down(&[(api.desk.worker, 99)]).await.unwrap();
    let overview = api.page("/").await;
    for words in ["Nothing has run yet", "drover apply", "No worker is alive"] {
        assert!(overview.contains(words), "{words}");
    }
    assert!(api.page("/jobs").await.contains("There are no jobs yet"));
    assert!(api.page("/jobs?status=failed").await.contains("No job matches"));
    assert!(api.page("/dead").await.contains("There are none"));
    assert!(api.page("/definitions").await.contains("No workflow is registered"));
    assert!(api.page("/workers").await.contains("No worker is alive"));
}

#[tokio::test]
async fn the_overview_shows_what_is_at_work_and_what_ended() {
    let api = Api::new().await;
    let (id, subs) = api.import(3).await;
    api.desk.start(subs[1]).await;
    api.desk.progress(subs[1], 50.0, "reading <b>rows</b>").await;
    let failed = api.submit(json!({ "type": "validate" })).await;
    api.desk.fail(failed, "no").await;
    let page = api.page("/").await;
    for words in ["Step 2/2: Load files", &format!("/jobs/{id}/cancel"), "running: step Load files", "Data import"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains("reading &lt;b&gt;rows") && !page.contains("<b>rows"), "what workers say is text");
    assert_eq!(count(&page, "<article class=\"card\""), 1, "a failed job is no longer at work");
    assert!(page.contains("Failed: 1 in the last hour") && page.contains("Completed: 0 in the last hour"), "{page}");
}

#[tokio::test]
async fn a_form_is_drawn_from_the_schema_and_says_at_the_field_what_does_not_fit() {
    let api = Api::new().await;
    api.desk.apply(SCHEMA).await;
    let page = api.page("/run/report").await;
    for part in [
        "<label for=\"p.month\">Month",
        "pattern=\"[0-9]{4}-[0-9]{2}\"",
        "id=\"p.pages\" name=\"p.pages\" type=\"number\" value=\"3\" min=\"1\" step=\"1\"",
        "id=\"p.draft\" name=\"p.draft\" type=\"checkbox\"",
        "<option value=\"pdf\" selected>",
        "<textarea id=\"p.recipients\"",
        "As 2026-01",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let given = [("key", "k1"), ("p.month", "soon"), ("p.pages", "0"), ("p.format", "html"), ("labels", "team: a")];
    let refused = api.send_form("/run/report", &given).await;
    assert_eq!(refused.status, 422);
    let page = refused.html();
    assert_eq!(count(page, "aria-invalid=\"true\""), 2, "{page}");
    for part in
        ["value=\"soon\"", "href=\"#p.month\"", "id=\"p.pages-error\"", "<option value=\"html\" selected>", "team: a"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(api.get("/api/v1/jobs").await.ok()["jobs"].as_array().unwrap().is_empty(), "nothing was made");
}

#[tokio::test]
async fn a_form_that_fits_makes_one_job_however_often_it_is_sent() {
    let api = Api::new().await;
    api.desk.apply(SCHEMA).await;
    let given = [
        ("key", "k1"),
        ("p.month", "2026-01"),
        ("p.pages", ""),
        ("p.draft", "true"),
        ("p.format", "html"),
        ("p.recipients", "a@x\r\n\r\nb@x"),
        ("labels", "team: sales\r\n"),
    ];
    let made = api.send_form("/run/report", &given).await;
    let (path, note) = made.leads_to().split_once('?').unwrap();
    assert_eq!(note, "note=submitted");
    let id: JobId = path.strip_prefix("/jobs/").unwrap().parse().unwrap();
    let job = api.job(id).await;
    assert_eq!(
        job["params"],
        json!({ "month": "2026-01", "pages": 3, "draft": true, "format": "html", "recipients": ["a@x", "b@x"] })
    );
    assert_eq!(job["labels"], json!({ "team": "sales" }));
    assert!(api.page(made.leads_to()).await.contains("It was submitted."));
    let again = api.send_form("/run/report", &given).await;
    assert_eq!(again.leads_to(), format!("{path}?note=known"));
    assert_eq!(api.get("/run/unheard").await.status, 422);
}

#[tokio::test]
async fn actions_lead_back_and_say_what_was_done() {
    let api = Api::new().await;
    let (id, subs) = api.import(2).await;
    for sub in &subs[1..] {
        api.desk.start(*sub).await;
    }
    let paused = api.send_form(&format!("/jobs/{id}/pause"), &[]).await;
    assert_eq!(paused.leads_to(), format!("/jobs/{id}?note=paused"));
    assert!(api.page(paused.leads_to()).await.contains("2 of its sub-jobs still run to their end"));
    assert!(api.send_form(&format!("/jobs/{id}/resume"), &[]).await.leads_to().ends_with("note=resumed"));
    let cancelled = api.send_form(&format!("/jobs/{id}/cancel"), &[("back", "/jobs?status=running")]).await;
    assert_eq!(cancelled.leads_to(), "/jobs?status=running&note=cancelled");
    let elsewhere = api.send_form(&format!("/jobs/{id}/cancel"), &[("back", "//evil.example")]).await;
    assert_eq!(elsewhere.leads_to(), format!("/jobs/{id}?note=cancelled"));
    let page = api.page(&format!("/jobs/{id}")).await;
    assert!(page.contains("waiting for 2 of 2 sub-jobs") && page.contains("Cancel now"), "{page}");
    let now = api.send_form(&format!("/jobs/{id}/cancel"), &[("now", "true")]).await;
    assert!(now.leads_to().ends_with("note=cancelled_now"));
    let late = api.send_form(&format!("/jobs/{id}/cancel"), &[]).await;
    assert_eq!(late.status, 409);
    assert!(late.html().contains("the job has ended"));
    assert!(
        api.send_form(&format!("/jobs/{id}/retry"), &[("from", "start")]).await.leads_to().ends_with("note=retried")
    );
    api.send_form(&format!("/jobs/{id}/cancel"), &[("now", "true")]).await;
    assert_eq!(api.send_form(&format!("/jobs/{id}/delete"), &[]).await.leads_to(), "/jobs?note=deleted");
    assert_eq!(api.get(&format!("/jobs/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_page_of_another_site_can_do_nothing_here() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    for path in [format!("/jobs/{id}/cancel"), format!("/api/v1/jobs/{id}/cancel")] {
        let refused = api.send_form_from("cross-site", &path, &[]).await;
        assert!(refused.problem(403, "forbidden").contains("another site"), "{path}");
    }
    assert_eq!(api.job(id).await["status"], "pending");
}

#[tokio::test]
async fn the_list_filters_pages_and_acts_on_what_is_ticked() {
    let api = Api::new().await;
    let mut ids = Vec::new();
    for _ in 0..52 {
        ids.push(api.submit(json!({ "type": "validate", "labels": { "team": "a b" } })).await);
    }
    let other = api.submit(json!({ "type": "process" })).await;
    let page = api.page("/jobs?type=validate&label=team:a%20b&since=1h").await;
    assert_eq!((count(&page, "<tr data-key"), page.contains(&other.to_string())), (50, false));
    let next = page.split("href=\"").find(|part| part.contains("cursor=")).and_then(|part| part.split('"').next());
    let next = next.unwrap().replace("&amp;", "&");
    assert!(next.contains("type=validate") && next.contains("label=team%3Aa+b"), "{next}");
    assert_eq!(count(&api.page(&next).await, "<tr data-key"), 2);

    let (first, second) = (ids[0].to_string(), ids[1].to_string());
    let ticked = [("action", "cancel"), ("id", first.as_str()), ("id", second.as_str()), ("back", "/jobs")];
    api.desk.complete(ids[1], json!({})).await;
    assert_eq!(api.send_form("/jobs/bulk", &ticked).await.leads_to(), "/jobs?note=done_in_part");
    assert_eq!(api.job(ids[0]).await["status"], "cancelling");
    assert_eq!(api.send_form("/jobs/bulk", &[("action", "cancel")]).await.leads_to(), "/jobs?note=nothing");
    assert_eq!(api.send_form("/jobs/bulk", &[("action", "explode"), ("id", &first)]).await.status, 400);
    assert_eq!(api.get("/jobs?stauts=failed").await.status, 400);
}

#[tokio::test]
async fn failed_sub_jobs_are_found_with_their_words() {
    let api = Api::new().await;
    let (id, subs) = api.import(4).await;
    api.desk.fail(subs[2], "row 7 is broken").await;
    let grid = api.page(&format!("/jobs/{id}?view=jobs")).await;
    assert_eq!(count(&grid, "class=\"cell "), 5, "{grid}");
    assert!(grid.contains("Batch 1: failed"), "{grid}");
    let failed = api.page(&format!("/jobs/{id}?view=jobs&step=load&status=failed")).await;
    assert!(failed.contains("row 7 is broken") && failed.contains(&format!("/jobs/{}", subs[2])), "{failed}");
    assert_eq!(count(&failed, "<tr data-key"), 1);
}

#[tokio::test]
async fn log_lines_are_filtered_by_level_text_and_job() {
    let api = Api::new().await;
    let (id, subs) = api.import(2).await;
    api.desk.log(subs[1], LogLevel::Info, "reading 0.csv").await;
    api.desk.log(subs[2], LogLevel::Warn, "row 3 has <4> columns").await;
    let lines = async |query: &str| {
        let page = api.page(&format!("/jobs/{id}?view=logs{query}")).await;
        (count(&page, "class=\"line "), page)
    };
    let (all, page) = lines("").await;
    assert_eq!(all, 2);
    assert!(page.contains("row 3 has &lt;4&gt; columns") && page.contains("row=7"), "{page}");
    assert!(page.find("row 3").unwrap() < page.find("reading 0").unwrap(), "newest first");
    assert_eq!(lines("&level=warn").await.0, 1);
    assert_eq!(lines("&q=READING").await.0, 1);
    assert_eq!(lines("&q=nowhere").await.0, 0);
    assert_eq!(lines("&tree=false").await.0, 0, "the workflow itself wrote none");
    let own = api.page(&format!("/jobs/{}?view=logs", subs[1])).await;
    assert_eq!(count(&own, "class=\"line "), 1);
}

#[tokio::test]
async fn log_lines_have_no_end() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    for number in 0..450 {
        api.desk.log(id, LogLevel::Info, &format!("line {number}.")).await;
    }
    let (mut path, mut seen) = (format!("/jobs/{id}?view=logs&level=info"), Vec::new());
    loop {
        let page = api.page(&path).await;
        seen.push(count(&page, "class=\"line "));
        let next = page.split("href=\"").find(|part| part.contains("before=") && part.contains("rel=\"next\""));
        let Some(next) = next.and_then(|part| part.split('"').next()) else { break };
        path = next.replace("&amp;", "&");
    }
    assert_eq!(seen, [200, 200, 50]);
}

#[tokio::test]
async fn history_tells_what_happened_to_all_of_it() {
    let api = Api::new().await;
    let (id, subs) = api.import(1).await;
    api.desk.fail(subs[1], "no").await;
    let page = api.page(&format!("/jobs/{id}?view=history")).await;
    for words in ["started", "failed", "step ended"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn queues_are_paused_with_a_reason_and_resumed() {
    let api = Api::new().await;
    api.desk.broker.set_depth(7);
    let id = api.submit(json!({ "type": "validate" })).await;
    let page = api.page("/queues").await;
    assert!(page.contains("<td class=\"number\">7</td>") && page.contains("<td class=\"number\">1</td>"), "{page}");
    let paused = api.send_form("/queues/pause", &[("type", "validate"), ("reason", "the disk is full")]).await;
    assert_eq!(paused.leads_to(), "/queues?note=paused");
    assert!(api.page("/queues").await.contains("the disk is full"));
    assert!(api.page(&format!("/jobs/{id}")).await.contains("job type validate is paused (the disk is full)"));
    assert!(api.page("/").await.contains("Paused: validate"));
    assert_eq!(api.send_form("/queues/resume", &[("type", "validate")]).await.leads_to(), "/queues?note=resumed");
    assert_eq!(api.send_form("/queues/pause", &[("type", "unheard")]).await.status, 404);
    let long = "ж".repeat(200);
    let refused = api.send_form("/queues/pause", &[("type", "validate"), ("reason", &long)]).await;
    assert!(refused.status == 400 && refused.html().contains("400 bytes"), "{}", refused.body);
    assert!(!api.page("/").await.contains("Paused: validate"));
}

#[tokio::test]
async fn a_dead_letter_is_read_and_discarded() {
    let api = Api::new().await;
    let letter = dead_letter(&api).await;
    let list = api.page("/dead").await;
    assert!(list.contains("it is no JSON") && list.contains(&format!("/dead/{letter}")), "{list}");
    assert!(api.page(&format!("/dead/{letter}")).await.contains("&lt;nothing&gt;"), "its body is text");
    for (list, filter) in [("/dead", "reason=malformed"), ("/audit", "name=ci")] {
        let later = api.page(&format!("{list}?{filter}&cursor={}", 1_000_000_i64.encode())).await;
        assert!(later.contains(&format!("href=\"{list}?{filter}&amp;\"")), "the newest of the same: {later}");
    }
    assert_eq!(api.send_form(&format!("/dead/{letter}/discard"), &[]).await.leads_to(), "/dead?note=discarded");
    assert_eq!(api.get(&format!("/dead/{letter}")).await.status, 404);
}

#[tokio::test]
async fn a_broken_link_is_a_page_for_people_and_a_problem_for_programs() {
    let api = Api::new().await;
    let request = Request::builder().method(Method::GET).uri("/nowhere").header("accept", "text/html,*/*");
    let page = api.ask(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(page.status, 404);
    assert!(page.html().contains("there is nothing at this address"));
    api.get("/nowhere").await.problem(404, "not_found");
}
