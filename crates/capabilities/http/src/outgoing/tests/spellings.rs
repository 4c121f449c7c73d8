//! Addresses in all the ways in which someone may write them to get past a list.

use http::Uri;

use super::*;
use crate::outgoing::address::is_public;

/// Ways to write one address of IPv4, beginning with the right one.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let whole = u32::from(address);
    let [high, low] = [whole >> 16, whole & 0xffff];
    let rest = whole & 0x00ff_ffff;
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{a}.{b}.{c}.{d}.."),
        format!("{whole}"),
        format!("{whole}."),
        format!("0x{whole:x}"),
        format!("0X{whole:X}"),
        format!("0x{whole:08x}"),
        format!("0{whole:o}"),
        format!("000000{whole:o}"),
        format!("{a}.{rest}"),
        format!("{a}.{b}.{low}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a:03}.{b:03}.{c:03}.{d:03}"),
        format!("0x{a:x}.{rest}"),
        format!("0{a:o}.{rest}"),
        format!("{a}.{b}.0x{low:x}"),
        format!("{a}.{b}.{c}.0x{d:x}"),
        format!("{a}.{b}.{c}.{d}.0x"),
        format!("{a}.{b}.{c}.{}", u32::from(d) + 256),
        format!("{}", u64::from(whole) + (1 << 32)),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:ffff:{high:x}:{low:x}]"),
        format!("[::{a}.{b}.{c}.{d}]"),
        format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
        format!("[2002:{high:x}:{low:x}::]"),
        format!("[{a}.{b}.{c}.{d}]"),
        format!("[fe80::1%25eth0]"),
        format!("user@{a}.{b}.{c}.{d}"),
        format!("public.test@{a}.{b}.{c}.{d}"),
        format!("public.test:80@{a}.{b}.{c}.{d}"),
        format!("%31{a}.{b}.{c}.{d}"),
        format!("{a}%2e{b}%2e{c}%2e{d}"),
        format!("{a}。{b}。{c}。{d}"),
    ]
}

fn private() -> Vec<Ipv4Addr> {
    let addresses = [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
    ];
    addresses.iter().map(|address| address.parse().expect("an address")).collect()
}

/// Each spelling against a list that allows all that is public at any port, and a resolver that knows every spelling. A range of
/// all addresses is about those that are public, too.
#[test]
fn no_spelling_of_a_private_address_gets_out() {
    let mut tried = 0;
    for address in private() {
        let allowed = ["*:*", "*.test:*", "public.test:*", "0.0.0.0/0:*", "[::]/0:*"];
        let outgoing = resolving(&allowed, address.into());
        for spelling in spellings(address) {
            let Ok(uri) = format!("http://{spelling}:4222/").parse::<Uri>() else { continue };
            tried += 1;
            let mut request = request("http://public.test/");
            *request.uri_mut() = uri;
            let outcome = run(fetch(&outgoing, request, None));
            assert!(
                matches!(
                    outcome,
                    Err(Error::HttpRequestDenied | Error::HttpRequestUriInvalid | Error::DestinationIpProhibited)
                ),
                "{spelling}: {outcome:?}"
            );
        }
    }
    assert!(tried > 200, "only {tried}");
}

/// Allowing one address allows it in the spellings that are normalised, and no other host in any.
#[test]
fn an_allowed_address_is_that_address_only() {
    let address = Ipv4Addr::new(192, 0, 2, 7);
    let list = list(&["192.0.2.7"]);
    let allowed: Vec<String> = spellings(address)
        .into_iter()
        .filter(|spelling| {
            let uri = format!("http://{spelling}/").parse::<Uri>();
            uri.is_ok_and(|uri| Target::of(&uri).is_ok_and(|target| list.allows(&target)))
        })
        .collect();
    assert_eq!(
        allowed,
        ["192.0.2.7", "192.0.2.7.", "[::ffff:192.0.2.7]", "[::ffff:c000:207]", "[0:0:0:0:0:ffff:c000:207]"]
    );
}

#[test]
fn what_is_not_public_is_known() {
    let private = [
        "0.0.0.0",
        "0.1.2.3",
        "10.255.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for text in private {
        assert!(!is_public(text.parse().expect("an address")), "{text}");
    }
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "223.255.255.255",
        "2606:4700::1",
        "2a00:1450::1",
        "2001:4860::8888",
        "64:ff9b::8.8.8.8",
    ];
    for text in public {
        assert!(is_public(text.parse().expect("an address")), "{text}");
    }
}

#[test]
fn values_are_read_and_printed_alike() {
    for text in [
        "example.com",
        "example.com:8080",
        "*.example.com",
        "*",
        "*:*",
        "https://example.com",
        "http://*.x.test:*",
        "h2c://greeter.test:50051",
        "[2001:db8::1]:80",
        "10.0.0.1",
        "10.0.0.0/8",
        "https://10.1.2.0/23:8443",
        "h2c://10.0.0.1/32:*",
        "[fd00::]/8:9000",
        "0.0.0.0/0",
        "[::]/0",
        "localhost:4222",
    ] {
        assert_eq!(text.parse::<Allow>().expect("a value").to_string(), text);
    }
    assert_eq!("HTTPS://Example.COM./".parse::<Allow>().expect("a value").to_string(), "https://example.com");
    assert_eq!("fd00::/8".parse::<Allow>().expect("a value").to_string(), "[fd00::]/8");
    assert_eq!("http://[::ffff:10.0.0.0]/104/".parse::<Allow>().expect("a value").to_string(), "http://10.0.0.0/8");
    assert_eq!(AllowList::default().to_string(), "no host");
    assert_eq!(list(&["a.test", "b.test:1"]).to_string(), "a.test, b.test:1");
}

#[test]
fn what_is_no_value_is_refused_with_a_reason() {
    for (text, why) in [
        ("", "there is no host in it"),
        ("ftp://x.test", "neither with http://"),
        ("x.test/path", "path does not decide"),
        ("https://x.test/path", "path does not decide"),
        ("x.test:0", "not a number from 1"),
        ("x.test:99999", "not a number from 1"),
        ("x.test:+80", "not a number from 1"),
        ("x.test:", "not a number from 1"),
        ("me@x.test", "user name"),
        ("x*.test", "'*' stands at the beginning"),
        ("*.*.test", "letters of ASCII"),
        ("*.1.2.3.4", "'*' stands at the beginning"),
        ("büro.test", "letters of ASCII"),
        ("x..test", "1 to 63"),
        ("127.1", "an address is written"),
        ("0x7f000001", "an address is written"),
        ("[::1", "an address is written"),
        ("::1", "an address is written"),
        ("10.0.0.0/33", "the first 0 to 32 bits"),
        ("10.0.0.0/999", "the first 0 to 32 bits"),
        ("[fd00::]/129", "the first 0 to 128 bits"),
        ("10.0.0.1/8", "with its first address"),
        ("::ffff:0:0/95", "with its first address"),
        ("10.0.0.0/8:0", "not a number from 1"),
        ("10.0.0.0/", "path does not decide"),
        ("10.0.0.0/+8", "path does not decide"),
        ("x.test/8", "path does not decide"),
    ] {
        let error = text.parse::<Allow>().expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn a_refusal_of_a_value_names_the_nearest_one_that_is_right() {
    for (text, form) in [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("https://10.1.2.3/16:8443", "https://10.1.0.0/16:8443"),
        ("[fd12:3456::1]/16", "[fd12::]/16"),
        ("x.test/8", "x.test"),
        ("https://x.test:8443/path", "https://x.test:8443"),
    ] {
        let error = text.parse::<Allow>().expect_err(text).to_string();
        assert!(error.ends_with(&format!("; write {form}")), "{text}: {error}");
        assert!(form.parse::<Allow>().is_ok(), "{form}");
    }
}

/// What a range has of private addresses counts where it has nothing else: nobody opens a network of his own by allowing the
/// Internet.
#[test]
fn a_range_is_about_what_is_private_where_nothing_in_it_is_public() {
    let allows = |value: &str, host: &str| {
        let target = Target::of(&format!("http://{host}/").parse().expect("a URI")).expect("a target");
        list(&[value]).allows(&target)
    };
    for (range, inside) in [
        ("10.0.0.0/8", "10.1.2.3"),
        ("169.254.0.0/16", "169.254.169.254"),
        ("127.0.0.0/30", "127.0.0.1"),
        ("[fc00::]/7", "[fd00:ec2::254]"),
        ("[::]/64", "[::1]"),
        ("[64:ff9b::10.0.0.0]/104", "[64:ff9b::10.0.0.1]"),
        ("8.0.0.0/6", "8.8.8.8"),
        ("0.0.0.0/0", "1.1.1.1"),
        ("[2000::]/3", "[2606:4700::1]"),
    ] {
        assert!(allows(range, inside), "{range} {inside}");
    }
    for (range, outside) in [
        ("10.0.0.0/8", "11.0.0.1"),
        ("10.1.0.0/16", "10.2.0.1"),
        ("10.0.0.0/8", "[fd00::1]"),
        ("[fd00::]/8", "[fc00::1]"),
        // Within it, beside what is public.
        ("8.0.0.0/6", "10.1.2.3"),
        ("172.0.0.0/8", "172.16.0.1"),
        ("0.0.0.0/0", "169.254.169.254"),
        ("[::]/0", "[::1]"),
        ("[2000::]/3", "[2001:db8::1]"),
        ("[::]/8", "[::1]"),
        ("[64:ff9b::]/96", "[64:ff9b::10.0.0.1]"),
    ] {
        assert!(!allows(range, outside), "{range} {outside}");
    }
}

#[test]
fn any_text_is_read_without_a_panic() {
    let pieces = ["[", "]", "::", ":", "@", "*", ".", "/", "http://", "ü", "0x", "9", "a", "%", "\0", "-"];
    for a in pieces {
        for b in pieces {
            for c in pieces {
                drop(format!("{a}{b}{c}").parse::<Allow>());
                drop(format!("{a}{b}{c}").parse::<Host>());
                drop(format!("http://{a}{b}{c}/").parse::<Uri>().map(|uri| Target::of(&uri)));
            }
        }
    }
}
