//! Packs an executable into an archive as wasmCloud's own tools do, signed by an account that exists for this once.

use std::error::Error;

use nkeys::KeyPair;
use provider_archive::ProviderArchive;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, executable, archive] = arguments.as_slice() else { return Err("pack NAME EXECUTABLE ARCHIVE".into()) };
    let mut packed = ProviderArchive::new(name, "wattle", Some(1), Some("0.1.0".into()));
    let machine = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    packed.add_library(&machine, &std::fs::read(executable)?).map_err(|error| error.to_string())?;
    packed.add_library("vax-vms", b"for another machine").map_err(|error| error.to_string())?;
    let (issuer, subject) = (KeyPair::new_account(), KeyPair::new_service());
    packed.write(archive, &issuer, &subject, false).await.map_err(|error| error.to_string())?;
    Ok(())
}
