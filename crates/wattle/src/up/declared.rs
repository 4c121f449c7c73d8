//! This is what a manifest says that a host shall run, as if it had been said by flags.

use std::path::{Path, PathBuf};

use host::Source;
use manifest::{Application, Image, Listener, Place};
use model::{DeclaredApplication, DeclaredComponent, LinkPut};
use route::Route;
use stdx::{ByteSize, Code};

use super::listen::{ListenAddress, ListenerFlag};
use crate::failure::Failure;

/// The largest manifest that is read.
const SIZE_MAX: ByteSize = ByteSize::mib(1);

/// What a manifest declares.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) sources: Vec<Source>,
    pub(super) listeners: Vec<ListenerFlag>,
    pub(super) links: Vec<LinkPut>,
    /// As the lattice is told of it.
    pub(super) application: Option<DeclaredApplication>,
}

/// Whether a file is a manifest, by its name.
pub(super) fn is_manifest(file: &Path) -> bool {
    file.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

// === impl Declared ===

impl Declared {
    /// Reads the manifest, if there is one. Where a listener was given by flags, it is in the place of those that are declared.
    pub(super) fn read(manifests: &[&PathBuf], has_listeners: bool) -> Result<Self, Failure> {
        match manifests {
            [] => Ok(Self::default()),
            [manifest] => Self::of(manifest, has_listeners),
            _ => Err(Failure::new(Code::E0901, "several manifests were given; one host runs one application")),
        }
    }

    fn of(file: &Path, has_listeners: bool) -> Result<Self, Failure> {
        let cannot_read = |error| Failure::new(Code::E0101, format!("cannot read {}: {error}", file.display()));
        let size = std::fs::metadata(file).map_err(cannot_read)?.len();
        if size > SIZE_MAX.as_u64() {
            let text = format!("{} is larger than a manifest can be, which is {SIZE_MAX}", file.display());
            return Err(Failure::new(Code::E0901, text));
        }
        let wrong = |problems: manifest::Problems| Failure::new(Code::E0901, format!("{}: {problems}", file.display()));
        let application = manifest::read(&std::fs::read_to_string(file).map_err(cannot_read)?).map_err(wrong)?;
        for note in &application.notes {
            tracing::warn!("{note}");
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::from_application(application, folder, has_listeners)
    }

    fn from_application(application: Application, folder: &Path, has_listeners: bool) -> Result<Self, Failure> {
        let told = told(&application, folder);
        let mut sources = Vec::new();
        let is_left_out =
            |name: &String| has_listeners && application.listeners.iter().any(|it| it.name.as_ref() == Some(name));
        for manifest::Component { name, image, routes } in application.components {
            let path = match image {
                Image::File(file) => folder.join(file),
                // Written like this it is no file, whatever there is where the command was started.
                Image::Registry(reference) => format!("oci://{reference}").into(),
            };
            if routes.is_empty() {
                sources.push(Source { name, path, origin: None, route: None });
                continue;
            }
            for Place { listener, route } in routes {
                let listener =
                    listener.filter(|name| !is_left_out(name)).map_or_else(String::new, |name| format!("{name}@"));
                let route: Route = format!("{listener}{route}").parse()?;
                sources.push(Source { name: name.clone(), path: path.clone(), origin: None, route: Some(route) });
            }
        }
        let flag = |Listener { name, address }| ListenerFlag { name, address: ListenAddress::At(address) };
        let mut listeners: Vec<_> = application.listeners.into_iter().filter(|_| !has_listeners).map(flag).collect();
        if !listeners.is_empty() && listeners.iter().all(|flag| flag.name.is_some()) {
            // Where it was said where to listen, nobody expects the usual address as well.
            listeners.push(ListenerFlag { name: None, address: ListenAddress::Off });
        }
        Ok(Self { sources, listeners, links: application.links, application: Some(told) })
    }
}

/// An application as the lattice is told of it: what its links are told is left out.
fn told(application: &Application, folder: &Path) -> DeclaredApplication {
    let component = |component: &manifest::Component| {
        let from = match &component.image {
            Image::File(file) => {
                let path = folder.join(file);
                format!("file://{}", std::path::absolute(&path).unwrap_or(path).display())
            }
            Image::Registry(reference) => reference.to_string(),
        };
        DeclaredComponent { name: component.name.clone(), from }
    };
    let link = |link: &LinkPut| {
        let contract =
            link.contract.clone().map_or_else(String::new, |contract| format!(" {}", String::from(contract)));
        format!("{}{contract} -> {}", link.source, link.target)
    };
    DeclaredApplication {
        name: application.name.clone(),
        version: application.version.clone(),
        components: application.components.iter().map(component).collect(),
        links: application.links.iter().map(link).collect(),
    }
}
