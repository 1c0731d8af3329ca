//! Files of folders: who gets them, and that nothing else is got.

use std::{fs, os::unix::fs::symlink};

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, Api, accounts::asking};
use crate::{
    access::{AccessConfig, Door, Role},
    testing::{Desk, open},
};

/// The API, and a folder that it shows as `media`, beside one that it does not.
async fn showing(access: AccessConfig) -> (Api, TempDir) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("generated");
    fs::create_dir_all(folder.join("7")).unwrap();
    fs::write(root.path().join("secret.jpg"), "secret").unwrap();
    for (name, content) in [
        ("7/thumbnail.jpg", "a picture"),
        ("7/a \"b\"\n<c>.jpg", "an odd name"),
        ("7/page.html", "<script>alert(1)</script>"),
        ("7/.draft.jpg", "half a pic"),
        ("7/sprite.vtt", "WEBVTT"),
        ("7/large.json", "{\"a\": 1}"),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    symlink(root.path().join("secret.jpg"), folder.join("7/link.jpg")).unwrap();
    symlink(root.path(), folder.join("up")).unwrap();
    let desk = Desk::with(|app| {
        app.door = Door::new(app.store.clone(), access);
        app.files.insert("media".into(), folder);
    });
    (Api::of(desk.await, 10).await, root)
}

#[tokio::test]
async fn a_file_is_read_with_its_type_and_can_do_nothing() {
    let (api, _root) = showing(open()).await;
    let answer = api.get("/files/media/7/thumbnail.jpg").await;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!("a picture")));
    assert_eq!((answer.header("content-type"), answer.header("content-length")), ("image/jpeg", "9"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "private, max-age=60, must-revalidate");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("; sandbox allow-same-origin; "), "{policy}");
    assert!(!policy.contains("script"), "{policy}");

    let odd = api.get("/files/media/7/a%20%22b%22%0A%3Cc%3E.jpg").await;
    assert_eq!((odd.status.as_u16(), &odd.body), (200, &json!("an odd name")));
    let page = api.get("/files/media/7/page.html").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "application/octet-stream"));
    assert_eq!(api.get("/files/media/7/sprite.vtt").await.header("content-type"), "text/vtt");
    let json = api.get("/files/media/7/large.json").await;
    assert_eq!(
        (json.header("content-type"), json.header("etag")),
        ("application/json", ""),
        "it is not read to be tagged"
    );
    let policy = api.get("/jobs").await.header("content-security-policy").to_owned();
    assert!(
        policy.contains("img-src 'self';") && policy.contains("script-src 'self'"),
        "pages have their own: {policy}"
    );
}

#[tokio::test]
async fn a_part_of_a_file_and_what_is_known_already_are_asked_for() {
    let (api, _root) = showing(open()).await;
    let ask = async |method: Method, name: &str, value: &str| {
        let request = Request::builder().method(method).uri("/files/media/7/thumbnail.jpg").header(name, value);
        api.ask(request.body(Body::empty()).unwrap()).await
    };
    let part = ask(Method::GET, "range", "bytes=2-4").await;
    assert_eq!((part.status.as_u16(), &part.body, part.header("content-range")), (206, &json!("pic"), "bytes 2-4/9"));
    assert!(part.header("content-security-policy").contains("sandbox"));
    assert_eq!(ask(Method::GET, "range", "bytes=99-").await.status, 416);
    let head = ask(Method::HEAD, "accept", "*/*").await;
    assert_eq!((head.status.as_u16(), &head.body, head.header("content-length")), (200, &json!(""), "9"));
    let since = head.header("last-modified").to_owned();
    assert_eq!(ask(Method::GET, "if-modified-since", &since).await.status, 304);
    ask(Method::POST, "accept", "*/*").await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn nothing_but_the_files_of_the_folder_is_got() {
    let (api, root) = showing(open()).await;
    let absolute = root.path().join("secret.jpg").display().to_string();
    let encoded = absolute.replace('/', "%2F");
    for path in [
        "/files/media/../secret.jpg",
        "/files/media/7/../../secret.jpg",
        "/files/media/%2e%2e/secret.jpg",
        "/files/media/%2E%2E%2Fsecret.jpg",
        "/files/media/7/..%2f..%2fsecret.jpg",
        "/files/media/7/%2e%2e/%2e%2e/secret.jpg",
        "/files/media/.%2e/secret.jpg",
        "/files/media/..%5csecret.jpg",
        "/files/media/%252e%252e/secret.jpg",
        &format!("/files/media/{absolute}"),
        &format!("/files/media/{encoded}"),
        "/files/media/7/link.jpg",
        "/files/media/up/secret.jpg",
        "/files/media/up/generated/7/thumbnail.jpg",
        "/files/media/7/.draft.jpg",
        "/files/media/7/thumbnail.jpg%00",
        "/files/media/7/%00/thumbnail.jpg",
        "/files/media/%ff.jpg",
        "/files/media/7",
        "/files/media/7/",
        "/files/media//7/thumbnail.jpg",
        "/files/media/7/thumbnail.jpg/",
        "/files/media/7/thumbnail.jpg/x",
        "/files/media/absent.jpg",
        "/files/other/7/thumbnail.jpg",
        "/files/..%2fmedia/7/thumbnail.jpg",
        "/files/media/",
        "/files/media",
        "/files/",
        "/files",
    ] {
        let answer = api.get(path).await;
        answer.problem(404, "not_found");
        assert!(!answer.body.to_string().contains("secret"), "{path}: {}", answer.body);
        assert!(answer.header("content-security-policy").contains("script-src 'self'"), "an answer of ours: {path}");
    }
    let person = Request::get("/files/media/absent.jpg").header("accept", "text/html,*/*").body(Body::empty()).unwrap();
    let page = api.ask(person).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(page.body.as_str().unwrap().contains("there is no such file"), "{}", page.body);
    let none = Api::new().await;
    none.get("/files/media/7/thumbnail.jpg").await.problem(404, "not_found");
}

#[tokio::test]
async fn whoever_may_read_gets_files_and_nobody_else() {
    let (api, _root) = showing(asking()).await;
    let path = "/files/media/7/thumbnail.jpg";
    api.get(path).await.problem(401, "unauthenticated");
    api.get("/files/media/absent.jpg").await.problem(401, "unauthenticated");
    let person = Request::get(path).header("accept", "text/html").body(Body::empty()).unwrap();
    let led = api.ask(person).await;
    assert_eq!(
        (led.status.as_u16(), led.header("location")),
        (303, "/login?next=%2Ffiles%2Fmedia%2F7%2Fthumbnail.jpg")
    );
    for role in Role::ALL {
        let token = api.token(role.as_str(), role).await;
        let answer: Answer = api.ask_as(&token, Method::GET, path, &Value::Null).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &json!("a picture")), "{role}");
    }
    let refused = Request::get(path).header("authorization", "Bearer drover_guess").body(Body::empty()).unwrap();
    api.ask(refused).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_result_shows_its_pictures_to_whoever_reads_the_page() {
    let (api, _root) = showing(open()).await;
    let id = api.submit(json!({ "type": "validate" })).await;
    let scene =
        json!({ "scene_id": 7, "thumbnail": "/files/media/7/thumbnail.jpg", "vtt": "/files/media/7/sprite.vtt" });
    api.desk.complete(id, json!({ "previews": [scene], "note": "</ul><script>/files/media/7/x.jpg" })).await;
    let answer = api.get(&format!("/jobs/{id}")).await;
    let page = answer.body.as_str().unwrap();
    assert!(page.contains("<img src=\"/files/media/7/thumbnail.jpg\" alt=\"thumbnail 7/thumbnail.jpg\""), "{page}");
    assert!(page.contains("<a href=\"/files/media/7/sprite.vtt\""), "{page}");
    assert_eq!(page.matches("src=\"/files/").count(), 1, "{page}");
    assert!(answer.header("content-security-policy").contains("img-src 'self';"));
}
