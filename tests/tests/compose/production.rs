//! What docs/deployment.md shows.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::{Value, json};

use crate::file::{Compose, Variables, misfits, text};

fn block(language: &str) -> String {
    let page = text("docs/deployment.md");
    let (_, from) = page.split_once(&format!("\n```{language}\n")).expect("a block");
    from.split_once("\n```").expect("its end").0.to_owned()
}

/// Whether a variable is the address of a server, which has a password.
fn is_of_a_server(name: &str) -> bool {
    name.ends_with("_URL") && name != "DROVER_MEDIA_FILES_URL"
}

/// Every variable of the file.
fn variables() -> BTreeSet<String> {
    let file = text("docker-compose.yml");
    let names = file.split("${").skip(1).filter_map(|rest| rest.split(":-").next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_commands_set_every_password_and_none_of_the_defaults_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new("bash").args(["-euc", &block("sh")]).current_dir(&folder).status().expect("bash runs");
    assert!(status.success());
    let file = fs::read_to_string(folder.path().join(".env")).expect("written");
    let set: Variables =
        file.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect();
    assert_eq!(set.keys().cloned().collect::<BTreeSet<_>>(), variables());
    assert!(set.values().all(|password| password.len() == 48), "{set:?}");
    let page = text("docs/deployment.md");
    assert!(set.keys().all(|name| page.contains(&format!("| `{name}` |"))), "each is explained");

    let (tried, own) = (Compose::read(&Variables::new()), Compose::read(&set));
    for definitions in [tried.definitions(), own.definitions()] {
        for list in ["users", "permissions"] {
            assert_eq!(definitions[list].as_array().map(Vec::len), Some(5), "{definitions}");
        }
    }
    let filled_in = own.0.to_string();
    assert!(set.values().all(|password| filled_in.contains(password.as_str())), "each is used");
    let token = own.variable("orchestrator-1", "DROVER__HTTP__ADMIN_TOKEN");
    assert_eq!((&token, &token), (&set["DROVER_ADMIN_TOKEN"], &own.variable("orchestrator-2", "DROVER_TOKEN")));
    for user in own.definitions()["users"].as_array().expect("users") {
        assert!(set.values().any(|password| user["password"] == **password), "{user}");
    }
    for service in ["migrate", "orchestrator-1", "orchestrator-2", "import-worker", "media-worker"] {
        for (name, value) in own.environment(service).iter().filter(|(name, _)| is_of_a_server(name)) {
            let url = reqwest::Url::parse(value).expect("a URL");
            assert!(set.values().any(|password| url.password() == Some(password)), "{service}: {name}");
        }
    }
}

#[test]
fn each_address_has_the_password_that_its_server_knows() {
    for variables in [Variables::new(), variables().into_iter().map(|name| (name.clone(), name)).collect()] {
        let compose = Compose::read(&variables);
        let definitions = compose.definitions();
        let postgres: Variables = compose.environment("postgres").into_iter().collect();
        for service in ["migrate", "orchestrator-1", "orchestrator-2", "import-worker", "media-worker"] {
            for (_, value) in compose.environment(service).iter().filter(|(name, _)| is_of_a_server(name)) {
                let url = reqwest::Url::parse(value).expect("a URL");
                let known = match (url.scheme(), url.username()) {
                    ("postgres", "drover_owner") => postgres["DROVER_OWNER_PASSWORD"].clone(),
                    ("postgres", "drover") => postgres["DROVER_DATABASE_PASSWORD"].clone(),
                    ("postgres", "drover_media") => postgres["DROVER_MEDIA_PASSWORD"].clone(),
                    ("amqp", user) => {
                        let users = definitions["users"].as_array().expect("users");
                        let entry = users.iter().find(|entry| entry["name"] == user).expect("a user");
                        entry["password"].as_str().expect("a password").to_owned()
                    }
                    other => panic!("{service}: {other:?}"),
                };
                assert_eq!(url.password(), Some(known.as_str()), "{service}");
            }
        }
    }
}

#[test]
fn the_override_with_secrets_fits_the_specification_and_takes_the_address_away() {
    let shown = block("yaml");
    let reset = "      DROVER__AMQP__URL: !reset null\n";
    assert!(shown.contains(reset), "{shown}");
    let file: Value = serde_saphyr::from_str(&shown.replace(reset, "")).expect("YAML");
    assert_eq!(misfits(&file), [""; 0]);
    let worker = &file["services"]["import-worker"];
    assert_eq!(worker["secrets"], json!(["worker-amqp-url"]));
    assert_eq!(worker["environment"]["DROVER__AMQP__URL_FILE"], "/run/secrets/worker-amqp-url");
    assert!(file["secrets"].get("worker-amqp-url").is_some());
}
