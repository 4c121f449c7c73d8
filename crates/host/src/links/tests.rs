//! What a wanted link becomes, told as stories about a few components.

use std::collections::BTreeMap;

use capability::BackendInfo;
use capability::provider;
use capability::settings::{Default as Unsaid, Kind, Setting};
use model::{ComponentName, Contract, LinkDel, LinkPut};
use stdx::Explain;

use super::{Facts, LINKS_MAX, LinkError, LinkTable, Said, Shape, interfaces_of, resolve};

const URL: &[Setting] =
    &[Setting { name: "url", about: "where it is", kind: Kind::Url(&["redis"]), default: Unsaid::Required }];

const BACKENDS: &[BackendInfo] = &[
    BackendInfo { name: "disk", about: "", settings: &[] },
    BackendInfo { name: "redis", about: "", settings: URL },
    BackendInfo { name: "provider", about: "", settings: &[provider::ID, provider::LINK, provider::TIMEOUT] },
];

/// A shop that keeps keys and asks a catalog, two catalogs, and a bank with another version of what one of them has; a desk that
/// needs two things of an office.
struct Street {
    components: BTreeMap<ComponentName, Shape>,
    keyvalue: Vec<Contract>,
    tries_again: bool,
    may_fuse: bool,
}

impl Street {
    fn new() -> Self {
        let contracts = |names: &[&str]| names.iter().map(|name| name.parse().expect("a contract")).collect::<Vec<_>>();
        let shape =
            |imports: &[&str], exports: &[&str]| Shape { imports: contracts(imports), exports: contracts(exports) };
        let keys = ["wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/atomics@0.2.0-draft"];
        let shop = shape(&[keys[0], keys[1], "acme:shop/stock@1.0.0", "acme:money/rates@1.0.0"], &[]);
        let catalog = shape(&[], &["acme:shop/stock@1.2.0"]);
        let both = shape(&[], &["acme:shop/stock@1.0.0", "acme:money/rates@1.3.0"]);
        let bank = shape(&[], &["acme:money/rates@2.0.0"]);
        let office = shape(&[], &["acme:desk/pens@1.0.0", "acme:desk/ink@1.0.0"]);
        let desk = shape(&["acme:desk/pens@1.0.0", "acme:desk/ink@1.0.0"], &[]);
        let sellers = [("shop", shop), ("catalog", catalog), ("both", both), ("bank", bank)];
        let components = sellers.into_iter().chain([("desk", desk), ("office", office)]);
        let components = components.map(|(name, shape)| (name.parse().expect("a name"), shape)).collect();
        Self { components, keyvalue: contracts(&keys), tries_again: true, may_fuse: true }
    }
}

impl Facts for Street {
    fn component(&self, name: &ComponentName) -> Option<&Shape> {
        self.components.get(name)
    }

    fn components(&self) -> Vec<&ComponentName> {
        self.components.keys().collect()
    }

    fn capability(&self, name: &str) -> Option<(&[Contract], &[BackendInfo])> {
        (name == "keyvalue").then_some((self.keyvalue.as_slice(), BACKENDS))
    }

    fn capabilities(&self) -> Vec<&str> {
        vec!["keyvalue"]
    }

    fn may_fuse(&self) -> bool {
        self.may_fuse
    }

    fn tries_again(&self, _: &str) -> bool {
        self.tries_again
    }

    fn is_kept_by_components(&self, contract: &Contract) -> bool {
        contract.package == "money"
    }

    fn kept_by(&self, exports: &[Contract]) -> Vec<Contract> {
        let is_money = exports.iter().any(|export| export.package == "money");
        let versions: &[&str] = if is_money { &["acme:money/rates@1.0.0", "acme:money/rates@2.0.0"] } else { &[] };
        versions.iter().map(|name| name.parse().expect("a contract")).collect()
    }
}

/// `SOURCE TARGET [contract=C] [name=N] [KEY=VALUE]...`
fn wanted(line: &str) -> LinkPut {
    let mut words = line.split(' ');
    let mut next = || words.next().expect("a source and a target");
    let (source, target) = (next().parse().expect("a source"), next().parse().expect("a target"));
    let (contract, config, terms) = (None, BTreeMap::new(), model::Terms::default());
    let mut put = LinkPut { source, target, name: Default::default(), contract, config, terms, unchecked: false };
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        match name {
            "contract" => put.contract = Some(value.parse().expect("contracts")),
            "name" => put.name = value.parse().expect("a name"),
            "terms" => put.terms = value.parse().expect("terms"),
            "unchecked" => put.unchecked = value == "true",
            _ => drop(put.config.insert(name.into(), value.into())),
        }
    }
    put
}

fn resolved(line: &str) -> Result<String, String> {
    let link = resolve(wanted(line), &Street::new(), &LinkTable::default()).map_err(|error| error.to_string())?.link;
    Ok(format!("{} -> {}", link.id, link.target))
}

#[test]
fn what_is_not_said_follows_from_what_both_have() {
    let cases = [
        ("shop keyvalue/disk", "shop wasi:keyvalue -> keyvalue/disk"),
        ("shop keyvalue/redis url=redis://a name=cache", "shop wasi:keyvalue (cache) -> keyvalue/redis"),
        ("shop keyvalue/disk contract=wasi:keyvalue/store", "shop wasi:keyvalue -> keyvalue/disk"),
        // A component gives interfaces: one by itself, and several of a package as a whole.
        ("shop catalog", "shop acme:shop/stock -> catalog"),
        ("shop catalog contract=acme:shop", "shop acme:shop/stock -> catalog"),
        ("desk office", "desk acme:desk -> office"),
        ("desk office contract=acme:desk/pens", "desk acme:desk/pens -> office"),
        ("shop both contract=acme:money", "shop acme:money -> both"),
        ("shop both contract=acme:shop/stock@1.0.0", "shop acme:shop/stock -> both"),
        // A capability that calls components keeps its contracts together; what is fused is called without it.
        ("shop both contract=acme:money/rates", "shop acme:money -> both"),
        ("shop both contract=acme:money/rates terms=fused", "shop acme:money/rates -> both"),
        // In whichever version the component has them.
        ("shop bank", "shop acme:money -> bank"),
        ("shop bank contract=acme:money/rates", "shop acme:money -> bank"),
    ];
    for (line, expected) in cases {
        assert_eq!(resolved(line).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn what_cannot_be_linked_says_what_there_is() {
    let cases = [
        ("ship keyvalue/disk", "there is no component ship; there are bank, both, catalog, desk, office, shop"),
        ("shop katalog", "there is no component katalog; there are bank, both, catalog, desk, office, shop"),
        ("shop keyvalu/disk", "there is no capability keyvalu; there is keyvalue"),
        ("shop keyvalue/rediss", "keyvalue has no backend rediss; there are disk, redis, provider"),
        ("shop keyvalue/redis", "the link cannot be put:\n  url is missing: where it is (--set url=…)"),
        ("shop keyvalue/disk path=/a", "the link cannot be put:\n  path is no setting of keyvalue/disk; it takes none"),
        ("catalog keyvalue/disk", "keyvalue/disk gives catalog nothing that it imports; it imports nothing"),
        ("shop both", "both could give shop acme:money, acme:shop; say which with --contract"),
        ("shop catalog contract=acme:money", "catalog does not export acme:money; it exports acme:shop/stock@1.2.0"),
        (
            "shop bank contract=acme:money/rates terms=fused",
            "bank does not export acme:money/rates; it exports acme:money/rates@2.0.0",
        ),
        ("catalog both contract=a:b", "catalog does not import a:b; it imports nothing"),
        (
            "shop catalog colour=red",
            "catalog is a component: its settings are not those of a link; start it with --config",
        ),
        (
            "shop shop",
            "shop gives shop nothing that it imports; it imports wasi:keyvalue/store@0.2.0-draft, wasi:keyvalue/atomics@0.2.0-draft, acme:shop/stock@1.0.0, acme:money/rates@1.0.0",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(resolved(line), Err(expected.to_owned()), "{line}");
    }
}

#[test]
fn a_link_is_replaced_by_one_of_its_identity_and_deleted_by_it() {
    let (street, mut table) = (Street::new(), LinkTable::default());
    let put = |table: &mut LinkTable, line: &str| {
        let link = resolve(wanted(line), &street, table).expect("it can be put").link;
        table.put(link, Said::Since).map(|(old, _)| old.target.to_string())
    };
    assert_eq!(put(&mut table, "shop keyvalue/disk"), None);
    assert_eq!(put(&mut table, "shop keyvalue/disk name=cache"), None);
    assert_eq!(put(&mut table, "shop keyvalue/redis url=redis://a"), Some("keyvalue/disk".into()));
    assert_eq!(put(&mut table, "shop catalog"), None);

    let del = |name: &str, contract: Option<&str>| LinkDel {
        source: "shop".parse().expect("a name"),
        name: name.parse().expect("a name"),
        contract: contract.map(|contract| contract.parse().expect("contracts")),
    };
    let found = |wanted| table.find(wanted).map(|id| id.to_string()).map_err(|error| error.to_string());
    assert_eq!(found(del("cache", None)), Ok("shop wasi:keyvalue (cache)".into()));
    assert_eq!(
        found(del("default", None)),
        Err("shop has acme:shop/stock, wasi:keyvalue; say which with --contract".into())
    );
    // A package with one link means that one.
    assert_eq!(found(del("default", Some("acme:shop"))), Ok("shop acme:shop/stock".into()));
    let error = found(del("default", Some("a:b"))).expect_err("there is none");
    assert_eq!(error, "shop a:b has no link of that name that somebody put");
    let error = found(del("other", None)).expect_err("there is none");
    assert_eq!(error, "shop has no link that somebody put; say which with --contract");
}

/// A link of the lattice is unchecked: whom it leads to is known to the lattice, if to anybody.
#[test]
fn somebody_outside_of_the_host_is_called_as_a_provider_where_a_capability_knows_how() {
    let leads = |line: &str| {
        let link =
            resolve(wanted(line), &Street::new(), &LinkTable::default()).map_err(|error| error.to_string())?.link;
        let told: Vec<_> = link.config.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(format!("{} -> {} {}", link.id, link.target, told.join(" ")).trim_end().to_owned())
    };
    let cases = [
        ("contract=wasi:keyvalue/store", "shop wasi:keyvalue -> keyvalue/provider id=kv link=default"),
        ("contract=wasi:keyvalue/store name=cache", "shop wasi:keyvalue (cache) -> keyvalue/provider id=kv link=cache"),
        ("contract=wasi:keyvalue", "shop wasi:keyvalue -> keyvalue/provider id=kv link=default"),
        // Nobody here knows these, so that they are called as they are, whoever has that id.
        ("contract=acme:shop/stock", "shop acme:shop/stock -> kv"),
        // Who may not leave the host is not a provider's.
        ("contract=wasi:keyvalue/store terms=local", "shop wasi:keyvalue/store -> kv"),
    ];
    for (line, expected) in cases {
        assert_eq!(leads(&format!("shop kv unchecked=true {line}")), Ok::<_, String>(expected.to_owned()), "{line}");
    }
    let here = leads("shop catalog unchecked=true contract=acme:shop/stock");
    assert_eq!(here, Ok("shop acme:shop/stock -> catalog".to_owned()));
    let typed = leads("shop kv contract=wasi:keyvalue/store").expect_err("the user said so, and it is not here");
    assert!(typed.starts_with("there is no component kv"), "{typed}");
}

#[test]
fn nothing_is_fused_where_the_host_forbids_it() {
    let mut street = Street::new();
    let put = |street: &Street, line: &str| resolve(wanted(line), street, &LinkTable::default()).map(drop);
    assert!(put(&street, "shop catalog terms=fused").is_ok());
    street.may_fuse = false;
    let refused = put(&street, "shop catalog terms=fused").expect_err("it is forbidden");
    assert!(refused.to_string().contains("--no-fuse") && refused.code() == stdx::Code::E0602, "{refused}");
    assert!(put(&street, "shop catalog terms=local").is_ok());
}

/// What only may be elsewhere is asked again there; what is asked once says where that would be of use.
#[test]
fn a_retry_that_nobody_would_keep_is_refused() {
    let mut street = Street::new();
    let asker =
        Shape { imports: vec!["wasi:http/outgoing-handler@0.2.0".parse().expect("a contract")], exports: vec![] };
    let answerer =
        Shape { imports: vec![], exports: vec!["wasi:http/incoming-handler@0.2.0".parse().expect("a contract")] };
    street.components.insert("asker".parse().expect("a name"), asker);
    street.components.insert("answerer".parse().expect("a name"), answerer);
    let is_refused = |street: &Street, line: &str| match resolve(
        wanted(&format!("{line} terms=retry=2")),
        street,
        &LinkTable::default(),
    ) {
        Ok(_) => false,
        Err(error @ LinkError::Terms { .. }) => error.to_string().contains("components on other hosts"),
        Err(error) => panic!("{line}: {error}"),
    };
    let cases = [
        ("shop keyvalue/disk", false),
        ("shop catalog", true),
        // Of the lattice: it may run elsewhere as well.
        ("shop catalog unchecked=true contract=acme:shop/stock", false),
        ("shop away unchecked=true contract=acme:shop/stock", false),
        // A capability calls it, and again.
        ("shop both contract=acme:money", false),
        ("asker answerer", true),
        ("asker answerer unchecked=true contract=wasi:http/outgoing-handler", true),
    ];
    for (line, expected) in cases {
        assert_eq!(is_refused(&street, line), expected, "{line}");
    }
    let stays = "shop catalog unchecked=true contract=acme:shop/stock terms=local,retry=1";
    assert!(resolve(wanted(stays), &street, &LinkTable::default()).is_err());
    street.tries_again = false;
    assert!(is_refused(&street, "shop keyvalue/disk"));
    assert!(resolve(wanted("shop keyvalue/disk terms=timeout=1s"), &street, &LinkTable::default()).is_ok());
}

/// What was put for one interface of a capability was put for all of its package, and is deleted by either.
#[test]
fn a_link_to_a_backend_is_deleted_by_any_of_its_interfaces() {
    let mut table = LinkTable::default();
    let put = |line: &str| resolve(wanted(line), &Street::new(), &LinkTable::default()).expect("it can be put").link;
    table.put(put("shop kv unchecked=true contract=wasi:keyvalue/store"), Said::Since);
    table.put(put("desk office"), Said::Since);
    let found = |source: &str, contract: &str| {
        let contract = Some(contract.parse().expect("contracts"));
        let wanted = LinkDel { source: source.parse().expect("a name"), name: Default::default(), contract };
        table.find(wanted).map(|id| id.to_string()).map_err(|error| error.to_string())
    };
    for contract in ["wasi:keyvalue", "wasi:keyvalue/store", "wasi:keyvalue/atomics"] {
        assert_eq!(found("shop", contract).as_deref(), Ok("shop wasi:keyvalue"));
    }
    assert!(found("desk", "acme:desk/pens").is_err(), "what a component gives as a whole is deleted as a whole");
}

#[test]
fn what_was_said_later_counts_before_what_was_said_at_the_start_however_near_that_is() {
    let (street, mut table) = (Street::new(), LinkTable::default());
    let put = |line: &str| resolve(wanted(line), &street, &LinkTable::default()).expect("it can be put").link;
    let (whole, pens) = (put("desk office"), put("desk office contract=acme:desk/pens"));
    table.put(pens.clone(), Said::AtStart);
    table.put(whole.clone(), Said::AtStart);
    assert!(table.rank(&pens) > table.rank(&whole), "of the same time the nearer one");
    table.put(whole.clone(), Said::Since);
    assert!(table.rank(&whole) > table.rank(&pens));
    table.put(pens.clone(), Said::Since);
    assert!(table.rank(&pens) > table.rank(&whole));
    let desk = street.component(&whole.id.source).expect("it is there");
    assert_eq!(interfaces_of(&whole.id.contract, &desk.imports), ["ink", "pens"]);
}

/// Names that begin alike are those of different components.
#[test]
fn each_component_has_its_own_links_among_thousands() {
    let mut street = Street::new();
    let shape = street.components[&"shop".parse::<ComponentName>().expect("a name")].clone();
    let names: Vec<_> = (0..100).map(|number| format!("shop{number}")).collect();
    for name in &names {
        street.components.insert(name.parse().expect("a name"), shape.clone());
    }
    let mut table = LinkTable::default();
    for line in names.iter().flat_map(|name| (0..50).map(move |number| format!("{name} keyvalue/disk name=n{number}")))
    {
        let link = resolve(wanted(&line), &street, &table).expect("it can be put").link;
        table.put(link, Said::Since);
    }
    let counted = |name: &str| table.of(&name.parse().expect("a name")).count();
    assert_eq!(["shop1", "shop10", "shop99"].map(counted), [50; 3]);
    assert_eq!(["shop", "shop0a", "shop100", "a", "z"].map(counted), [0; 5]);
    assert!(!table.fuses());
}

#[test]
fn a_component_has_so_many_links_and_no_more() {
    let (street, mut table) = (Street::new(), LinkTable::default());
    for index in 0..LINKS_MAX {
        let link = resolve(wanted(&format!("shop keyvalue/disk name=n{index}")), &street, &table);
        table.put(link.expect("there is room").link, Said::Since);
    }
    let refused = resolve(wanted("shop keyvalue/disk name=more"), &street, &table).expect_err("there is no room");
    assert!(matches!(refused, LinkError::TooMany(_)), "{refused}");
    assert_eq!(refused.code(), stdx::Code::E0602);
    assert!(resolve(wanted("shop keyvalue/disk name=n7"), &street, &table).is_ok(), "replacing needs no room");
}
