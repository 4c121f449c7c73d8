//! `wattle up`: serves components.

mod declared;
mod joined;
mod listen;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use artifact::Registries;
use clap::Args;
use engine::{Layout, Limits};
use host::{BusConfig, HostConfig, HostError, Listening, Running, Source};
use http_capability::{PlaneConfig, Reuse, TlsFiles};
use model::{LinkPut, Standing};
use route::Route;
use serde_json::json;
use stdx::{ByteSize, Code};

use self::declared::Declared;
use self::joined::LatticeFlags;
use self::listen::{Company, ListenAddress, ListenerFlag, listeners, url_of};
use crate::cli::Common;
use crate::failure::Failure;
use crate::imports::ImportFlags;
use crate::output::Output;
use crate::registries::{self, Meant, meant, name_of};
use crate::token::{self, Published, TokenFlag};

/// Serves components that handle HTTP, linked to what they import
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Components, or folders of them: one component answers at /, the files of a folder each at /NAME. A component may be a
    /// reference to what a registry has, as in ghcr.io/shop/till:1. Or a manifest of an application (.yaml, .yml, .json), which
    /// says all of it
    #[arg(value_name = "FILE|REFERENCE|FOLDER|MANIFEST")]
    files: Vec<PathBuf>,
    /// Serves FILE at PATH and below, on HOST where one is given: `*.HOST` for all below it, `*` for any part of PATH, `PATH$` for
    /// nothing below it, `NAME@` before it for what comes in at the listener of that name (can be given several times)
    #[arg(long, value_name = "[NAME@][HOST]/PATH=FILE")]
    route: Vec<String>,
    /// The address to listen on, for HTTP/1.1 and HTTP/2; `off` for none. A listener with a name answers the routes of that name,
    /// and no others (can be given several times) [default: 127.0.0.1:8000; where that is in use, a host with --nats, and
    /// `wattle host`, takes a port that is free]
    #[arg(long, value_name = "[NAME=]ADDR")]
    http: Vec<ListenerFlag>,
    /// The address to listen on for encrypted connections (can be given several times)
    #[arg(long, value_name = "[NAME=]ADDR", requires = "tls_cert", requires = "tls_key")]
    https: Vec<ListenerFlag>,
    /// The certificate to show there, and those that lead to its authority: a PEM file, read again when it changes
    #[arg(long, value_name = "FILE", requires = "https")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key: a PEM file, read again when it changes
    #[arg(long, value_name = "FILE", requires = "https")]
    tls_key: Option<PathBuf>,
    /// The address at which NATS clients reach this host's bus, such as `wattle link` in a second terminal; `off` for none
    /// [default: 127.0.0.1:4222, and none where that is in use]
    #[arg(long, value_name = "ADDR")]
    bus: Option<ListenAddress>,
    /// The file of the token that clients of the bus have to show; `none` lets everybody in who can connect [default: a new
    /// token, which `wattle link` of this user finds by itself]
    #[arg(long, value_name = "FILE")]
    bus_token: Option<TokenFlag>,
    /// A file of further clients that the bus lets in, a line each: NAME:PASSWORD, or the public key of a user, an nkey (U…), who
    /// shows that he has its seed
    #[arg(long, value_name = "FILE")]
    bus_users: Option<PathBuf>,
    /// Links a component otherwise than by default, as `wattle link put` does: SOURCE=TARGET[,SETTING=VALUE]..., where contract=,
    /// name= and terms= say more of the link (can be given several times)
    #[arg(long, value_name = "LINK")]
    link: Vec<LinkPut>,
    #[command(flatten)]
    lattice: LatticeFlags,
    #[command(flatten)]
    imports: ImportFlags,
    /// Lets an instance answer more than one request, so many at most (100000 where no number is given): faster, and a component that
    /// keeps state sees it again
    #[arg(long, value_name = "REQUESTS", num_args = 0..=1, require_equals = true, default_missing_value = "100000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    reuse: Option<u32>,
    /// Refuses links whose terms say `fused`: every component stays in a store of its own, with limits of its own
    #[arg(long)]
    no_fuse: bool,
    #[command(flatten)]
    limits: LimitFlags,
    /// Threads that answer requests [default: one a core]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
    /// How long running requests may take to end when the host is stopped, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
}

/// Starts a host that others give components to run, with `wattle start component` or any client of its lattice
#[derive(Debug, Args)]
pub(crate) struct HostCommand {
    #[command(flatten)]
    up: Up,
}

#[derive(Debug, Args)]
struct LimitFlags {
    /// Memory of one instance
    #[arg(long, value_name = "SIZE", default_value_t = Limits::default().memory)]
    memory: ByteSize,
    /// Time for one request, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = crate::imports::seconds)]
    timeout: f64,
    /// Instances of one component that exist at once, those made ahead of need included
    #[arg(long, value_name = "COUNT", default_value_t = 640, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    instances: u32,
    /// Instances that exist at once, of all components together
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    instances_total: u32,
    /// Requests that one component works on at once
    #[arg(long, value_name = "COUNT", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// The largest body of a request
    #[arg(long, value_name = "SIZE", default_value_t = Limits::default().request_body)]
    max_body: ByteSize,
    /// The largest head of a request: its first line and all headers
    #[arg(long, value_name = "SIZE", default_value_t = PlaneConfig::default().request_head)]
    max_head: ByteSize,
}

/// Carries out `wattle up`.
pub(crate) fn run(up: Up, common: &Common, output: Output) -> Result<ExitCode, Failure> {
    if up.files.is_empty() && up.route.is_empty() {
        let why = "there is nothing to serve: give a FILE, a REFERENCE, a FOLDER or a MANIFEST (`wattle host` starts a host without)";
        crate::cli::refuse(why);
    }
    let company = if up.lattice.is_carried() { Company::OfMany } else { Company::Alone };
    start(up, common, (company, output))
}

/// Carries out `wattle host`.
pub(crate) fn run_host(host: HostCommand, common: &Common, output: Output) -> Result<ExitCode, Failure> {
    start(host.up, common, (Company::OfMany, output))
}

fn start(mut up: Up, common: &Common, (company, output): (Company, Output)) -> Result<ExitCode, Failure> {
    let (manifests, files): (Vec<_>, Vec<_>) = up.files.iter().partition(|file| declared::is_manifest(file));
    let declared = Declared::read(&manifests, up.http.iter().any(|flag| flag.name.is_none()))?;
    let mut sources = sources(&files, &up.route, manifests.is_empty())?;
    sources.extend(declared.sources);
    up.http.extend(declared.listeners);
    up.link.splice(..0, declared.links);
    let patience = Duration::from_secs(up.drain);
    let is_to_be_found = up.bus_token.is_none();
    let registries = registries::open(common, &up.imports.data())?;
    registries::pull_all(&mut sources, &registries, common.size_max())?;
    let config = host_config(up, common, (sources, registries), company)?;
    let config = HostConfig { application: declared.application, ..config };
    let token = config.bus.as_ref().and_then(|bus| bus.token.clone()).filter(|_| is_to_be_found);
    let cannot_start =
        |error: std::io::Error| Failure::new(Code::E0209, format!("the host cannot start its threads: {error}"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(cannot_start)?;
    let ended = runtime.block_on(async {
        let running = Running::start(config).await.map_err(|error| match error {
            HostError::Load(errors) => Failure::all(&errors),
            error => error.into(),
        })?;
        let published = leave_token(&running, token);
        show(&running, published.as_ref(), output).await;
        let within = tokio::select! {
            () = stop_signal() => None,
            within = running.stop_asked() => within,
        };
        drop(published);
        stop(running, (patience, within), output).await
    });
    // After a second Ctrl-C the data plane still runs; it ends with the process.
    runtime.shutdown_background();
    ended
}

fn host_config(
    up: Up,
    common: &Common,
    (sources, registries): (Vec<Source>, Registries),
    company: Company,
) -> Result<HostConfig, Failure> {
    let limits = Limits {
        memory: up.limits.memory,
        timeout: Duration::from_secs_f64(up.limits.timeout),
        instances: up.limits.instances as usize,
        concurrency: up.limits.concurrency as usize,
        request_body: up.limits.max_body,
        ..Limits::default()
    };
    let tls = up.tls_cert.zip(up.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    let listeners = listeners(up.http, (up.https, tls), company);
    // Those of a lattice are asked by way of others.
    if listeners.is_empty() && company == Company::Alone {
        return Err(Failure::new(Code::E0301, "nothing would be listened on: with --http off there has to be --https"));
    }
    let layout = Layout::Pooled { instances: up.limits.instances_total };
    let cores = up.threads.map_or_else(rt::cores_available, usize::from);
    Ok(HostConfig {
        sources,
        listeners,
        engines: common.engines(layout),
        plane: PlaneConfig { cores, request_head: up.limits.max_head, ..PlaneConfig::default() },
        limits,
        reuse: up.reuse.map(|requests_max| Reuse { requests_max, at_once_max: 32 }),
        may_fuse: !up.no_fuse,
        bus: bus(up.bus, (up.bus_token, up.bus_users), up.lattice.is_carried())?,
        lattice: up.lattice.config(registries)?,
        capabilities: up.imports.capabilities()?,
        links: up.link,
        application: None,
        size_max: common.size_max(),
    })
}

/// Where the bus listens, and what its clients have to show.
fn bus(
    address: Option<ListenAddress>,
    (token, users): (Option<TokenFlag>, Option<PathBuf>),
    is_carried: bool,
) -> Result<Option<BusConfig>, Failure> {
    let (address, may_be_missing) = match address {
        // Who looks for this host finds it on its lattice's bus.
        None if is_carried => return Ok(None),
        None => (([127, 0, 0, 1], 4222).into(), true),
        Some(ListenAddress::At(address)) => (address, false),
        Some(ListenAddress::Off) => return Ok(None),
    };
    let token = match token {
        None => Some(token::new()?),
        Some(TokenFlag::None) => None,
        Some(TokenFlag::File(path)) => Some(token::read(&path)?),
    };
    let passes = users.map_or_else(|| Ok(Vec::new()), |path| token::read_users(&path))?;
    Ok(Some(BusConfig { address, may_be_missing, token, passes }))
}

/// Leaves the token of the host's bus where `wattle link` finds it.
fn leave_token(running: &Running, token: Option<String>) -> Option<Published> {
    let (address, token) = (running.bus_address()?, token?);
    match token::publish(address, token) {
        Ok(published) => Some(published),
        Err(error) => {
            tracing::warn!(%error, "nobody can use the bus: its token cannot be written (--bus-token FILE names one)");
            None
        }
    }
}

/// What is to be served where. All problems are said at once.
fn sources(files: &[&PathBuf], routes: &[String], are_all: bool) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    let is_only_one = files.len() == 1 && routes.is_empty() && are_all;
    for file in files {
        if meant(file)? == Meant::File && file.is_dir() {
            for path in artifact::list(file)? {
                let name = name_of(&path);
                sources.push(Source { route: Some(format!("/{name}").parse()?), name, path, origin: None });
            }
        } else {
            let name = name_of(file);
            let route = if is_only_one { Route::root() } else { format!("/{name}").parse()? };
            sources.push(Source { name, path: (*file).clone(), origin: None, route: Some(route) });
        }
    }
    for route in routes {
        let not_a_route = || {
            Failure::new(
                Code::E0302,
                format!(
                    "{route:?} is not a route, which is written PATH=FILE or HOST/PATH=FILE, as in /shop=shop.wasm"
                ),
            )
        };
        let (path, file) = route.split_once('=').ok_or_else(not_a_route)?;
        let file = PathBuf::from(file);
        sources.push(Source { name: name_of(&file), path: file, origin: None, route: Some(path.parse()?) });
    }
    Ok(sources)
}

/// Prints what is served, each import with what it is linked to, and the address.
async fn show(running: &Running, token: Option<&Published>, output: Output) {
    let listening: Vec<_> = running.listening().collect();
    for component in running.components().await {
        let anatomy = &component.anatomy;
        let patterns: Vec<_> = anatomy.patterns().iter().map(|pattern| pattern.as_str()).collect();
        let wasi = anatomy.wasi().map_or(String::new(), |wasi| format!(", {}", wasi.as_str()));
        let mut text = format!(
            "{}: {}, {}{wasi}, {}",
            component.source.name,
            anatomy.form.as_str(),
            patterns.join(" and "),
            ByteSize::bytes(anatomy.size)
        );
        let width = component.imports.iter().map(|import| import.name.to_string().len()).max().unwrap_or(0);
        for import in &component.imports {
            text.push_str(&format!("\n  {:width$}  -> {}", import.name.to_string(), import.linked));
        }
        let route = component.source.route.as_ref().filter(|_| component.is_served);
        let served = route.and_then(|route| url_of(&listening, route));
        text.push_str(&match &served {
            Some(url) => format!("\n  serves {url}"),
            None => "\n  serves other components".to_owned(),
        });
        let value = json!({
            "component": component.source.name, "file": component.source.shown(), "form": anatomy.form, "patterns": anatomy.patterns(),
            "wasi": anatomy.wasi(), "size": anatomy.size, "imports": component.imports, "url": served,
        });
        output.print(&text, &json!({ "serving": value }));
    }
    let view = running.membership();
    let model::MembershipView { host: id, host_name: name, lattice, bus, standing, acknowledged, .. } = view;
    let value = json!({
        "host": { "id": id, "friendly_name": name, "lattice": lattice, "acknowledged": acknowledged },
    });
    let joined = match standing {
        Standing::Joined => format!(" on {bus}, which it joined (`wattle lattice leave` ends that)"),
        Standing::Alone | Standing::Started => String::new(),
    };
    let survives =
        acknowledged.as_ref().and_then(joined::survives).map(|text| format!("\n  {text}")).unwrap_or_default();
    output.print(&format!("host {name} ({id}) in lattice {lattice}{joined}{survives}"), &value);
    if let Some(address) = running.bus_address() {
        let url = format!("nats://{address}");
        let file = token.map(Published::path);
        let text = file.map_or_else(String::new, |file| format!(" (its token is in {})", file.display()));
        output.print(&format!("bus on {url}{text}"), &json!({ "bus": url, "token_file": file }));
    }
    for (index, Listening { name, scheme, address }) in listening.iter().enumerate().rev() {
        let url = format!("{scheme}://{address}");
        let what = if index == 0 { "listening" } else { "listening_too" };
        let mut value = json!({ what: url });
        let mut text = format!("listening on {url}");
        if let Some(name) = name {
            value["listener"] = json!(name);
            text.push_str(&format!(" as {name}"));
        }
        if index == 0 {
            text.push_str(" (Ctrl-C stops)");
        }
        output.print(&text, &value);
    }
    if listening.is_empty() {
        output.print("listening for no HTTP (Ctrl-C stops)", &json!({ "listening": null }));
    }
}

/// Waits until the user or the system wants an end.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "only Ctrl-C is listened for");
            drop(tokio::signal::ctrl_c().await);
        }
    }
}

/// Drains, unless the user asks a second time, and says what became of all requests. Where all of it is to be over within a time, it is.
async fn stop(
    running: Running,
    (patience, within): (Duration, Option<Duration>),
    output: Output,
) -> Result<ExitCode, Failure> {
    // What is left is for what comes after the requests: providers end, and what became of all is said.
    let patience = within.map_or(patience, |within| patience.min(within * 3 / 4));
    let over = async {
        match within {
            Some(within) => tokio::time::sleep(within).await,
            None => std::future::pending().await,
        }
    };
    output.print("stopping: running requests are let end (Ctrl-C again stops at once)", &json!({ "stopping": true }));
    let (has_drained, report) = tokio::select! {
        drained = running.drain(patience) => drained,
        () = stop_signal() => return Ok(ExitCode::from(130)),
        () = over => {
            output.print("stopped; its time was over", &json!({ "stopped": { "drained": false } }));
            return Ok(ExitCode::SUCCESS);
        }
    };
    for report in &report.components {
        let happened: Vec<_> = report
            .counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} {}", what.replace('_', " ")))
            .collect();
        let text = if happened.is_empty() { "no request".to_owned() } else { happened.join(", ") };
        let counts: serde_json::Map<_, _> =
            report.counts.iter().map(|(what, count)| ((*what).to_owned(), json!(count))).collect();
        output.print(&format!("{}: {text}", report.name), &json!({ "component": report.name, "requests": counts }));
    }
    for (what, count) in [("head too large", report.plane.head_too_large), ("no route", report.plane.no_route)] {
        if count > 0 && output == Output::Text {
            crate::output::say(&format!("no component: {count} {what}"));
        }
    }
    output.print(
        if has_drained { "stopped" } else { "stopped; some requests were cut off" },
        &json!({ "stopped": { "drained": has_drained, "connections": report.plane } }),
    );
    Ok(ExitCode::SUCCESS)
}
