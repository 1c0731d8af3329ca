//! A browser for a test: the distribution's Chromium by way of its driver, with a profile of its own.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use fantoccini::{Client, ClientBuilder, Locator, error::CmdError};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::{
    Process, free_port,
    management::http_client,
    teardown,
    wait::{self, Seen},
};

/// Long enough for a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a page is looked at with.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Width of the page, in pixels.
    pub width: u32,
    /// Height of the page, in pixels.
    pub height: u32,
    /// A phone's: touched, and as narrow as it says.
    pub phone: bool,
    /// Whether the person prefers dark pages.
    pub dark: bool,
}

impl Screen {
    /// A desk's.
    pub const WIDE: Self = Self { width: 1280, height: 900, phone: false, dark: false };
    /// A phone's.
    pub const NARROW: Self = Self { width: 390, height: 844, phone: true, dark: false };
}

/// A browser with one window. It ends with this value.
pub struct Browser {
    client: Client,
    session: String,
    driver: Process,
}

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    /// When there is none, with the command that installs it; or when it does not start.
    pub async fn open(screen: Screen) -> anyhow::Result<Self> {
        let program = find("chromedriver")?;
        let port = free_port()?;
        let mut driver = Process::spawn_program("chromedriver", &program, |command| {
            command.arg(format!("--port={port}"));
        })?;
        let url = format!("http://127.0.0.1:{port}");
        driver.wait_for_http(&format!("{url}/status"), PATIENCE).await?;
        let capabilities = json!({ "goog:chromeOptions": options(screen)? });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().cloned().unwrap_or_default())
            .connect(&url)
            .await
            .context("starting Chromium")?;
        let id = client.session_id().await?.context("the driver named no session")?;
        Ok(Self { client, session: format!("{url}/session/{id}"), driver })
    }

    /// Goes to an address and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn goto(&self, url: &str) -> anyhow::Result<()> {
        self.client.goto(url).await.with_context(|| url.to_owned())
    }

    /// Where it is.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn url(&self) -> anyhow::Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Clicks on what a selector finds, once it is there.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn click(&self, css: &str) -> anyhow::Result<()> {
        wait::until(&format!("a click on {css}"), PATIENCE, async || {
            seen(async { self.client.find(Locator::Css(css)).await?.click().await }.await)
        })
        .await
    }

    /// Clicks on the first of what a selector finds that has these words.
    ///
    /// # Errors
    /// When it is not there in time.
    pub async fn click_words(&self, css: &str, words: &str) -> anyhow::Result<()> {
        let path = format!("//{css}[normalize-space(.)={}]", quoted(words));
        wait::until(&format!("a click on {words:?}"), PATIENCE, async || {
            seen(async { self.client.find(Locator::XPath(&path)).await?.click().await }.await)
        })
        .await
    }

    /// Types into a field, in the place of what it held.
    ///
    /// # Errors
    /// When there is no such field in time.
    pub async fn fill(&self, css: &str, text: &str) -> anyhow::Result<()> {
        wait::until(&format!("the field {css}"), PATIENCE, async || {
            let fill = async {
                let field = self.client.find(Locator::Css(css)).await?;
                field.clear().await?;
                field.send_keys(text).await
            };
            seen(fill.await)
        })
        .await
    }

    /// Chooses of a list.
    ///
    /// # Errors
    /// When there is no such list or choice in time.
    pub async fn choose(&self, css: &str, value: &str) -> anyhow::Result<()> {
        wait::until(&format!("the list {css}"), PATIENCE, async || {
            seen(async { self.client.find(Locator::Css(css)).await?.select_by_value(value).await }.await)
        })
        .await
    }

    /// Presses keys where the focus is.
    ///
    /// # Errors
    /// When nothing has it.
    pub async fn press(&self, keys: &str) -> anyhow::Result<()> {
        Ok(self.client.active_element().await?.send_keys(keys).await?)
    }

    /// Waits until what a selector finds has these words.
    ///
    /// # Errors
    /// When it has not in time, with what it has.
    pub async fn until(&self, css: &str, words: &str) -> anyhow::Result<String> {
        wait::until(&format!("{css} to say {words:?}"), PATIENCE, async || {
            let text = async { self.client.find(Locator::Css(css)).await?.text().await };
            match text.await {
                Ok(text) if text.contains(words) => Ok(Seen::Yes(text)),
                Ok(text) => Ok(Seen::not_yet(text)),
                Err(error) => seen(Err(error)),
            }
        })
        .await
    }

    /// What a script returns.
    ///
    /// # Errors
    /// When it fails.
    pub async fn script(&self, script: &str) -> anyhow::Result<Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// How many elements a selector finds.
    ///
    /// # Errors
    /// When the browser does not say.
    pub async fn count(&self, css: &str) -> anyhow::Result<usize> {
        Ok(self.client.find_all(Locator::Css(css)).await?.len())
    }

    /// Writes what is seen into a file, as PNG.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        let image = self.client.screenshot().await?;
        std::fs::write(file, image).with_context(|| file.display().to_string())
    }

    /// What the driver wrote is not shown: all went well.
    pub const fn silence(&mut self) {
        self.driver.silence();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let session = self.session.clone();
        // Without its driver it would live on.
        teardown::finish("the browser".into(), async move {
            http_client()?.delete(session).send().await?;
            Ok(())
        });
    }
}

/// How Chromium is started.
fn options(screen: Screen) -> anyhow::Result<Value> {
    let Screen { width, height, phone, dark } = screen;
    let scheme = if dark { 0 } else { 1 };
    let mut options = json!({
        "binary": find("chromium")?,
        "args": [
            "--headless=new",
            // Tests run as root in containers, where its sandbox cannot be made and /dev/shm is small.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            format!("--blink-settings=preferredColorScheme={scheme}"),
            format!("--window-size={width},{height}"),
        ],
    });
    if phone {
        options["mobileEmulation"] =
            json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 2.0, "touch": true } });
    }
    Ok(options)
}

/// A program of the system.
fn find(name: &str) -> anyhow::Result<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|folder| folder.join(name)).find(|file| file.is_file());
    match found {
        Some(file) => Ok(file),
        None => bail!("{name} is missing; install it: scripts/install chromium chromium-driver"),
    }
}

/// A page that changes under the driver's hands is looked at again; anything else is an error.
fn seen<T>(outcome: Result<T, CmdError>) -> anyhow::Result<Seen<T>> {
    match outcome {
        Ok(value) => Ok(Seen::Yes(value)),
        Err(error @ CmdError::Standard(_)) => Ok(Seen::not_yet(error)),
        Err(error) => Err(error.into()),
    }
}

/// A text as XPath writes it; texts of tests have no double quotes.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
