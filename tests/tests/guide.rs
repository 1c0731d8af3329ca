//! The guide `docs/adding-a-workflow-job.md`: what it shows is what is there, and every command of it runs.

use std::{fs, path::PathBuf, process::Command};

use drover_tests::{Database, Vhost, binary, free_port, servers};

struct Block {
    language: String,
    about: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn blocks() -> Vec<Block> {
    let guide = fs::read_to_string(root().join("docs/adding-a-workflow-job.md")).expect("the guide");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in guide.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let (language, about) = info.split_once(' ').unwrap_or((info, ""));
                open = Some(Block { language: language.into(), about: about.into(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn what_the_guide_shows_is_what_is_there() {
    let shown: Vec<Block> = blocks().into_iter().filter(|block| block.about.starts_with("file=")).collect();
    assert_eq!(shown.len(), 3);
    for block in shown {
        let file = block.about.trim_start_matches("file=");
        let text = fs::read_to_string(root().join(file)).expect(file);
        assert!(text.contains(&block.text), "{file} is not what the {} block of the guide shows", block.language);
    }
}

/// The `setup` block starts the servers and builds: the harness has done both, for a database and a vhost of this test.
#[tokio::test]
async fn every_command_of_the_guide_runs() {
    servers().await.expect("the servers");
    let (database, vhost) = (Database::create().await.expect("a database"), Vhost::create().await.expect("a vhost"));
    let address = format!("127.0.0.1:{}", free_port().expect("a port"));
    let programs = binary("drover").expect("built").parent().expect("a folder").display().to_string();
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n");
    for block in blocks().iter().filter(|block| block.language == "sh" && block.about.is_empty()) {
        script.push_str(&block.text);
        if block.text.contains("drover-orchestrator &") {
            // A person types slower than a process starts.
            script.push_str(
                "timeout 60 bash -c 'until curl -sf $DROVER_URL/healthz/ready && drover types | grep -q count_words; do sleep 0.1; done'\n",
            );
        }
    }
    let output = Command::new("timeout")
        .args(["240", "bash", "-c", &script])
        .current_dir(root())
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()))
        .env("DROVER__AMQP__URL", vhost.url())
        .env("DROVER__DATABASE__URL", database.url())
        .env("DROVER__HTTP__LISTEN", &address)
        .env("DROVER_URL", format!("http://{address}"))
        .output()
        .expect("bash runs");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n--- stdout\n{out}\n--- stderr\n{error}");
    assert!(out.contains(" approved at ") && out.contains(": it is the right file"), "{out}\n{error}");
    assert!(out.contains("Count words") || error.contains("Count words"), "the steps are shown\n{out}\n{error}");
}
