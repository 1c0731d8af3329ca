//! Workflow definitions.

use drover_engine::definition::Definition;
use serde_json::json;

pub(super) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Definition::parse("fuzz.yaml", &text) {
        Ok(definition) => {
            let stored = definition.to_json();
            match Definition::from_json("stored", stored) {
                Ok(read) => assert_eq!(
                    (&read.hash, read.to_json()),
                    (&definition.hash, stored),
                    "it is stored as something else"
                ),
                Err(error) => panic!("what was stored cannot be read: {error}"),
            }
            for params in [json!({}), json!(null), json!({ "import_path": "/in", "files": [1, "two", null] })] {
                if let Err(errors) = definition.validate_input(params) {
                    assert!(errors.iter().all(|error| !error.message.is_empty()));
                }
            }
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            // To YAML a carriage return ends a line, too.
            let lines = u64::try_from(text.split(['\n', '\r']).count()).unwrap_or(u64::MAX);
            for problem in &error.problems {
                assert!(!problem.message.is_empty(), "a problem without a word");
                assert!(problem.line <= lines, "line {} of {lines}: {}", problem.line, problem.message);
            }
        }
    }
}
