//! Blobs in folders, for `wrpc:blobstore`: the provider of wasmCloud, as it is published.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(wasmcloud_provider_blobstore_fs::run().await?)
}
