//! What the pages load: one style sheet, one script, one icon, all within this program.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::http::Problem;

/// A year: an address with another content is another address.
const CACHE: &str = "public, max-age=31536000, immutable";

/// A file of the pages.
struct Asset {
    stem: &'static str,
    ending: &'static str,
    kind: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        stem: "drover",
        ending: "css",
        kind: "text/css; charset=utf-8",
        content: include_str!("assets/drover.css"),
    },
    Asset {
        stem: "drover",
        ending: "js",
        kind: "text/javascript; charset=utf-8",
        content: include_str!("assets/drover.js"),
    },
    Asset { stem: "icon", ending: "svg", kind: "image/svg+xml", content: include_str!("assets/icon.svg") },
];

/// Their names, each with the beginning of its content's hash.
static NAMES: LazyLock<[String; 3]> = LazyLock::new(|| ASSETS.each_ref().map(Asset::name));

impl Asset {
    fn name(&self) -> String {
        let digest = Sha256::digest(self.content.as_bytes());
        let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{hash}.{}", self.stem, self.ending)
    }
}

/// The address of the style sheet.
pub(super) fn style() -> String {
    format!("/assets/{}", NAMES[0])
}

/// The address of the script.
pub(super) fn script() -> String {
    format!("/assets/{}", NAMES[1])
}

/// The address of the icon.
pub(super) fn icon() -> String {
    format!("/assets/{}", NAMES[2])
}

/// `GET /assets/{name}`
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    match NAMES.iter().zip(&ASSETS).find(|(known, _)| **known == name) {
        Some((_, asset)) => {
            ([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, CACHE)], asset.content).into_response()
        }
        // A page of another version of the program was open: it is loaded again.
        None => Problem::not_found("there is no such file of the pages; load the page again").into_response(),
    }
}
