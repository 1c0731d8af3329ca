//! Browsers that log in.

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};

use super::{Answer, Api, accounts::CONFIGURED};
use crate::access::Role;

/// A browser without scripts.
struct Browser<'a> {
    api: &'a Api,
    cookie: String,
}

impl<'a> Browser<'a> {
    /// Logs in; the answer's cookie is kept.
    async fn log_in(api: &'a Api, token: &str) -> Self {
        let answer = form(api, "/login", &[("token", token), ("next", "/jobs?status=failed")], &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (303, "/jobs?status=failed"),
            "{}",
            answer.body
        );
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { api, cookie }
    }

    async fn get(&self, path: &str) -> Answer {
        self.api.ask(Request::get(path).header("cookie", &self.cookie).body(Body::empty()).unwrap()).await
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body.as_str().unwrap().to_owned()
    }

    /// Presses a button of a page of this address.
    async fn press(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        form(self.api, path, fields, &[("cookie", &self.cookie), ("sec-fetch-site", "same-origin")]).await
    }
}

async fn form(api: &Api, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    api.ask(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn pages_lead_to_the_log_in_page_and_from_there_to_where_somebody_wanted() {
    let api = Api::asking().await;
    let led = api.get("/jobs?status=failed").await;
    assert_eq!((led.status.as_u16(), led.header("location")), (303, "/login?next=%2Fjobs%3Fstatus%3Dfailed"));
    let page = api.get(led.header("location")).await;
    assert_eq!(page.status, 200);
    let html = page.body.as_str().unwrap();
    assert!(
        html.contains("name=\"next\" value=\"/jobs?status=failed\"") && html.contains("type=\"password\""),
        "{html}"
    );
    assert!(!html.contains("href=\"/jobs\""), "nobody is shown around: {html}");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let token = api.token("ann", Role::Viewer).await;
        let answer = form(&api, "/login", &[("token", &token), ("next", elsewhere)], &[]).await;
        assert_eq!(answer.header("location"), "/", "{elsewhere}");
        let tokens = api.desk.app.store.view_tokens(1).await.unwrap();
        api.desk.app.door.revoke_token(tokens[0]["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
    }
    let wrong = form(&api, "/login", &[("token", "drover_x"), ("next", "/dead")], &[]).await;
    assert_eq!((wrong.status.as_u16(), wrong.header("set-cookie")), (401, ""));
    let html = wrong.body.as_str().unwrap();
    assert!(html.contains("unknown, expired or revoked") && html.contains("value=\"/dead\""), "{html}");
    let linked = Request::get("/login?next=/jobs").header("sec-fetch-site", "cross-site").body(Body::empty());
    let html = api.ask(linked.unwrap()).await.body;
    let again = "<meta http-equiv=\"refresh\" content=\"0; url=/jobs\">";
    assert!(html.as_str().unwrap().contains(again), "a link of another site brings no cookie: {html}");
    assert_eq!(Api::new().await.get("/login?next=/jobs").await.header("location"), "/jobs", "where nobody is asked");
}

#[tokio::test]
async fn the_cookie_is_for_pages_of_this_address_alone_and_its_secret_is_kept_nowhere() {
    let api = Api::asking().await;
    let token = api.token("ann", Role::Operator).await;
    let given =
        form(&api, "/login", &[("token", &token)], &[("origin", "https://drover.example"), ("host", "drover.example")])
            .await;
    let cookie = given.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains(&token[7..]), "a session is not its token");
    let secret = cookie.split(['=', ';']).nth(1).unwrap();
    let client = api.desk.database.connect().await.unwrap();
    let kept: String = client.query_one("SELECT json_agg(s)::text FROM sessions s", &[]).await.unwrap().get(0);
    assert!(!kept.contains(secret), "{kept}");

    let browser = Browser::log_in(&api, &token).await;
    let id = api.desk.submit("validate").await;
    let cancel = format!("/jobs/{id}/cancel");
    for (headers, why) in [
        (&[][..], "nothing says that this came"),
        (&[("sec-fetch-site", "cross-site")][..], "another site"),
        (&[("sec-fetch-site", "same-site")][..], "another site"),
        (&[("origin", "http://evil.example"), ("host", "127.0.0.1")][..], "another site"),
    ] {
        for path in [cancel.clone(), format!("/api/v1{cancel}")] {
            let refused = form(&api, &path, &[], &[headers, &[("cookie", &*browser.cookie)]].concat()).await;
            assert_eq!(refused.status, 403, "{path} {headers:?}");
            assert!(refused.body.to_string().contains(why), "{path} {headers:?}: {}", refused.body);
        }
    }
    assert_eq!(api.desk.app.store.view_job(id, true).await.unwrap().unwrap().status.as_str(), "pending");
    assert!(browser.press(&cancel, &[]).await.header("location").ends_with("note=cancelled"));
    assert_eq!(browser.get("/api/v1/jobs").await.status, 200, "what pages fetch");
}

#[tokio::test]
async fn a_session_ends_with_the_log_out_with_its_token_and_with_its_time() {
    let api = Api::asking().await;
    let token = api.token("ann", Role::Viewer).await;
    let (first, second, third) = (
        Browser::log_in(&api, &token).await,
        Browser::log_in(&api, &token).await,
        Browser::log_in(&api, CONFIGURED).await,
    );
    let out = first.press("/logout", &[]).await;
    assert_eq!((out.header("location"), out.header("set-cookie").contains("Max-Age=0")), ("/login", true));
    assert_eq!((first.get("/jobs").await.status.as_u16(), second.get("/jobs").await.status.as_u16()), (303, 200));
    let again = first.press("/logout", &[]).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (303, "/login"), "to log out twice is no error");

    let id = api.desk.app.store.view_tokens(1).await.unwrap()[0]["id"].as_str().unwrap().parse().unwrap();
    api.desk.app.door.revoke_token(id).await.unwrap();
    assert_eq!(second.get("/jobs").await.header("location"), "/login?next=%2Fjobs");
    assert_eq!(second.press("/queues/pause", &[]).await.header("location"), "/login");
    second.get("/api/v1/jobs").await.problem(401, "unauthenticated");

    assert_eq!(third.get("/jobs").await.status, 200);
    let client = api.desk.database.connect().await.unwrap();
    client.execute("UPDATE sessions SET expires_at = clock_timestamp()", &[]).await.unwrap();
    let other = crate::access::Door::new(api.desk.app.store.clone(), super::accounts::asking());
    let cookie = crate::access::Hash::of(third.cookie.split_once('=').unwrap().1);
    assert!(other.caller(crate::access::Offered::Session(cookie), None).await.is_err(), "at another replica");
    api.desk.app.store.delete_old_sessions(10).await.unwrap();
    let left: i64 = client.query_one("SELECT count(*) FROM sessions", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_page_offers_what_the_role_may_and_says_who_is_logged_in() {
    let api = Api::asking().await;
    api.desk.apply(super::IMPORT).await;
    let id = api.desk.submit("validate").await;
    let viewer = Browser::log_in(&api, &api.token("vic", Role::Viewer).await).await;
    let operator = Browser::log_in(&api, &api.token("olga", Role::Operator).await).await;
    let admin = Browser::log_in(&api, &api.token("ann", Role::Admin).await).await;
    let job = format!("/jobs/{id}");
    let offers = [
        ("/", format!("{job}/cancel"), [false, true, true]),
        ("/", "href=\"/run\"".into(), [false, true, true]),
        ("/", "href=\"/tokens\"".into(), [false, false, true]),
        ("/", "href=\"/audit\"".into(), [false, false, true]),
        ("/jobs", "name=\"action\"".into(), [false, true, true]),
        (&job, format!("{job}/pause"), [false, true, true]),
        ("/queues", "/queues/pause".into(), [false, true, true]),
        ("/definitions", "/run/import".into(), [false, true, true]),
        ("/run/import", "<button class=\"primary\">Run".into(), [false, true, true]),
    ];
    for (path, part, who) in offers {
        for (browser, may) in [&viewer, &operator, &admin].into_iter().zip(who) {
            assert_eq!(browser.page(path).await.contains(&part), may, "{path} {part}");
        }
    }
    for (browser, name, role) in [(&viewer, "vic", "viewer"), (&admin, "ann", "admin")] {
        let page = browser.page("/jobs").await;
        assert!(page.contains(&format!("<strong>{name}</strong>")) && page.contains(role), "{page}");
        assert!(page.contains("action=\"/logout\""), "{page}");
    }
    let refused = viewer.press(&format!("{job}/cancel"), &[]).await;
    assert_eq!(refused.status, 403);
    let html = refused.body.as_str().unwrap();
    assert!(html.contains("this takes the role operator, and the token vic has the role viewer"), "{html}");
    let seen = operator.get("/tokens").await;
    assert!(seen.status == 403 && seen.body.as_str().unwrap().contains("takes the role admin"), "{}", seen.body);
    assert!(
        !Api::new().await.get("/").await.body.as_str().unwrap().contains("href=\"/tokens\""),
        "where nobody is asked"
    );
}

#[tokio::test]
async fn an_admin_makes_and_revokes_tokens_on_a_page_and_reads_who_did_what() {
    let api = Api::asking().await;
    let admin = Browser::log_in(&api, CONFIGURED).await;
    assert!(admin.page("/tokens").await.contains("There are none"));
    let fields = [("name", "ci"), ("role", "submitter"), ("lasts", "30d"), ("requests_per_minute", "60")];
    let made = admin.press("/tokens", &fields).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let html = made.body.as_str().unwrap();
    let token = html.split("<code>").find_map(|part| part.strip_prefix("drover_")?.split('<').next()).unwrap();
    let token = format!("drover_{token}");
    assert_eq!(api.ask_as(&token, Method::GET, "/api/v1/jobs", &Value::Null).await.status, 200);
    let page = admin.page("/tokens").await;
    assert!(page.contains("ci</a>") && page.contains("submitter") && !page.contains(&token), "{page}");
    for (bad, words) in [
        (&fields[..], "already"),
        (&[("name", "a b"), ("role", "viewer")][..], "is no name of a token"),
        (&[("name", "b"), ("role", "root")][..], "role: it must be"),
        (&[("name", "b"), ("role", "viewer"), ("lasts", "for ever")][..], "lasts: it must be"),
    ] {
        let refused = admin.press("/tokens", bad).await;
        assert!(refused.status.is_client_error() && refused.body.as_str().unwrap().contains(words), "{}", refused.body);
    }
    let id = api.desk.app.store.view_tokens(1).await.unwrap()[0]["id"].as_str().unwrap().to_owned();
    let revoked = admin.press(&format!("/tokens/{id}/revoke"), &[]).await;
    assert_eq!(revoked.header("location"), "/tokens?note=revoked");
    assert_eq!(api.ask_as(&token, Method::GET, "/api/v1/jobs", &Value::Null).await.status, 401);
    let page = admin.page("/audit?name=config").await;
    for words in ["<code>create_token</code>", "<code>revoke_token</code>", "<code>log_in</code>", "submitter"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("drover_"), "{page}");
    let lines = api.audit().await;
    let made = lines.iter().find(|line| line["action"] == "create_token" && line["status"] == 201).unwrap();
    assert_eq!((&made["target"], &made["detail"]["role"]), (&json!("ci"), &json!("submitter")));
}
