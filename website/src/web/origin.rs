//! Where a change comes from: only our own pages may send one in a manager's name.

use axum::http::{HeaderMap, HeaderName, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a browser sent this request from a page of this very site.
///
/// `Sec-Fetch-Site` decides where the browser sends it (to https and to the machine itself): no page can set it
/// and no proxy rewrites it. Otherwise `Origin` must name the host that was asked. A request with neither is
/// refused. The scheme is not compared, because a proxy in front may speak https while we are asked in http.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text(SEC_FETCH_SITE), text(header::ORIGIN), text(header::HOST)) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => is_of_host(origin, host),
        (None, _, _) => false,
    }
}

fn is_of_host(origin: &str, host: &str) -> bool {
    let (place, port) = match origin.split_once("://") {
        Some(("http", place)) => (place, ":80"),
        Some(("https", place)) => (place, ":443"),
        _ => return false,
    };
    let without_default = |place: &str| place.strip_suffix(port).unwrap_or(place).to_ascii_lowercase();
    !place.is_empty() && without_default(place) == without_default(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_pass() {
        let (site, origin, host) = ("sec-fetch-site", "origin", "host");
        type Row<'a> = (&'a [(&'a str, &'a str)], bool);
        let table: &[Row<'_>] = &[
            (&[(site, "same-origin")], true),
            (&[(site, "same-site")], false),
            (&[(site, "cross-site")], false),
            (&[(site, "none")], false),
            (&[(site, "")], false),
            (&[(site, "same-origin"), (origin, "https://shop.example"), (host, "127.0.0.1:8080")], true),
            (&[(site, "cross-site"), (origin, "http://a.example"), (host, "a.example")], false),
            (&[(origin, "http://a.example"), (host, "a.example")], true),
            (&[(origin, "https://a.example"), (host, "a.example")], true),
            (&[(origin, "http://a.example:8080"), (host, "a.example:8080")], true),
            (&[(origin, "http://A.Example:8080"), (host, "a.example:8080")], true),
            (&[(origin, "http://a.example"), (host, "a.example:80")], true),
            (&[(origin, "https://a.example"), (host, "a.example:443")], true),
            (&[(origin, "http://[::1]:8080"), (host, "[::1]:8080")], true),
            (&[(origin, "https://a.example"), (host, "a.example:80")], false),
            (&[(origin, "http://a.example:8081"), (host, "a.example:8080")], false),
            (&[(origin, "http://a.example"), (host, "a.example:8080")], false),
            (&[(origin, "http://a.example.evil.example"), (host, "a.example")], false),
            (&[(origin, "http://evil.example"), (host, "a.example")], false),
            (&[(origin, "http://a.example/"), (host, "a.example")], false),
            (&[(origin, "ftp://a.example"), (host, "a.example")], false),
            (&[(origin, "a.example"), (host, "a.example")], false),
            (&[(origin, "http://"), (host, "")], false),
            (&[(origin, "null"), (host, "a.example")], false),
            (&[(origin, "null"), (host, "null")], false),
            (&[(origin, "http://a.example")], false),
            (&[(host, "a.example")], false),
            (&[], false),
        ];
        for (headers, expected) in table {
            let map = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
            assert_eq!(is_same_origin(&map), *expected, "{headers:?}");
        }
    }
}
