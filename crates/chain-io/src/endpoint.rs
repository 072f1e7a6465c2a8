//! Where a chain is asked. The URL is a secret: its path, query or user often carries an API key.

use std::sync::Arc;

use cohold_model::ids::excerpt;
use reqwest::Url;

/// The URL of a chain endpoint. Shown as scheme, host and port only.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Arc<Url>);

/// Why a text is not an endpoint. The text itself is not repeated, for it may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("the chain endpoint is not a URL: write `https://host/path`")]
    Form,
    /// Not over HTTP.
    #[error("the chain endpoint's URL must begin with `https://` or `http://`")]
    Scheme,
    /// Longer than any real URL.
    #[error("the chain endpoint's URL is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
}

const URL_BYTES_MAX: usize = 2048;

/// Parts of a URL shorter than this are words, not keys.
const KEY_LENGTH_MIN: usize = 8;

impl Endpoint {
    /// The whole URL, credentials included; for the request itself only.
    pub(crate) fn danger_url(&self) -> &Url {
        &self.0
    }

    /// Whether requests are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// A foreign text without control characters, at most `length_max` characters long, in which every
    /// part of the URL that could be a key is blotted out.
    pub(crate) fn redacted(&self, text: &str, length_max: usize) -> String {
        let url = &self.0;
        let path = url.path().split('/');
        let query = url.query().unwrap_or_default().split(['&', '=']);
        let user = [url.username(), url.password().unwrap_or_default()];
        let keys = path.chain(query).chain(user).filter(|part| part.len() >= KEY_LENGTH_MIN);
        let clean = keys.fold(text.to_owned(), |text, key| text.replace(key, "…"));
        clean.chars().filter(|c| !c.is_control()).take(length_max).collect()
    }
}

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.len() > URL_BYTES_MAX {
            return Err(EndpointError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| EndpointError::Form)?;
        match url.scheme() {
            "https" | "http" if url.has_host() => Ok(Self(Arc::new(url))),
            _ => Err(EndpointError::Scheme),
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), excerpt(self.0.host_str().unwrap_or_default()))?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_are_shown() {
        let check = |text: &str, shown: &str| {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(format!("{endpoint:?}"), shown);
        };
        check("https://eth.example/v2/s3cr3tk3y?token=abcdefgh", "https://eth.example");
        check("https://ana:passw0rd@eth.example:8443/", "https://eth.example:8443");
        check("http://127.0.0.1:8545", "http://127.0.0.1:8545");
        check("http://[::1]:8545", "http://[::1]:8545");
    }

    #[test]
    fn other_urls_are_refused_without_repeating_them() {
        for bad in
            ["", "eth.example/s3cr3tk3y", "ftp://s3cr3tk3y@eth.example", "file:///s3cr3tk3y", "http://"]
        {
            let error = bad.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("s3cr3tk3y"), "{error}");
        }
        assert_eq!(format!("http://a/{}", "x".repeat(3000)).parse::<Endpoint>(), Err(EndpointError::TooLong));
    }

    #[test]
    fn keys_are_blotted_out_of_foreign_texts() {
        let endpoint: Endpoint =
            "https://u:passw0rd!@eth.example/v2/s3cr3tk3y?token=abcdefgh".parse().unwrap();
        let text = "project s3cr3tk3y\nof abcdefgh is over its limit in v2";
        assert_eq!(endpoint.redacted(text, 200), "project …of … is over its limit in v2");
        assert_eq!(endpoint.redacted(text, 7), "project");
    }
}
