//! What manifests mean, and what is wrong with others.

use expect_test::expect;

use super::*;

/// The components of `spec`, as they would stand in a file.
fn declared(components: &str) -> String {
    let head = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: shop}\nspec:\n  components:\n";
    let indented = components.trim_matches('\n').lines().map(|line| format!("    {line}\n"));
    head.to_owned() + &indented.collect::<String>()
}

fn application(components: &str) -> Application {
    read(&declared(components)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What an application is, a line for each thing.
fn shown(application: &Application) -> String {
    let component = |Component { name, image, routes }: &Component| {
        let from = match image {
            Image::File(file) => file.clone(),
            Image::Registry(reference) => format!("registry: {reference}"),
        };
        let place = |place: &Place| format!("{}@{}", place.listener.as_deref().unwrap_or_default(), place.route);
        format!("{name} from {from} at {:?}\n", routes.iter().map(place).collect::<Vec<_>>())
    };
    let link = |link: &LinkPut| {
        let contract = link.contract.as_ref().expect("a manifest says which");
        format!("{} {contract} ({}) -> {} {:?} [{}]\n", link.source, link.name, link.target, link.config, link.terms)
    };
    let listener = |Listener { name, address }: &Listener| format!("listens on {address} as {name:?}\n");
    let mut lines: String = application.components.iter().map(component).collect();
    lines.extend(application.links.iter().map(link));
    lines.extend(application.listeners.iter().map(listener));
    lines.extend(application.notes.iter().map(|note| format!("note: {note}\n")));
    lines
}

/// As users of wasmCloud 1.x have it.
const COUNTER: &str = "
- name: counter
  type: component
  properties:
    image: file://./build/counter_s.wasm
    id: rust-http-counter
    config: [{name: counter-defaults, properties: {step: 2, is_loud: true, greeting: hello}}]
  traits:
    - type: spreadscaler
      properties: {instances: 10, spread: [{name: east, requirements: {zone: east}, weight: 80}]}
    - type: link
      properties:
        namespace: wasi
        package: keyvalue
        interfaces: [atomics, store]
        target: {name: kv, config: [{name: redis-url, properties: {URL: 'redis://127.0.0.1:6379'}}]}
- name: kv
  type: capability
  properties: {image: 'ghcr.io/wasmcloud/keyvalue-redis:0.28.1'}
- name: httpserver
  type: capability
  properties: {image: 'ghcr.io/wasmcloud/http-server:0.23.2'}
  traits:
    - type: link
      properties:
        namespace: wasi
        package: http
        interfaces: [incoming-handler]
        source: {config: [{name: default-http, properties: {address: '127.0.0.1:8080'}}]}
        target: {name: counter}
";

#[test]
fn a_manifest_of_wasmcloud_is_understood() {
    expect![[r#"
        counter from ./build/counter_s.wasm at ["@/"]
        counter wasi:config (default) -> config/literals {"greeting": "hello", "is_loud": "true", "step": "2"} [prefer-local]
        counter wasi:keyvalue (default) -> keyvalue/redis {"url": "redis://127.0.0.1:6379"} [prefer-local]
        listens on 127.0.0.1:8080 as None
        note: counter is not scaled: one host runs it, as far as --instances and --concurrency say
    "#]]
    .assert_eq(&shown(&application(COUNTER)));
}

#[test]
fn links_of_all_kinds() {
    let application = application(
        "
- name: till
  type: actor
  properties: {image: till.wasm}
  traits:
    - {type: link, properties: {namespace: demo, package: shop, interfaces: [tag, stock], target: price, terms: 'local,timeout=2s'}}
    - {type: link, properties: {namespace: wasi, package: keyvalue, interfaces: [store], name: cache, target: memory}}
    - {type: link, properties: {namespace: wasmcloud, package: messaging, interfaces: [consumer], target: nats}}
    - {type: link, properties: {namespace: wasi, package: http, interfaces: [outgoing-handler], target: out}}
    - {type: link, properties: {namespace: wasi, package: blobstore, interfaces: [blobstore], target: files, target_config: [{name: a, properties: {root: /srv}}]}}
    - {type: route, properties: {host: example.com, path: /till, listener: admin}}
- {name: price, type: component, properties: {image: /srv/price.wasm}}
- {name: memory, type: capability, properties: {image: 'wattle+builtin://keyvalue/memory'}}
- name: nats
  type: capability
  properties: {image: 'wasmcloud+builtin://messaging-nats', config: [{name: n, properties: {cluster_uris: 'nats://a:4222'}}]}
  traits:
    - {type: link, properties: {namespace: wasmcloud, package: messaging, interfaces: [handler], target: till, source_config: [{name: s, properties: {subscriptions: 'orders.*|till,tasks|till'}}]}}
- {name: out, type: capability, properties: {image: 'ghcr.io/wasmcloud/http-client:0.13.1'}}
- {name: files, type: capability, properties: {image: 'ghcr.io/wasmcloud/blobstore-fs@sha256:00'}}
",
    );
    expect![[r#"
        till from till.wasm at ["admin@example.com/till"]
        price from /srv/price.wasm at []
        till wasmcloud:messaging (default) -> messaging/nats {"queue_group": "till", "subscriptions": "orders.*,tasks", "url": "nats://a:4222"} [prefer-local]
        till demo:shop/tag (default) -> price {} [local,timeout=2s]
        till demo:shop/stock (default) -> price {} [local,timeout=2s]
        till wasi:keyvalue (cache) -> keyvalue/memory {} [prefer-local]
        till wasi:blobstore (default) -> blobstore/folder {"path": "/srv"} [prefer-local]
        note: till sends requests to the hosts that --allow-http names, and to no others
    "#]]
    .assert_eq(&shown(&application));
}

#[test]
fn servers_of_several_addresses_are_listeners_with_names() {
    let server = |address: &str, target: &str, path: &str| {
        format!(
            "    - {{type: link, properties: {{namespace: wasi, package: http, interfaces: [incoming-handler], target: {target}, \
             source_config: [{{name: c, properties: {{address: '{address}', path: '{path}'}}}}]}}}}\n"
        )
    };
    let text = "- {name: a, type: component, properties: {image: a.wasm}}\n\
                - {name: b, type: component, properties: {image: b.wasm}}\n\
                - name: web_server\n  type: capability\n  properties: {image: http-server}\n  traits:\n"
        .to_owned()
        + &server("0.0.0.0:80", "a", "/")
        + &server("0.0.0.0:80", "b", "/b")
        + &server("127.0.0.1:9000", "b", "/");
    expect![[r#"
        a from a.wasm at ["web-server-80@/"]
        b from b.wasm at ["web-server-80@/b", "web-server-9000@/"]
        listens on 0.0.0.0:80 as Some("web-server-80")
        listens on 127.0.0.1:9000 as Some("web-server-9000")
    "#]]
    .assert_eq(&shown(&application(&text)));
}

#[test]
fn a_component_comes_from_a_file_or_from_a_registry() {
    let text = "
- {name: a, type: component, properties: {image: 'ghcr.io/Shop/a:1'}}
- {name: b, type: component, properties: {image: 'oci://localhost:5000/b.wasm'}}
- {name: c, type: component, properties: {image: ghcr.io/c.wasm}}
- {name: d, type: component, properties: {image: 'file://ghcr.io/d:1'}}
";
    expect![[r#"
        a from registry: ghcr.io/shop/a:1 at []
        b from registry: localhost:5000/b.wasm:latest at []
        c from ghcr.io/c.wasm at []
        d from ghcr.io/d:1 at []
    "#]]
    .assert_eq(&shown(&application(text)));
}

/// Nearly everything is wrong with it.
const WRONG: &str = "
apiVersion: v1
kind: Deployment
metadata: {name: a b}
spec:
  policies: [{name: vault, type: policy.secret.wasmcloud.dev/v1alpha1, properties: {backend: x}}]
  components:
    - {name: a, type: component, properties: {image: 'x/a:1', secrets: [{name: s}]}}
    - {name: a, type: component, properties: {image: a.wasm, imgae: x}}
    - {name: b, type: component, properties: {image: b.wasm, config: [{name: elsewhere}]}}
    - {name: b, type: component, properties: {image: b.wasm}}
    - {name: 'c d', type: component, properties: {image: c.wasm}}
    - {name: e, type: component, properties: {application: {name: other, component: e}}}
    - {name: f, type: component, properties: {}}
    - {name: g, type: capability, properties: {image: 'ghcr.io/x/own-provider:1'}}
    - {name: h, type: service, properties: {image: h.wasm}}
    - {type: component}
    - just text
    - name: i
      type: component
      properties: {image: i.wasm}
      traits:
        - {type: link, properties: {namespace: wasi, package: keyvalue, interfaces: [store], target: nobody}}
        - {type: link, properties: {namespace: wasi, package: keyvalue, target: b}}
        - {type: link, properties: {namespace: x, package: y, interfaces: [z], target: {name: b, config: [{name: n, properties: {k: v}}]}}}
        - {type: link, properties: {namespace: wasi, package: http, interfaces: [incoming-handler], target: server}}
        - {type: link, properties: {namespace: x, package: y, interfaces: [w], target: b, name: 'a b', terms: soon}}
        - {type: sidecar, properties: {}}
        - {type: route, properties: {path: /, ports: [1]}}
        - {type: link, properties: {namespace: wasi, package: keyvalue, interfaces: [store], target: kv, source: {secrets: [{}]}}}
        - {type: link, properties: {namespace: wasi, package: keyvalue, interfaces: [store], target: kv2}}
        - {type: link, properties: {namespace: wasi, package: keyvalue, interfaces: [store], target: {name: kv, config: [{name: n, properties: {k: [1]}}]}}}
        - {type: link, properties: {namespace: x, package: kv, interfaces: [a], target: {name: kv, config: [{name: n, properties: {url: a}}]}}}
        - {type: link, properties: {namespace: x, package: kv, interfaces: [b], target: {name: kv, config: [{name: n, properties: {url: b}}]}}}
        - {type: link, properties: {namespace: x, package: m, interfaces: [b], target: {name: kv, config: [{name: n, properties: {subscriptions: 'a|b,c'}}]}}}
    - name: server
      type: capability
      properties: {image: http-server}
      traits:
        - {type: link, properties: {namespace: wasi, package: http, interfaces: [incoming-handler], target: b, source_config: [{name: n, properties: {address: '8080', prot: 1}}]}}
        - {type: link, properties: {namespace: wasi, package: http, interfaces: [incoming-handler], target: kv}}
        - {type: route, properties: {path: /}}
    - {name: kv, type: capability, properties: {image: keyvalue-redis}}
    - {name: kv2, type: capability, properties: {image: 'wattle+builtin://keyvalue/memory'}}
";

#[test]
fn all_problems_are_said_at_once_each_with_its_place() {
    let problems = read(WRONG).expect_err("nearly everything is wrong");
    expect![[r#"
        the manifest cannot be used:
          the file: it declares a v1 Deployment, not an Application of core.oam.dev/v1beta1
          metadata.name: "a b" is no name; letters, digits, '-' and '_' make one
          spec.policies: there are no policies here; link what they are for, as in secrets/files
          component a: unknown field `imgae`, expected one of `image`, `application`, `id`, `config`, `secrets`
          component h: unknown variant `service`, expected one of `actor`, `component`, `capability`
          component 10: missing field `name`
          component 11: invalid type: string "just text", expected a component with name, type and properties
          component a: secrets are linked here: a link to wattle+builtin://secrets/files, for instance
          component a: "x/a:1" names no artefact in a registry: it does not begin with a registry; one is written REGISTRY/NAME:TAG, as in ghcr.io/shop/till:1.2; a file is written file://./app.wasm, from the manifest's folder
          component b: the settings of config elsewhere are not in the manifest; put them there, as properties
          component b: another one has this name
          component c d: "c d" is not a name; letters, digits, '-', '_' and '.' make one, at most 128 of them
          component e: it is of another application, which this host knows nothing of; declare it here
          component f: it has no image
          component g: ghcr.io/x/own-provider:1 is no provider that this host has something for (blobstore-fs, blobstore-s3, http-client, http-server, keyvalue-nats, keyvalue-redis, messaging-nats, sqldb-postgres); wattle+builtin://CAPABILITY/BACKEND names a backend, as `wattle link backends` lists them
          component i, trait 1: its target nobody is not declared; there is a, b, c d, e, f, g, i, kv, kv2, server
          component i, trait 2: missing field `interfaces`
          component i, trait 3: b is a component: it is told nothing by a link
          component i, trait 4: a server of HTTP asks components; turn the link around
          component i, trait 5: "a b" is not a name; letters, digits, '-', '_' and '.' make one, at most 128 of them
          component i, trait 5: "soon" is not among the terms of a link, which are fused, local, prefer-local or remote, timeout=TIME and retry=COUNT
          component i, trait 6: there is no trait "sidecar"; there are link, route and spreadscaler
          component i, trait 7: unknown field `ports`, expected one of `host`, `path`, `listener`
          component i, trait 8: a secret of a link is a setting with its place: password: file:/run/secrets/db
          component i, trait 9: i leads to keyvalue/redis by another link of the same name
          component i, trait 10: a target is a name, or a name with config, whose properties are texts, numbers, true or false
          component i, trait 12: another link of the same name says otherwise what url is
          component i, trait 13: "a|b,c" has several queue groups, or none for some; a link of a name of its own has another
          component server, trait 1: "8080" is no address, as 127.0.0.1:8080 is one
          component server, trait 1: prot is no setting of a server here; it has address, host and path
          component server, trait 2: neither end of it is a component
          component server, trait 3: there is no trait "route"; there are link, route and spreadscaler"#]].assert_eq(&problems.to_string());
}

#[test]
fn what_is_no_manifest_is_refused() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(0..20)
            .map(|n| {
                format!(
                    "b{n}: &b{n} [{}]\n",
                    vec![format!("*{}", if n == 0 { "a".into() } else { format!("b{}", n - 1) }); 9].join(", ")
                )
            })
            .collect::<String>();
    let deep = "[".repeat(100_000);
    for text in ["", "- 1", "null", "{", "\u{0}", "a: b: c", "kind: Application", "kind: 1\nkind: 2", &bomb, &deep] {
        assert!(read(text).is_err(), "{:?}", &text[..text.len().min(20)]);
    }
}

/// However a file was damaged, it is read or refused.
#[test]
fn damage_is_no_panic() {
    let whole = declared(COUNTER);
    let lines: Vec<&str> = whole.lines().collect();
    for left_out in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, line)| *line);
        drop(read(&kept.collect::<Vec<_>>().join("\n")));
    }
    for (place, letter) in whole.char_indices() {
        drop(read(&whole[..place]));
        for other in ["", "[", "}", ":", "&", "\t", "é"] {
            let rest = &whole[place + letter.len_utf8()..];
            drop(read(&format!("{}{other}{rest}", &whole[..place])));
        }
    }
}
