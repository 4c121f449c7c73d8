//! This is what a host is asked on the control interface, as the subject says it.

/// What is asked. A host's own subjects were chosen by its subscriptions, so that the id is not looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Ping,
    Inventory,
    Stop(String),
    Auction,
    ProviderAuction,
    Scale,
    Update,
    StartProvider,
    StopProvider,
    PutLabel,
    DeleteLabel,
    PutRegistries,
    PutLink,
    DeleteLink,
    Links,
    Claims,
    PutConfig(String),
    Config(String),
    DeleteConfig(String),
}

/// What the subjects are that a host subscribes to, and those of them that it shares with all other hosts by a group.
pub(crate) fn patterns(prefix: &str, id: &str) -> Vec<(String, Option<String>)> {
    let own = ["host.ping", "registry.put", "component.auction", "provider.auction"]
        .map(|end| (format!("{prefix}.{end}"), None));
    let named = ["host", "component", "provider", "label"].map(|what| (format!("{prefix}.{what}.*.{id}"), None));
    let shared = [("link", "*"), ("claims", "*"), ("config", ">")]
        .map(|(what, rest)| (format!("{prefix}.{what}.{rest}"), Some(format!("{prefix}.{what}"))));
    own.into_iter().chain(named).chain(shared).collect()
}

/// Reads the end of a subject, after the prefix. Nothing where there is no such question.
pub(crate) fn read<'a>(end: impl Iterator<Item = &'a str>) -> Option<Question> {
    // One more than any question has: a name with a dot in it is none.
    let end: Vec<_> = end.take(4).collect();
    Some(match end.as_slice() {
        ["host", "ping"] => Question::Ping,
        ["host", "get", _] => Question::Inventory,
        ["host", "stop", id] => Question::Stop((*id).to_owned()),
        ["component", "auction"] => Question::Auction,
        ["provider", "auction"] => Question::ProviderAuction,
        ["component", "scale", _] => Question::Scale,
        ["component", "update", _] => Question::Update,
        ["provider", "start", _] => Question::StartProvider,
        ["provider", "stop", _] => Question::StopProvider,
        ["label", "put", _] => Question::PutLabel,
        ["label", "del", _] => Question::DeleteLabel,
        ["registry", "put"] => Question::PutRegistries,
        ["link", "put"] => Question::PutLink,
        ["link", "del"] => Question::DeleteLink,
        ["link", "get"] => Question::Links,
        ["claims", "get"] => Question::Claims,
        ["config", "put", name] => Question::PutConfig((*name).to_owned()),
        ["config", "get", name] => Question::Config((*name).to_owned()),
        ["config", "del", name] => Question::DeleteConfig((*name).to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_question_or_none() {
        let read = |text: &str| read(text.split('.'));
        assert_eq!(read("host.ping"), Some(Question::Ping));
        assert_eq!(read("host.stop.N"), Some(Question::Stop("N".into())));
        assert_eq!(read("config.put.a"), Some(Question::PutConfig("a".into())));
        for text in ["config.put.a.b", "config.put", "link.foo", "host.ping.N", "component.auction.N", "", "a.b.c.d.e"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn links_claims_and_settings_are_shared_by_all_hosts() {
        let shared = patterns("P", "N").into_iter().filter_map(|(pattern, group)| Some((pattern, group?)));
        let expected = [("P.link.*", "P.link"), ("P.claims.*", "P.claims"), ("P.config.>", "P.config")];
        assert!(shared.eq(expected.map(|(pattern, group)| (pattern.to_owned(), group.to_owned()))));
    }
}
