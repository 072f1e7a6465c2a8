//! From errors to HTTP: the one place that knows both (RFC 9457).

use std::sync::Arc;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cohold_api::{BODY_BYTES_MAX, Problem};
use cohold_app::{Class, Error};

/// The name of a request in the log and in its answer.
#[derive(Debug, Clone)]
pub(crate) struct Trace(String);

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    App(#[from] Error),
    #[error("a token is missing or wrong: send `Authorization: Bearer cohold_…` with a token of this server")]
    Token,
    #[error("there is no such route: see the API's list of routes")]
    Route,
    #[error("this route does not take the method: see the API's list of routes")]
    Method,
    #[error("the relay speaks WebSocket only: connect with a party's client")]
    WebSocket,
    #[error("the body is larger than {BODY_BYTES_MAX} bytes: send less")]
    BodyTooLarge,
    #[error("the body broke off: send it again")]
    BodyBroken,
    #[error("the body is refused: {0}")]
    Body(String),
    #[error("the query is refused: {0}")]
    Query(String),
    #[error("the path is refused: {0}")]
    Path(String),
    #[error("the request took too long: repeat it, the same body does no harm")]
    Timeout,
    #[error("the server has too much to do: repeat the request later")]
    Overload,
}

impl Trace {
    /// A new random name.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 8];
        // Without randomness the name is merely not unique.
        let _ = getrandom::fill(&mut bytes);
        Self(format!("trc_{}", hex::encode(bytes)))
    }
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::App(error) => match error.class() {
                Class::Invalid => StatusCode::BAD_REQUEST,
                Class::NotFound => StatusCode::NOT_FOUND,
                Class::Conflict => StatusCode::CONFLICT,
                Class::Impossible => StatusCode::UNPROCESSABLE_ENTITY,
                Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Route => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WebSocket | Self::BodyBroken | Self::Body(_) | Self::Query(_) | Self::Path(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Overload => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::App(error) => error.code(),
            Self::Token => "unauthorized",
            Self::Route => "not-found",
            Self::Method => "method-not-allowed",
            Self::WebSocket => "not-a-websocket",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyBroken | Self::Body(_) => "invalid-body",
            Self::Query(_) => "invalid-query",
            Self::Path(_) => "invalid-path",
            Self::Timeout => "timeout",
            Self::Overload => "overload",
        }
    }

    /// The answer, and a line in the log where it is our own fault.
    pub(crate) fn answer(&self, trace: &Trace) -> Response {
        let (status, code) = (self.status(), self.code());
        if let Self::App(error) = self
            && let Some(detail) = error.internal()
        {
            tracing::error!(code, detail, "operation failed");
        }
        let problem = Problem {
            kind: format!("urn:cohold:problem:{code}"),
            title: code.replace('-', " "),
            status: status.as_u16(),
            detail: self.to_string(),
            code: code.into(),
            trace: trace.to_string(),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, HeaderValue::from_static("2")),
            _ => None,
        };
        response
    }
}

/// Carried outwards to where the trace is known.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
