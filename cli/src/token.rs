//! The token that the command line shows to the server.

use std::{fs, path::Path};

use secrecy::{ExposeSecret as _, SecretString};

use crate::failure::Failure;

/// The token that was given, or else what the file holds. An empty one counts as none.
pub(crate) fn choose(token: Option<SecretString>, file: Option<&Path>) -> Result<Option<SecretString>, Failure> {
    if let Some(token) = token.filter(|token| !token.expose_secret().is_empty()) {
        return Ok(Some(token));
    }
    let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) else { return Ok(None) };
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("--token-file {}: it cannot be read: {error}", file.display())))?;
    // Editors and `echo` end a file with a newline that is no part of the token.
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::Usage(format!("--token-file {}: it is empty", file.display())));
    }
    Ok(Some(text.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_or_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let chosen = |token: Option<&str>| {
            let token = choose(token.map(SecretString::from), Some(&file))?;
            Ok::<_, Failure>(token.map(|token| token.expose_secret().to_owned()))
        };
        assert!(chosen(None).unwrap_err().to_string().contains("cannot be read"));
        fs::write(&file, "\n").unwrap();
        assert!(chosen(None).unwrap_err().to_string().contains("it is empty"));
        fs::write(&file, "from-the-file\n").unwrap();
        assert_eq!(chosen(None).unwrap().as_deref(), Some("from-the-file"));
        assert_eq!(chosen(Some("")).unwrap().as_deref(), Some("from-the-file"));
        assert_eq!(chosen(Some("given")).unwrap().as_deref(), Some("given"));
        assert!(choose(None, None).unwrap().is_none());
    }
}
