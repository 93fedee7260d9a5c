//! The three pages.

use bytes::Bytes;
use floe_broker::Broker;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Response, StatusCode};
use serde_json::json;

/// Content type of the text that Prometheus scrapes.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON_TYPE: &str = "application/json";

/// The answer to one request.
pub(crate) fn answer(method: &Method, path: &str, broker: &Broker) -> Response<Full<Bytes>> {
    let page = match path {
        "/livez" => livez,
        "/readyz" => readyz,
        "/metrics" => metrics,
        _ => {
            let pages =
                json!({ "error": "no such page", "pages": ["/livez", "/readyz", "/metrics"] });
            return page(StatusCode::NOT_FOUND, JSON_TYPE, pages.to_string());
        }
    };
    if method != Method::GET && method != Method::HEAD {
        let refusal = json!({ "error": "only GET and HEAD" }).to_string();
        let mut response = self::page(StatusCode::METHOD_NOT_ALLOWED, JSON_TYPE, refusal);
        response
            .headers_mut()
            .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    page(broker)
}

/// 200 while the event loop turns and the store works.
fn livez(broker: &Broker) -> Response<Full<Bytes>> {
    let alive = broker.is_alive();
    let status = if alive {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    page(status, JSON_TYPE, json!({ "alive": alive }).to_string())
}

/// 200 when the node should get traffic, else 503 and why not.
fn readyz(broker: &Broker) -> Response<Full<Bytes>> {
    let reasons = broker.readiness();
    let ready = reasons.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    page(
        status,
        JSON_TYPE,
        json!({ "ready": ready, "reasons": reasons }).to_string(),
    )
}

fn metrics(broker: &Broker) -> Response<Full<Bytes>> {
    page(StatusCode::OK, METRICS_TYPE, broker.metrics_text())
}

fn page(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(content_type),
    );
    headers.insert(
        CACHE_CONTROL,
        hyper::header::HeaderValue::from_static("no-store"),
    );
    response
}
