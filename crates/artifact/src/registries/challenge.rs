//! Reads what a registry asks for before it answers: the header `WWW-Authenticate` of RFC 9110.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token that somebody gives out.
    Bearer {
        /// Where.
        realm: String,
        /// For whom.
        service: Option<String>,
    },
}

/// What these headers ask for: a token, where that is among it.
pub(super) fn read(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let challenges: Vec<_> = values.filter_map(one).collect();
    let bearer = challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(challenges.first()).cloned()
}

fn one(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    let parameters = parameters(rest);
    let named = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Some(Challenge::Bearer { realm: named("realm")?, service: named("service") }))
        .flatten()
}

/// `name=value` and `name="value"`, with commas between.
fn parameters(mut rest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = value(after.trim_start());
        found.push((name.trim_matches([' ', '\t', ',']).to_ascii_lowercase(), value));
        rest = next;
    }
    found
}

/// A value, and what comes behind it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(values: &[&'static str]) -> Option<Challenge> {
        let headers = values.iter().map(|value| (WWW_AUTHENTICATE, reqwest::header::HeaderValue::from_static(value)));
        read(&headers.collect())
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.map(ToOwned::to_owned) })
    }

    #[test]
    fn a_token_is_asked_for_where_its_realm_says() {
        let usual = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull""#;
        assert_eq!(read_all(&[usual]), bearer("https://auth.example/token", Some("registry.example")));
        assert_eq!(read_all(&["bearer realm=https://a/t , error=x"]), bearer("https://a/t", None));
        assert_eq!(read_all(&[r#"Bearer realm="a\"b=,c""#]), bearer("a\"b=,c", None));
        assert_eq!(read_all(&["Basic realm=x", "Bearer realm=y"]), bearer("y", None));
    }

    #[test]
    fn what_is_no_challenge_asks_for_nothing() {
        assert_eq!(read_all(&["Basic"]), Some(Challenge::Basic));
        for text in ["", "Bearer", "Bearer service=x", "Negotiate", "Bearer realm", "Bearer \"", "="] {
            assert_eq!(read_all(&[text]), None, "{text}");
        }
    }
}
