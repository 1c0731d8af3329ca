//! Where the binaries of a Postgres server are. Distributions keep them out of the PATH.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Names the folder, where somebody knows better.
const VARIABLE: &str = "DROVER_POSTGRES_BIN";
/// For the message that nothing was found.
pub(super) const LOOKED_AT: &str =
    "looked at DROVER_POSTGRES_BIN, PATH, pg_config, /usr/lib/postgresql, /usr/pgsql-*, Homebrew";
/// Folders that hold one folder per version, and where the binaries are below that.
const VERSIONED: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // packages of postgresql.org for Fedora, RHEL
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
    ("/usr/lib64", "postgresql", "bin"),         // SUSE, Gentoo
];
/// What installs it, by the package manager that is there.
const INSTALLERS: &[(&str, &str)] = &[
    ("apt-get", "apt-get install postgresql"),
    ("dnf", "dnf install postgresql-server"),
    ("yum", "yum install postgresql-server"),
    ("zypper", "zypper install postgresql-server"),
    ("pacman", "pacman -S postgresql"),
    ("apk", "apk add postgresql"),
    ("brew", "brew install postgresql@17"),
];

/// A folder with the programs of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    folder: PathBuf,
    /// As `15.18`.
    pub(super) version: String,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// As `15`.
    pub(super) fn major(&self) -> &str {
        self.version.split('.').next().unwrap_or_default()
    }

    fn at(folder: PathBuf) -> Option<Self> {
        let whole = ["initdb", "postgres", "pg_ctl"].iter().all(|name| folder.join(name).is_file());
        if !whole {
            return None;
        }
        let output = Command::new(folder.join("initdb")).arg("--version").output().ok()?;
        // "initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_once(") ")?.1.split_whitespace().next()?.to_owned();
        Some(Self { folder, version })
    }
}

/// Every server of the machine, the one to prefer first.
pub(super) fn all() -> Vec<Binaries> {
    if let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Binaries::at(named.into()).into_iter().collect();
    }
    let mut found: Vec<Binaries> = Vec::new();
    for folder in in_path().into_iter().chain(of_pg_config()).chain(versioned()) {
        if let Some(binaries) = Binaries::at(folder)
            && !found.contains(&binaries)
        {
            found.push(binaries);
        }
    }
    found
}

/// The command that installs a server here, for people.
pub(super) fn how_to_install() -> String {
    let sudo = if nix::unistd::geteuid().is_root() { "" } else { "sudo " };
    let line = |(tool, command): &(&str, &str)| format!("    {}{command}", if *tool == "brew" { "" } else { sudo });
    let here: Vec<String> = INSTALLERS.iter().filter(|(tool, _)| is_in_path(tool)).take(1).map(line).collect();
    if here.is_empty() { "    https://www.postgresql.org/download/".into() } else { here.join("\n") }
}

fn is_in_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Links lead to the folder that has the other programs too.
fn in_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let real = |folder: PathBuf| folder.join("initdb").canonicalize().ok()?.parent().map(Path::to_owned);
    env::split_paths(&path).filter_map(real).collect()
}

fn of_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// Newest first.
fn versioned() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix, below) in VERSIONED {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(version) = name.strip_prefix(prefix) {
                let version: u32 =
                    version.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
                found.push((version, entry.path().join(below)));
            }
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_folder_counts_when_it_has_a_server_and_tells_its_version() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Binaries::at(folder.path().into()), None);
        for (name, text) in [
            ("initdb", "#!/bin/sh\necho 'initdb (PostgreSQL) 16.4 (Debian 16.4-1)'\n"),
            ("postgres", "#!/bin/sh\n"),
            ("pg_ctl", "#!/bin/sh\n"),
        ] {
            assert_eq!(Binaries::at(folder.path().into()), None, "without {name}");
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let found = Binaries::at(folder.path().into()).unwrap();
        assert_eq!((found.version.as_str(), found.major()), ("16.4", "16"));
    }
}
