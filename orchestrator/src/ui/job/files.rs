//! Files among a result: strings that are addresses of files which this orchestrator serves. Pictures are shown, the rest is linked.

use std::{collections::BTreeMap, path::PathBuf};

use maud::{Markup, html};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::super::parts;

/// Pictures that are shown; those after them are linked.
const PICTURES: usize = 60;
/// Links beside the pictures.
const LINKS: usize = 3 * PICTURES;
/// Links after them, in a list that opens.
const LISTED: usize = 240;
/// Longest address, in bytes.
const ADDRESS_BYTES: usize = 2_000;
const PREFIX: &str = "/files/";
/// Endings of what is shown.
const PICTURE_ENDINGS: [&str; 6] = ["jpg", "jpeg", "png", "gif", "webp", "avif"];
/// What an address cannot hold as it is. A `%` stays: it begins what is written as an address has it already.
const UNFIT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What there is of them.
pub(super) fn part(result: &Value, folders: &BTreeMap<String, PathBuf>) -> Markup {
    let mut found = Found { folders, cards: Vec::new(), pictures: 0, links: 0, left: Vec::new(), unlisted: 0 };
    if !folders.is_empty() {
        found.look("", result);
    }
    html! {
        @if !found.cards.is_empty() {
            section {
                h2 { "Files" }
                ul.gallery aria-label="Files of the result" { @for card in &found.cards { li { (card.markup()) } } }
                @if !found.left.is_empty() {
                    (parts::fold(&format!("{} more", found.left.len() + found.unlisted), false, &found.rest()))
                }
            }
        }
    }
}

/// What was found in a result.
struct Found<'v> {
    folders: &'v BTreeMap<String, PathBuf>,
    cards: Vec<Card<'v>>,
    pictures: usize,
    links: usize,
    left: Vec<File<'v>>,
    unlisted: usize,
}

/// The files that stand in one object belong together; of a list, each stands alone.
#[derive(Default)]
struct Card<'v> {
    pictures: Vec<File<'v>>,
    links: Vec<File<'v>>,
}

impl<'v> Found<'v> {
    fn look(&mut self, key: &'v str, value: &'v Value) {
        match value {
            Value::String(text) => {
                let mut card = Card::default();
                self.take(&mut card, key, text);
                self.add(card);
            }
            Value::Array(values) => values.iter().for_each(|value| self.look(key, value)),
            Value::Object(fields) => {
                let mut card = Card::default();
                for (key, value) in fields {
                    if let Value::String(text) = value {
                        self.take(&mut card, key, text);
                    }
                }
                self.add(card);
                for (key, value) in fields.iter().filter(|(_, value)| !value.is_string()) {
                    self.look(key, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn take(&mut self, card: &mut Card<'v>, key: &'v str, text: &'v str) {
        let Some(file) = File::of(key, text, self.folders) else { return };
        if file.is_picture() && self.pictures < PICTURES {
            self.pictures += 1;
            card.pictures.push(file);
        } else if !file.is_picture() && self.links < LINKS {
            self.links += 1;
            card.links.push(file);
        } else if self.left.len() < LISTED {
            self.left.push(file);
        } else {
            self.unlisted += 1;
        }
    }

    fn add(&mut self, card: Card<'v>) {
        if !card.pictures.is_empty() || !card.links.is_empty() {
            self.cards.push(card);
        }
    }

    fn rest(&self) -> Markup {
        html! {
            ul.files aria-label="Further files" { @for file in &self.left { li { a href=(file.address()) { (file.place) } } } }
            @if self.unlisted > 0 { p.muted { "And " (self.unlisted) " more, in the result." } }
        }
    }
}

impl Card<'_> {
    fn markup(&self) -> Markup {
        html! {
            @for picture in &self.pictures {
                @let address = picture.address();
                a href=(address) { img src=(address) alt=(picture.words()) width="320" height="180" loading="lazy" decoding="async"; }
                span.muted { (picture.place) }
            }
            @if !self.links.is_empty() {
                span.files { @for link in &self.links { a href=(link.address()) title=(link.place) { (link.label()) } } }
            }
        }
    }
}

/// A file that is served.
struct File<'v> {
    /// What the result calls it.
    key: &'v str,
    /// The address, as the result has it.
    text: &'v str,
    /// Where it is below its folder.
    place: &'v str,
}

impl<'v> File<'v> {
    /// `None`: it is none, or of a folder that is not shown here.
    fn of(key: &'v str, text: &'v str, folders: &BTreeMap<String, PathBuf>) -> Option<Self> {
        let (name, place) = text.strip_prefix(PREFIX)?.split_once('/')?;
        let leads_away = |part: &str| part.is_empty() || part.starts_with('.') || is_encoded_point(part);
        let is_one = text.len() <= ADDRESS_BYTES && folders.contains_key(name) && !place.split('/').any(leads_away);
        is_one.then_some(Self { key, text, place })
    }

    fn ending(&self) -> Option<String> {
        let name = self.place.rsplit('/').next()?;
        Some(name.rsplit_once('.')?.1.to_ascii_lowercase())
    }

    /// A sheet of many small pictures is for players.
    fn is_picture(&self) -> bool {
        let is_sheet =
            self.key.contains("sprite") || self.place.rsplit('/').next().is_some_and(|name| name.contains("sprite"));
        !is_sheet && self.ending().is_some_and(|ending| PICTURE_ENDINGS.contains(&ending.as_str()))
    }

    fn address(&self) -> String {
        utf8_percent_encode(self.text, UNFIT).to_string()
    }

    /// In the place of the picture, for those who do not see it.
    fn words(&self) -> String {
        if self.key.is_empty() {
            self.place.to_owned()
        } else {
            format!("{} {}", self.key.replace('_', " "), self.place)
        }
    }

    fn label(&self) -> String {
        if self.key.is_empty() { self.place.to_owned() } else { self.key.replace('_', " ") }
    }
}

fn is_encoded_point(part: &str) -> bool {
    part.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("%2e"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(result: &Value) -> String {
        let folders = BTreeMap::from([("media".to_owned(), PathBuf::from("/generated"))]);
        part(result, &folders).into_string()
    }

    #[test]
    fn a_scene_is_a_picture_with_its_links() {
        let previews = json!([{
            "scene_id": 7, "thumbnail": "/files/media/7/thumbnail.jpg", "sprite": "/files/media/7/sprite.jpg",
            "vtt": "/files/media/7/sprite.vtt", "preview": "/files/media/7/preview.mp4",
        }]);
        let nested =
            json!({ "steps": { "previews": { "result": [{ "result": { "previews": previews, "generated": 3 } }] } } });
        let page = page(&nested);
        let picture = "<a href=\"/files/media/7/thumbnail.jpg\"><img src=\"/files/media/7/thumbnail.jpg\" alt=\"thumbnail 7/thumbnail.jpg\" \
                       width=\"320\" height=\"180\" loading=\"lazy\" decoding=\"async\"></a>";
        assert!(page.contains(picture), "{page}");
        assert_eq!((page.matches("<img").count(), page.matches("<li>").count()), (1, 1), "{page}");
        for (address, label) in [("7/sprite.jpg", "sprite"), ("7/sprite.vtt", "vtt"), ("7/preview.mp4", "preview")] {
            assert!(
                page.contains(&format!("<a href=\"/files/media/{address}\" title=\"{address}\">{label}</a>")),
                "{page}"
            );
        }
    }

    #[test]
    fn what_is_no_file_of_ours_is_not_linked() {
        for text in [
            "/files/other/a.jpg",
            "/files/media/",
            "/files/media",
            "files/media/a.jpg",
            "//files/media/a.jpg",
            "http://elsewhere.example/files/media/a.jpg",
            "/files/media/../../jobs/a.jpg",
            "/files/media/7/%2e%2E/%2E./a.jpg",
            "/files/../files/media/a.jpg",
            "/files/media//a.jpg",
            "/files/media/.draft.jpg",
            &format!("/files/media/{}.jpg", "x".repeat(2_000)),
            "see /files/media/a.jpg",
            "javascript:/files/media/a.jpg",
        ] {
            assert_eq!(page(&json!({ "a": text, "b": [text] })), "", "{text}");
        }
        assert_eq!(part(&json!("/files/media/a.jpg"), &BTreeMap::new()).into_string(), "", "none is served here");
    }

    #[test]
    fn no_name_gets_out_of_its_place() {
        let page = page(&json!({ "a \"b\"<i>": "/files/media/a\" onerror=\"x\n<b>#1?&'%41\u{e9}\u{202e}.JPG" }));
        let address = "/files/media/a%22%20onerror=%22x%0A%3Cb%3E%231%3F&amp;'%41%C3%A9%E2%80%AE.JPG";
        assert!(
            page.contains(&format!(
                "<a href=\"{address}\"><img src=\"{address}\" alt=\"a &quot;b&quot;&lt;i&gt; a&quot; onerror=&quot;x"
            )),
            "{page}"
        );
        assert!(!page.contains("<b>") && !page.contains("<i>"), "{page}");
    }

    #[test]
    fn a_page_has_room_for_so_many() {
        let many: Vec<String> = (0..400).map(|number| format!("/files/media/{number}.png")).collect();
        let found = page(&json!({ "pictures": many }));
        assert_eq!(found.matches("<img").count(), PICTURES);
        assert!(found.contains("alt=\"pictures 59.png\"") && found.contains("<summary>340 more</summary>"), "{found}");
        assert_eq!(found.matches("<a href").count(), PICTURES + LISTED);
        assert!(found.contains("And 100 more, in the result."), "{found}");
        let all =
            json!((0..400).map(|number| json!({ "clip": format!("/files/media/{number}.mp4") })).collect::<Vec<_>>());
        assert_eq!(page(&all).matches("<a href").count(), LINKS + 220);
    }
}
