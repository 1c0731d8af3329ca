//! `/api/v1/definitions`

use axum::http::Request;
use serde_json::{Value, json};

use super::{Answer, Api, IMPORT, redacted};

async fn put(api: &Api, path: &str, content_type: &str, text: &str) -> Answer {
    api.ask(Request::put(path).header("content-type", content_type).body(text.to_owned().into()).unwrap()).await
}

const DEFINITIONS: &str = "/api/v1/definitions";

#[tokio::test]
async fn a_definition_is_registered_once_and_read_back() {
    let api = Api::new().await;
    let first = put(&api, DEFINITIONS, "application/yaml", IMPORT).await;
    assert_eq!(
        (first.status.as_u16(), &first.body["name"], &first.body["changed"]),
        (201, &json!("import"), &json!(true))
    );
    let again = put(&api, DEFINITIONS, "text/yaml; charset=utf-8", IMPORT).await;
    assert_eq!((again.status.as_u16(), &again.body["changed"]), (200, &json!(false)));
    assert_eq!(again.body["hash"], first.body["hash"]);

    let list = api.get(DEFINITIONS).await.ok();
    insta::assert_json_snapshot!("definitions", redacted(&list));
    let one = api.get("/api/v1/definitions/import").await.ok();
    assert_eq!(one["hash"], first.body["hash"]);
    assert_eq!(one["input"]["required"], json!(["files"]));
    assert_eq!(one["definition"]["steps"][1]["key"], "load");

    let changed = put(&api, DEFINITIONS, "application/yaml", &IMPORT.replace("Data import", "Other")).await;
    assert_eq!((changed.status.as_u16(), &changed.body["changed"]), (201, &json!(true)));
    assert_ne!(changed.body["hash"], first.body["hash"]);
    assert_eq!(api.get("/api/v1/definitions/import").await.ok()["title"], "Other");

    let versions = api.get("/api/v1/definitions/import/versions").await.ok();
    let listed = |index: usize| (&versions["versions"][index]["title"], &versions["versions"][index]["is_current"]);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2, "{versions}");
    assert_eq!((listed(0), listed(1)), ((&json!("Other"), &json!(true)), (&json!("Data import"), &json!(false))));
    let hash = first.body["hash"].as_str().unwrap();
    let short = hash.get(..12).unwrap();
    let earlier = api.get(&format!("/api/v1/definitions/import?version={short}")).await.ok();
    assert_eq!((&earlier["title"], &earlier["hash"]), (&json!("Data import"), &json!(hash)));
    let missing = api.get("/api/v1/definitions/import?version=no").await;
    assert!(missing.problem(404, "not_found").contains("/api/v1/definitions/import/versions"));
    api.get("/api/v1/definitions/none/versions").await.problem(404, "not_found");
}

#[tokio::test]
async fn json_is_taken_as_well_and_a_name_in_the_address_must_be_the_documents_own() {
    let api = Api::new().await;
    let document = json!({ "name": "one", "title": "One", "steps": [{ "key": "a", "title": "A", "job": "validate" }] });
    let made = put(&api, "/api/v1/definitions/one", "application/json", &document.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let refused = put(&api, "/api/v1/definitions/two", "application/json", &document.to_string()).await;
    assert!(refused.problem(400, "malformed").contains("one"));
    assert_eq!(refused.body["field"], "/name");
    api.get("/api/v1/definitions/two").await.problem(404, "not_found");
}

#[tokio::test]
async fn every_error_has_its_line_column_and_key() {
    let api = Api::new().await;
    let text = "name: typo\ntitle: Typo\nsteps:\n  - key: a\n    title: A\n    job: validate\n    max_paralel: 3\n  - key: a\n    title: B\n    job: validate\n    if: '${1 +}'\n";
    let refused = put(&api, "/api/v1/definitions?source=typo.yaml", "application/yaml", text).await;
    refused.problem(422, "invalid_definition");
    let errors = refused.body["errors"].as_array().unwrap();
    let lines: Vec<u64> = errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert!(lines.contains(&7) && lines.contains(&8) && lines.contains(&11), "{errors:#?}");
    assert!(errors.iter().all(|error| error["source"] == "typo.yaml" && error["column"].as_u64() > Some(0)));
    let unknown = errors.iter().find(|error| error["line"] == 7).unwrap();
    assert!(unknown["path"].as_str().unwrap().starts_with("steps[0]"), "{unknown}");
    assert!(unknown["message"].as_str().unwrap().contains("max_parallel"), "{unknown}");
    assert_eq!(api.get(DEFINITIONS).await.ok()["definitions"], json!([]), "nothing is registered");
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let api = Api::new().await;
    let form = put(&api, DEFINITIONS, "application/x-www-form-urlencoded", IMPORT).await;
    assert!(form.problem(415, "unsupported_media_type").contains("application/yaml"));
    let large = format!("{IMPORT}# {}", "x".repeat(256 * 1024));
    assert!(put(&api, DEFINITIONS, "text/yaml", &large).await.problem(413, "too_large").contains("262144"));
    let latin = Request::put(DEFINITIONS).header("content-type", "text/yaml").body(vec![0xe4, b'\n'].into()).unwrap();
    assert!(api.ask(latin).await.problem(400, "malformed").contains("UTF-8"));
    put(&api, DEFINITIONS, "text/yaml", "").await.problem(422, "invalid_definition");
    let nul = put(&api, "/api/v1/definitions?source=a%00b", "text/yaml", IMPORT).await;
    assert!(nul.problem(400, "malformed").contains("source"));
    let long = put(&api, &format!("/api/v1/definitions?source={}", "s".repeat(1_001)), "text/yaml", IMPORT).await;
    assert_eq!(long.body["field"], "source");
    for text in ["name: \"a\\0b\"", "name: x\ntitle: \"a\\0b\"\nsteps: [{key: a, title: A, job: validate}]\n"] {
        put(&api, DEFINITIONS, "text/yaml", text).await.problem(422, "invalid_definition");
    }
    api.get("/api/v1/definitions/a%00b").await.problem(400, "malformed");
    assert_eq!(api.get(DEFINITIONS).await.ok()["definitions"].as_array().map(Vec::len), Some(0));
    let _: Value = api.get("/api/v1/jobs").await.ok();
}
