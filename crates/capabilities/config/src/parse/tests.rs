//! Settings as text, and what is said about wrong ones.

use expect_test::{Expect, expect};

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value, and a check reads better without a borrow")]
fn check(outcome: Result<Settings, ConfigError>, expected: Expect) {
    let printed = match outcome {
        Ok(settings) => settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect(),
        Err(error) => format!("{}: {error}", error.code()),
    };
    expected.assert_eq(&printed);
}

#[test]
fn flags_are_pairs_and_a_value_may_hold_anything() {
    check(
        Settings::from_pairs(["a=1", "b=x=y", "c=", "d= two words "]),
        expect![[r#"
        a=1
        b=x=y
        c=
        d= two words 
    "#]],
    );
}

#[test]
fn all_problems_are_said_at_once() {
    check(
        Settings::from_pairs(["a", "=b", "c=1", "c=2", "d=1", "d=1"]),
        expect![[
            r#"E0403: "a" has no '=': write NAME=VALUE; "=b" has no name before the '='; "c" is given twice with different values"#
        ]],
    );
}

#[test]
fn the_environment_gives_what_has_the_prefix() {
    let variables =
        [("WATTLE_CONFIG_DATABASE_URL", "x"), ("HOME", "/root"), ("WATTLE_CONFIG_n", "1"), ("WATTLE_CONFIGX", "2")];
    check(
        Settings::from_environment(ENVIRONMENT_PREFIX, variables.map(|(name, value)| (name.into(), value.into()))),
        expect![[r#"
        database_url=x
        n=1
    "#]],
    );
    check(
        Settings::from_environment(ENVIRONMENT_PREFIX, [("WATTLE_CONFIG_".into(), "x".into())]),
        expect![[r#"E0403: "WATTLE_CONFIG_" has no name before the '='"#]],
    );
}

#[test]
fn toml_is_a_table_of_scalars() {
    check(
        Settings::parse("s = 'x'\ni = 3\nf = 1.5\nb = true", Format::Toml),
        expect![[r#"
        b=true
        f=1.5
        i=3
        s=x
    "#]],
    );
    check(
        Settings::parse("a = [1]\n[t]\nx = 1", Format::Toml),
        expect![[
            r#"E0403: "a" is a list; a setting is text, a number, true or false; "t" is a table; a setting is text, a number, true or false"#
        ]],
    );
    let error = Settings::parse("a = 1\nb = \n", Format::Toml).unwrap_err().to_string();
    assert!(error.starts_with("line 2: "), "{error}");
}

#[test]
fn json_is_an_object_of_scalars() {
    check(
        Settings::parse(r#"{"s": "x", "i": 3, "b": false}"#, Format::Json),
        expect![[r#"
        b=false
        i=3
        s=x
    "#]],
    );
    check(
        Settings::parse(r#"{"a": null, "b": {}}"#, Format::Json),
        expect![[
            r#"E0403: "a" is null; a setting is text, a number, true or false; "b" is an object; a setting is text, a number, true or false"#
        ]],
    );
    assert!(Settings::parse("[]", Format::Json).is_err());
    assert!(Settings::parse("", Format::Json).is_err());
}

#[test]
fn lines_are_as_an_env_file_has_them() {
    check(
        Settings::parse("# head\n\nA=1\nexport B=two\nC = \"three four\"\nD='x'\r\nE=\"open\n", Format::Lines),
        expect![[r#"
        A=1
        B=two
        C=three four
        D=x
        E="open
    "#]],
    );
    check(
        Settings::parse("A=1\nnonsense\n\n=x", Format::Lines),
        expect![[r#"E0403: line 2: "nonsense" has no '=': write NAME=VALUE; line 4: "=x" has no name before the '='"#]],
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_files() {
    let [flags, environment, file] = ["a=flag", "a=env\nb=env", "a=file\nb=file\nc=file"]
        .map(|text| Settings::parse(text, Format::Lines).expect("these are settings"));
    check(
        Ok(flags.over(environment).over(file)),
        expect![[r#"
        a=flag
        b=env
        c=file
    "#]],
    );
}

#[test]
fn the_name_of_a_file_tells_its_format() {
    let formats = ["a.toml", "a.json", "a.env", ".env", "settings"].map(|name| Format::of(Path::new(name)));
    assert_eq!(formats, [Format::Toml, Format::Json, Format::Lines, Format::Lines, Format::Lines]);
}
