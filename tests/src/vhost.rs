//! A RabbitMQ vhost per test.

use crate::claim::{self, Claim};
use crate::{Management, servers, teardown};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// An empty vhost of its own, gone when dropped, with every connection to it.
pub struct Vhost {
    claim: Claim,
    url: Url,
    management: Management,
}

impl Vhost {
    /// Creates a vhost. The first call of a process also removes what killed runs left.
    ///
    /// # Errors
    /// The broker is not there or refuses.
    pub async fn create() -> anyhow::Result<Self> {
        static REAPED: OnceCell<()> = OnceCell::const_new();
        let management = Management::connect().await?;
        REAPED.get_or_try_init(|| reap(&management)).await?;

        let claim = Claim::new()?;
        let mut url = servers().await?.amqp_url.clone();
        url.set_path(claim.name());
        let vhost = Self { claim, url, management };
        vhost.make().await?;
        Ok(vhost)
    }

    /// Makes it anew, empty: everything in it is gone, and every connection is cut off.
    ///
    /// # Errors
    /// The broker is not there or refuses.
    pub async fn lose_everything(&self) -> anyhow::Result<()> {
        delete(&self.management, self.name()).await?;
        self.make().await
    }

    async fn make(&self) -> anyhow::Result<()> {
        let (name, management) = (self.name(), &self.management);
        management.put(&format!("vhosts/{name}"), json!({})).await?;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        management.put(&format!("permissions/{name}/{}", management.user()), all).await?;
        Ok(())
    }

    /// `amqp://user:password@host:port/vhost`
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its name; safe in a URL's path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.claim.name()
    }

    /// The management API of its broker.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.management
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let name = self.name().to_owned();
        teardown::finish(format!("vhost {name}"), async move { delete(&Management::connect().await?, &name).await });
    }
}

async fn reap(management: &Management) -> anyhow::Result<()> {
    let vhosts = management.get("vhosts?columns=name").await?;
    let names = vhosts.as_array().into_iter().flatten().filter_map(|vhost| vhost["name"].as_str());
    for name in claim::abandoned(names.map(str::to_owned)) {
        delete(management, &name).await?;
        claim::forget(&name);
    }
    Ok(())
}

async fn delete(management: &Management, name: &str) -> anyhow::Result<()> {
    management.delete(&format!("vhosts/{name}")).await.map(|_: Value| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_vhost_takes_queues_and_is_gone_when_dropped() {
        let vhost = Vhost::create().await.expect("a vhost");
        let (name, management) = (vhost.name().to_owned(), vhost.management().clone());
        assert!(vhost.url().ends_with(&format!("/{name}")), "{}", vhost.url());

        let queue = format!("queues/{name}/jobs");
        let quorum = json!({"durable": true, "arguments": {"x-queue-type": "quorum"}});
        management.put(&queue, quorum).await.expect("declared");
        assert_eq!(management.get(&queue).await.expect("there")["type"], "quorum");

        drop(vhost);
        let error = management.get(&format!("vhosts/{name}")).await.expect_err("gone");
        assert!(error.to_string().contains("404"), "{error:#}");
    }

    #[tokio::test]
    async fn what_a_killed_run_left_is_reaped_and_what_is_in_use_is_not() {
        let vhost = Vhost::create().await.expect("a vhost");
        let left = format!("vhosts/drover_test_1000000000_{}", std::process::id());
        vhost.management().put(&left, json!({})).await.expect("created");
        reap(vhost.management()).await.expect("reaped");
        vhost.management().get(&left).await.expect_err("gone");
        vhost.management().get(&format!("vhosts/{}", vhost.name())).await.expect("there");
    }
}
