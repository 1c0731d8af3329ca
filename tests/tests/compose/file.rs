//! The file itself: read as Compose reads it, and held against the schema of the Compose Specification.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

/// Variables, as the environment or a file `.env` sets them.
pub(crate) type Variables = BTreeMap<String, String>;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The file, with variables filled in.
pub(crate) struct Compose(pub(crate) Value);

impl Compose {
    pub(crate) fn read(variables: &Variables) -> Self {
        Self::parse(&text("docker-compose.yml"), variables)
    }

    pub(crate) fn parse(text: &str, variables: &Variables) -> Self {
        let mut file: Value = serde_saphyr::from_str(text).expect("YAML");
        fill_in(&mut file, variables);
        Self(file)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0["services"].as_object().expect("services").iter()
    }

    pub(crate) fn service(&self, name: &str) -> &Value {
        let service = &self.0["services"][name];
        assert!(service.is_object(), "no service {name}");
        service
    }

    /// Program and arguments.
    pub(crate) fn command(&self, service: &str) -> Vec<String> {
        strings(&self.service(service)["command"])
    }

    pub(crate) fn environment(&self, service: &str) -> Vec<(String, String)> {
        let environment = self.service(service)["environment"].as_object().expect("an environment");
        environment.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
    }

    /// A variable of a service.
    pub(crate) fn variable(&self, service: &str, name: &str) -> String {
        let found = self.environment(service).into_iter().find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("{service} has no {name}")).1
    }

    /// What the container's health check runs.
    pub(crate) fn health_check(&self, service: &str) -> Vec<String> {
        let mut test = strings(&self.service(service)["healthcheck"]["test"]);
        assert_eq!(test.remove(0), "CMD", "no image of these needs a shell for it");
        test
    }

    /// RabbitMQ's users and rights: the file that its configuration names.
    pub(crate) fn definitions(&self) -> Value {
        let config = |target: &str| {
            let mounts = self.service("rabbitmq")["configs"].as_array().expect("configs");
            let mount = mounts.iter().find(|mount| mount["target"] == target).unwrap_or_else(|| panic!("no {target}"));
            self.0["configs"][mount["source"].as_str().expect("a name")]["content"].as_str().expect("a text")
        };
        let loaded = config("/etc/rabbitmq/conf.d/20-drover.conf").trim();
        let target = loaded.strip_prefix("load_definitions = ").expect("it loads definitions, and that is all");
        serde_json::from_str(config(target)).expect("JSON")
    }
}

pub(crate) fn strings(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|item| item.as_str().expect("a text").to_owned()).collect()
}

fn fill_in(value: &mut Value, variables: &Variables) {
    match value {
        Value::String(text) => *text = interpolate(text, variables),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, variables)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_in(field, variables)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The part of Compose's interpolation that the file uses: `$$` and `${NAME:-default}`. Anything else is a mistake here.
fn interpolate(text: &str, variables: &Variables) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let (inner, after) = after.strip_prefix('{').and_then(|after| after.split_once('}')).expect("${…}");
        let (name, default) = inner.split_once(":-").expect("a default, or `docker compose up` does not work at once");
        filled.push_str(variables.get(name).filter(|value| !value.is_empty()).map_or(default, String::as_str));
        rest = after;
    }
    filled + rest
}

/// What the schema says against a file.
pub(crate) fn misfits(compose: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(&text("tests/schemas/compose-spec.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    validator.iter_errors(compose).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_file_fits_the_compose_specification() {
    let mut file = Compose::read(&Variables::new()).0;
    assert_eq!(misfits(&file), [""; 0]);
    // The schema is not one that lets everything pass.
    file["services"]["postgres"]["helthcheck"] = json!({});
    file["services"]["rabbitmq"]["cap_drop"] = json!("ALL");
    let misfits = misfits(&file);
    assert!(misfits.iter().any(|misfit| misfit.contains("helthcheck")), "{misfits:?}");
    assert!(misfits.iter().any(|misfit| misfit.starts_with("/services/rabbitmq/cap_drop")), "{misfits:?}");
}

#[test]
fn every_port_is_published_on_loopback_only() {
    let compose = Compose::read(&Variables::new());
    let ports = compose.services().flat_map(|(_, service)| service["ports"].as_array().into_iter().flatten());
    let ports: Vec<&str> = ports.map(|port| port.as_str().expect("a text")).collect();
    assert_eq!(ports.len(), 4, "AMQP, management and two orchestrators: {ports:?}");
    assert!(ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{ports:?}");
}

#[test]
fn what_is_named_is_there() {
    let compose = Compose::read(&Variables::new());
    for (name, service) in compose.services() {
        for mount in service["volumes"].as_array().into_iter().flatten() {
            let source = mount.as_str().expect("a text").split(':').next().expect("a source");
            let there = if source.starts_with("./") {
                root().join(source).is_file()
            } else {
                compose.0["volumes"].get(source).is_some()
            };
            assert!(there, "{name}: {source}");
        }
        let networks = strings(&service["networks"]);
        assert!(networks.iter().all(|network| compose.0["networks"].get(network).is_some()), "{name}: {networks:?}");
        for dependency in service["depends_on"].as_object().into_iter().flat_map(|all| all.iter()) {
            let (other, how) = dependency;
            match how["condition"].as_str() {
                Some("service_healthy") => drop(compose.health_check(other)),
                Some("service_completed_successfully") => {
                    assert!(compose.service(other)["restart"].is_null(), "{other} ends");
                }
                how => panic!("{name} on {other}: {how:?}"),
            }
        }
    }
    let built: Vec<&str> =
        compose.services().filter(|(_, service)| !service["build"].is_null()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(built, ["media-worker", "migrate"], "one service builds each image, the others use it");
    for worker in ["import-worker", "media-worker"] {
        assert!(!strings(&compose.service(worker)["networks"]).contains(&"database".to_owned()), "{worker}");
    }
}

#[test]
fn orchestrators_show_the_previews_of_the_media_worker_and_cannot_write_them() {
    let compose = Compose::read(&Variables::new());
    let generated = compose.variable("media-worker", "DROVER_MEDIA_GENERATED");
    let name = compose.variable("media-worker", "DROVER_MEDIA_FILES_URL");
    let name = name.strip_prefix("/files/").expect("an address of the orchestrators");
    let volume = |service: &str, access: &str| {
        let mounts = strings(&compose.service(service)["volumes"]);
        let end = format!(":{generated}{access}");
        mounts.iter().find_map(|mount| mount.strip_suffix(&end)).map(str::to_owned)
    };
    let written = volume("media-worker", "").expect("it writes them");
    for orchestrator in ["orchestrator-1", "orchestrator-2"] {
        let shown = compose.variable(orchestrator, &format!("DROVER__FILES__{}", name.to_uppercase()));
        assert_eq!((&shown, volume(orchestrator, ":ro")), (&generated, Some(written.clone())));
        assert_eq!(strings(&compose.service(orchestrator)["volumes"]).len(), 1, "and reads nothing else of it");
    }
    let owner = format!("--chown=65532:65532 /out/media-data/generated {generated}");
    assert!(text("Dockerfile").contains(&owner), "the volume has the same owner, whoever comes first");
}

#[test]
fn the_image_has_what_the_services_run() {
    let compose = Compose::read(&Variables::new());
    let dockerfile = text("Dockerfile");
    let ours = |image: &Value| image == "drover" || image == "drover-media";
    for (name, service) in compose.services().filter(|(_, service)| ours(&service["image"])) {
        let program = &compose.command(name)[0];
        assert!(dockerfile.contains(&format!("target/release/{program}")), "{name}: {program}");
        assert!(dockerfile.contains(&format!("--bin {program}")), "{name}: {program}");
        if !service["healthcheck"].is_null() {
            assert_eq!(compose.health_check(name)[0], "drover");
        }
    }
    assert!(dockerfile.contains("target/release/drover \\\n") || dockerfile.contains("target/release/drover "));
    assert!(dockerfile.contains("\nCOPY workflows /etc/drover/workflows\n"));
    let users: Vec<&str> = dockerfile.lines().filter_map(|line| line.strip_prefix("USER ")).collect();
    assert_eq!(users.len(), 2, "one for each image");
    for (user, data) in users.iter().zip(["/out/media-data /media", "/out/data /data"]) {
        assert!(!user.contains("root") && !user.starts_with('0'), "{user}");
        assert!(dockerfile.contains(&format!("--chown={user} {data}")));
    }
    assert_eq!(compose.service("media-worker")["build"]["target"], "media");
    let (_, media) = dockerfile.split_once(" AS media\n").expect("the stage");
    assert!(media.contains("ffmpeg"), "what it works with");
    let ignored = text(".dockerignore");
    for needed in ["Cargo.toml", "migrations", "workflows", "LICENSE-MIT"] {
        assert!(ignored.lines().all(|line| line.trim_matches('/') != needed), "{needed}");
    }
}
