//! `/api/v1/schedules`, and the page.

use serde_json::{Value, json};

use super::{Api, redacted};

fn text(name: &str, fields: &str) -> String {
    format!(
        "name: {name}\ntitle: The {name}\nsteps: [{{key: only, job: process}}]\nschedule: {{ cron: '0 3 * * *', {fields} }}\n"
    )
}

async fn nightly() -> Api {
    let api = Api::new().await;
    api.desk.apply(&text("nightly", "time_zone: Europe/Berlin, input: { path: /in }")).await;
    api
}

#[tokio::test]
async fn schedules_are_listed_by_name_page_by_page() {
    let api = nightly().await;
    for name in ["b", "a"] {
        api.desk.apply(&text(name, "")).await;
    }
    api.desk.apply("name: plain\nsteps: [{key: only, job: process}]\n").await;
    let names = |page: &Value| -> Vec<String> {
        page["schedules"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = api.get("/api/v1/schedules?limit=2").await.ok();
    assert_eq!(names(&first), ["a", "b"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let last = api.get(&format!("/api/v1/schedules?limit=2&cursor={cursor}")).await.ok();
    assert_eq!((names(&last), &last["next_cursor"]), (vec!["nightly".to_owned()], &Value::Null));
    insta::assert_json_snapshot!("schedules", redacted(&last));
    let text = api.get("/api/v1/schedules?limt=2").await;
    assert!(text.problem(400, "malformed").contains("limit, cursor"));
    api.get("/api/v1/schedules?cursor=x").await.problem(400, "malformed");
}

#[tokio::test]
async fn one_is_shown_with_its_next_times_by_its_own_clock() {
    let api = nightly().await;
    let one = api.get("/api/v1/schedules/nightly").await.ok();
    let next = one["next"].as_array().unwrap();
    assert_eq!(next.len(), 5);
    assert!(next.iter().all(|time| time.as_str().unwrap().contains("T03:00:00+0")), "{next:?}");
    let first = chrono::DateTime::parse_from_rfc3339(next[0].as_str().unwrap()).unwrap();
    assert_eq!(one["next_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap(), first);
    assert_eq!((&one["description"], &one["enabled"]), (&json!("At 03:00"), &json!(true)));
    assert_eq!(one["last_job"], Value::Null);
}

#[tokio::test]
async fn one_is_turned_off_and_on() {
    let api = nightly().await;
    let off = api.post("/api/v1/schedules/nightly/disable").await.ok();
    assert_eq!((&off["enabled"], &off["next_at"]), (&json!(false), &Value::Null));
    assert!(off["switched_at"].is_string());
    assert_eq!(off["next"].as_array().unwrap().len(), 5, "what it would be");
    let again = api.post("/api/v1/schedules/nightly/disable").await.ok();
    assert_eq!(again["enabled"], json!(false));
    let on = api.post("/api/v1/schedules/nightly/enable").await.ok();
    assert_eq!((&on["enabled"], &on["switched_at"]), (&json!(true), &Value::Null));
    assert!(on["next_at"].is_string());
}

#[tokio::test]
async fn one_is_run_now() {
    let api = nightly().await;
    let answer = api.post("/api/v1/schedules/nightly/run").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.body["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/api/v1/jobs/{id}"));
    let job = api.get(&format!("/api/v1/jobs/{id}")).await.ok();
    assert_eq!(
        (&job["type"], &job["params"], &job["labels"]),
        (&json!("nightly"), &json!({ "path": "/in" }), &json!({ "schedule": "nightly" }))
    );
    let one = api.get("/api/v1/schedules/nightly").await.ok();
    assert_eq!(one["last_job"], json!({ "id": id, "status": job["status"] }));

    let keyed = || async {
        let request = axum::http::Request::post("/api/v1/schedules/nightly/run").header("idempotency-key", "k");
        api.ask(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let (first, second) = (keyed().await, keyed().await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!((&first.body["id"], &second.body["duplicate"]), (&second.body["id"], &json!(true)));
}

#[tokio::test]
async fn what_is_no_schedule_is_not_found_and_says_where_to_look() {
    let api = nightly().await;
    api.desk.apply("name: plain\nsteps: [{key: only, job: process}]\n").await;
    for name in ["plain", "nobody", "no%20name", "process"] {
        for action in ["", "/enable", "/disable", "/run"] {
            let path = format!("/api/v1/schedules/{name}{action}");
            let answer = if action.is_empty() { api.get(&path).await } else { api.post(&path).await };
            assert!(answer.problem(404, "not_found").contains("drover schedules"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_bad_schedule_is_refused_with_its_line_and_key() {
    let api = Api::new().await;
    let bad = text("bad", "time_zone: Europe/Berln");
    let request = axum::http::Request::put("/api/v1/definitions").header("content-type", "application/yaml");
    let refused = api.ask(request.body(bad.into()).unwrap()).await;
    refused.problem(422, "invalid_definition");
    let error = &refused.body["errors"][0];
    assert_eq!((&error["line"], &error["path"]), (&json!(4), &json!("schedule.time_zone")));
    assert!(error["message"].as_str().unwrap().contains("Europe/Berlin"));
}

#[tokio::test]
async fn the_page_says_what_to_do_shows_what_there_is_and_acts() {
    let api = Api::new().await;
    let page = async |path: &str| api.get(path).await.ok().as_str().unwrap().to_owned();
    let empty = page("/schedules").await;
    assert!(empty.contains("No workflow has a schedule") && empty.contains("drover apply FILE"));
    api.desk.apply(&text("nightly", "time_zone: Europe/Berlin")).await;
    let shown = page("/schedules").await;
    for part in [
        "The nightly",
        "At 03:00",
        "0 3 * * *",
        "Europe/Berlin",
        "Run now",
        "Turn off",
        "aria-current=\"page\">Schedules",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let press = async |action: &str| {
        let request = axum::http::Request::post(format!("/schedules/nightly/{action}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        let answer = api.ask(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.header("location").to_owned()
    };
    assert_eq!(press("disable").await, "/schedules?note=turned_off");
    let off = page("/schedules?note=turned_off").await;
    assert!(off.contains("Turn on") && !off.contains("Turn off") && off.contains("It is off, until"));
    assert_eq!(press("enable").await, "/schedules?note=turned_on");
    let run = press("run").await;
    assert!(run.starts_with("/jobs/") && run.ends_with("?note=submitted"));
    let id = run.trim_start_matches("/jobs/").trim_end_matches("?note=submitted");
    assert!(page("/schedules").await.contains(&format!("/jobs/{id}")));
    assert!(page("/jobs?label=schedule:nightly").await.contains(id));
    assert!(page("/definitions/nightly").await.contains("Scheduled: At 03:00"));
}

#[tokio::test]
async fn earlier_versions_of_a_definition_are_listed_and_shown() {
    let api = nightly().await;
    let page = async |path: &str| api.get(path).await.ok().as_str().unwrap().to_owned();
    assert!(!page("/definitions/nightly").await.contains("Versions"), "there is one");
    let first = api.get("/api/v1/definitions/nightly").await.ok()["hash"].as_str().unwrap()[..12].to_owned();
    api.post("/api/v1/schedules/nightly/run").await.ok();
    api.desk.apply(&text("nightly", "overlap: allow").replace("The nightly", "The newer")).await;
    let current = page("/definitions/nightly").await;
    assert!(
        current.contains("Versions") && current.contains("The newer") && !current.contains("not the current version")
    );
    let row = current.split("<tr").find(|row| row.contains(&first)).unwrap();
    assert!(row.contains("<td class=\"number\">1</td>") && !row.contains("current"), "{row}");
    let earlier = page(&format!("/definitions/nightly?version={first}")).await;
    assert!(earlier.contains("<h1>The nightly</h1>") && earlier.contains("not the current version"));
    assert_eq!(api.get("/definitions/nightly?version=0000").await.status, 404);
    assert_eq!(api.get(&format!("/definitions/other?version={first}")).await.status, 404);
}
