//! A RabbitMQ vhost per test.

use crate::claim::{self, Claim};
use crate::{Management, servers, teardown};
use anyhow::Context;
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

    /// Imports definitions (users and permissions, as a deployment has them) that speak of one vhost: that becomes this one,
    /// and each user gets a name of its own, see [`Vhost::url_as`]. They go with the vhost.
    ///
    /// # Errors
    /// When the definitions have not the shape, or the broker refuses them.
    pub async fn define(&self, definitions: &Value) -> anyhow::Result<()> {
        let mut definitions = definitions.clone();
        for (list, key) in [("users", "name"), ("permissions", "user")] {
            let entries = definitions[list].as_array_mut().with_context(|| format!("no list of {list}"))?;
            for entry in entries {
                let user = entry[key].as_str().with_context(|| format!("{list} without {key}"))?;
                entry[key] = json!(self.user(user));
            }
        }
        for (list, key) in [("vhosts", "name"), ("permissions", "vhost")] {
            let entries = definitions[list].as_array_mut().with_context(|| format!("no list of {list}"))?;
            entries.iter_mut().for_each(|entry| entry[key] = json!(self.name()));
        }
        self.management.post("definitions", definitions).await.map(|_: Value| ())
    }

    fn user(&self, user: &str) -> String {
        format!("{}_{user}", self.name())
    }

    /// Its address for a user of the definitions.
    ///
    /// # Errors
    /// When the name or the password cannot stand in a URL.
    pub fn url_as(&self, user: &str, password: &str) -> anyhow::Result<Url> {
        let mut url = self.url.clone();
        let set = url.set_username(&self.user(user)).and_then(|()| url.set_password(Some(password)));
        set.map_err(|()| anyhow::anyhow!("{user} cannot stand in a URL"))?;
        Ok(url)
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

/// Deletes a vhost, with the users that were made for it.
async fn delete(management: &Management, name: &str) -> anyhow::Result<()> {
    let users = management.get("users?columns=name").await?;
    let own = |user: &&str| user.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
    for user in users.as_array().into_iter().flatten().filter_map(|user| user["name"].as_str()).filter(own) {
        management.delete(&format!("users/{user}")).await?;
    }
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
    async fn users_of_definitions_have_their_rights_and_go_with_the_vhost() {
        let vhost = Vhost::create().await.expect("a vhost");
        let definitions = json!({
            "vhosts": [{ "name": "theirs" }],
            "users": [{ "name": "worker", "tags": "", "password": "secret" }],
            "permissions": [{ "user": "worker", "vhost": "theirs", "configure": "^a$", "write": "^b$", "read": "^c$" }],
        });
        vhost.define(&definitions).await.expect("imported");
        let (name, management) = (vhost.name().to_owned(), vhost.management().clone());
        let rights = management.get(&format!("permissions/{name}/{name}_worker")).await.expect("there");
        assert_eq!(
            (&rights["configure"], &rights["write"], &rights["read"]),
            (&json!("^a$"), &json!("^b$"), &json!("^c$"))
        );
        let url = vhost.url_as("worker", "secret").expect("a URL");
        assert_eq!((url.username(), url.path()), (format!("{name}_worker").as_str(), format!("/{name}").as_str()));
        drop(vhost);
        management.get(&format!("users/{name}_worker")).await.expect_err("gone");
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
