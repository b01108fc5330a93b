//! One request and its answer, as bytes. Nothing here knows what is asked.

use super::ProviderError;

/// The whole of an answer, whatever its status.
#[cfg_attr(not(feature = "providers"), allow(dead_code))]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
}

/// The key to a server. It is shown by nothing.
pub struct Secret(String);

impl Secret {
    /// From the environment; an error if it is not there or cannot stand in a header.
    pub fn from_environment(variable: &str) -> Result<Secret, ProviderError> {
        match std::env::var(variable) {
            Ok(key) if key.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) && !key.is_empty() => {
                Ok(Secret(key))
            }
            _ => Err(ProviderError::Key(variable.to_string())),
        }
    }

    /// A text of the server's without the key, which some servers repeat.
    pub fn hidden_in(&self, text: &str) -> String {
        text.replace(&self.0, "(key)")
    }
}

/// Checks that data and keys may go to an address: encrypted, or to this machine. Returns it without
/// the slash at its end.
pub fn checked(url: &str) -> Result<String, ProviderError> {
    let bad = |reason| Err(ProviderError::Url { url: url.to_string(), reason });
    let tidy = url.trim_end_matches('/');
    let Some((scheme, rest)) = tidy.split_once("://") else {
        return bad("it has no scheme");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest.contains(['?', '#']) || rest.chars().any(char::is_whitespace) {
        return bad("it has a query, a fragment or spaces");
    }
    if authority.contains('@') {
        return bad("it holds a name or a password; keys come from the environment");
    }
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    match scheme {
        _ if host.is_empty() => bad("it names no host"),
        "https" => Ok(tidy.to_string()),
        "http" if is_local(host) => Ok(tidy.to_string()),
        "http" => bad("it would send data unencrypted to another machine"),
        _ => bad("its scheme is neither https nor http"),
    }
}

fn is_local(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(feature = "providers")]
mod wire {
    use std::time::Duration;

    use super::{Answer, ProviderError, Secret, checked, is_local};

    /// A server that takes JSON.
    pub struct Http {
        agent: ureq::Agent,
        pub url: String,
        key: Option<Secret>,
        limit: u64,
    }

    impl Http {
        pub fn new(
            url: &str,
            key: Option<Secret>,
            timeout: Duration,
            limit: u64,
        ) -> Result<Http, ProviderError> {
            let url = checked(url)?;
            let host = url.split("://").nth(1).unwrap_or_default();
            let host = host.split(['/', ':']).next().unwrap_or_default();
            let mut config = ureq::Agent::config_builder()
                .timeout_global(Some(timeout))
                .timeout_connect(Some(timeout.min(Duration::from_secs(30))))
                .http_status_as_error(false)
                // The key and the data go to the address of the recipe and to no other.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("agpt/", env!("CARGO_PKG_VERSION")));
            if is_local(host) || host.starts_with('[') {
                config = config.proxy(None);
            }
            Ok(Http { agent: config.build().into(), url, key, limit })
        }

        /// Sends JSON; what went wrong on the way is told in words.
        pub fn post(&self, path: &str, body: &str) -> Result<Answer, String> {
            let mut request = self
                .agent
                .post(format!("{}/{path}", self.url))
                .header("Content-Type", "application/json");
            if let Some(Secret(key)) = &self.key {
                request = request.header("Authorization", format!("Bearer {key}"));
            }
            let mut answer = request.send(body).map_err(|error| self.plain(&error))?;
            let after = answer.headers().get("retry-after");
            let retry_after = after.and_then(|value| value.to_str().ok()).map(str::to_string);
            let status = answer.status().as_u16();
            let body = answer.body_mut().with_config().limit(self.limit).read_to_vec();
            let body = body.map_err(|error| match error {
                ureq::Error::BodyExceedsLimit(_) => {
                    format!("the answer is larger than {} MiB", self.limit >> 20)
                }
                other => self.plain(&other),
            })?;
            Ok(Answer { status, retry_after, body })
        }

        fn plain(&self, error: &ureq::Error) -> String {
            self.hidden(&match error {
                ureq::Error::Timeout(_) => "it took too long (`timeout_seconds`)".to_string(),
                ureq::Error::HostNotFound => "there is no host of this name".to_string(),
                other => other.to_string(),
            })
        }

        /// A text of the server's that may be shown.
        pub fn hidden(&self, text: &str) -> String {
            match &self.key {
                Some(key) => key.hidden_in(text),
                None => text.to_string(),
            }
        }
    }
}

#[cfg(not(feature = "providers"))]
mod wire {
    use std::time::Duration;

    use super::{Answer, ProviderError, Secret, checked};

    /// Stands for the client that was not built.
    pub struct Http {
        pub url: String,
        key: Option<Secret>,
    }

    impl Http {
        pub fn new(
            url: &str,
            _: Option<Secret>,
            _: Duration,
            _: u64,
        ) -> Result<Http, ProviderError> {
            checked(url)?;
            Err(ProviderError::NotBuilt)
        }

        pub fn post(&self, _: &str, _: &str) -> Result<Answer, String> {
            Err(ProviderError::NotBuilt.to_string())
        }

        pub fn hidden(&self, text: &str) -> String {
            self.key.as_ref().map_or_else(|| text.to_string(), |key| key.hidden_in(text))
        }
    }
}

pub use wire::Http;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_go_encrypted_or_stay_here() {
        for good in [
            "https://api.openai.com/v1/",
            "http://localhost:8000/v1",
            "http://127.0.0.1:1/v1",
            "http://[::1]:8000/v1",
        ] {
            assert_eq!(checked(good).unwrap(), good.trim_end_matches('/'));
        }
        for bad in [
            "http://example.com/v1",
            "http://localhost.example.com/v1",
            "http://127.0.0.1.example.com",
            "https://user:secret@example.com/v1",
            "https:///v1",
            "ftp://localhost/v1",
            "localhost:8000",
            "https://example.com/v1?key=1",
            "http://localhost@example.com/",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_that_a_server_repeats_is_hidden() {
        let key = Secret("sk-1234".into());
        assert_eq!(key.hidden_in("wrong key sk-1234."), "wrong key (key).");
    }
}
