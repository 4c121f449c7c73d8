//! Seeds of other implementations are read, and no other text is.

use super::*;

/// Of the documentation of nkeys: a user's seed with its key.
const USER: (&str, &str) = (
    "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU",
    "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L",
);

#[test]
fn every_kind_prints_as_it_was_read() {
    for (kind, letter) in [(KeyKind::Host, 'N'), (KeyKind::Account, 'A'), (KeyKind::User, 'U'), (KeyKind::Module, 'M')]
    {
        let seed = Seed::new(kind, [7; 32]);
        let text = seed.to_secret_text();
        assert_eq!((text.len(), &text[..1], text.chars().nth(1)), (58, "S", Some(letter)));
        let again: Seed = text.parse().expect("it is a seed");
        assert_eq!(again.public(), seed.public());
        assert_eq!(seed.public().to_string().chars().next(), Some(letter));
        assert_eq!(seed.public().to_string().parse(), Ok(seed.public()));
    }
}

#[test]
fn the_seed_of_the_documentation_has_its_key() {
    let seed: Seed = USER.0.parse().expect("it is a seed");
    assert_eq!(seed.public().to_string(), USER.1);
    assert_eq!(*seed.to_secret_text(), USER.0);
}

#[test]
fn what_is_not_quite_a_seed_is_none() {
    for end in 0..USER.0.len() {
        assert!(USER.0[..end].parse::<Seed>().is_err(), "cut at {end}");
        let other = if USER.0.as_bytes()[end] == b'A' { 'B' } else { 'A' };
        let changed = format!("{}{other}{}", &USER.0[..end], &USER.0[end + 1..]);
        assert!(changed.parse::<Seed>().is_err(), "changed at {end}");
    }
    assert!(USER.1.parse::<Seed>().is_err(), "a public key is no seed");
}

#[test]
fn what_it_signs_is_its_own_and_it_is_not_shown() {
    let seed = Seed::new(KeyKind::Host, [9; 32]);
    assert!(seed.public().has_signed(b"hello", &seed.sign(b"hello")));
    assert!(!seed.public().has_signed(b"hallo", &seed.sign(b"hello")));
    assert!(!format!("{seed:?}").contains(&seed.to_secret_text()[..20]));
}
