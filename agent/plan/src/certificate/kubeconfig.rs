//! Kubeconfigs: which server, believed by which CA, with which client certificate.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::pem::LIMIT_BYTES;

/// Where a certificate or key of a kubeconfig is. It may be a private key: no `Debug`, and wiped when dropped.
pub enum Source {
    /// In the kubeconfig itself: the bytes of a PEM file.
    Embedded(Zeroizing<Vec<u8>>),
    /// In a file.
    File(String),
}

/// What the current context of a kubeconfig says.
pub struct Kubeconfig {
    /// The API server's URL.
    pub server: String,
    /// The CA that is believed.
    pub authority: Option<Source>,
    /// The client certificate.
    pub certificate: Option<Source>,
    /// Its key.
    pub key: Option<Source>,
}

/// Why a file is no kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigFault {
    /// It is no YAML, or not of this shape. The parser's words may quote the file and are left out.
    #[error("it is no kubeconfig{0}")]
    Shape(String),
    /// It names something that it does not hold.
    #[error("its current context names no {0} that it holds")]
    Missing(&'static str),
    /// A field that should be base64 is not.
    #[error("its {0} is no base64")]
    Base64(&'static str),
    /// It is too large to be one.
    #[error("it has {0} bytes")]
    TooLarge(usize),
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "current-context", default)]
    current: String,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    #[serde(default)]
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(rename = "client-certificate")]
    certificate: Option<String>,
    #[serde(rename = "client-certificate-data")]
    certificate_data: Option<String>,
    #[serde(rename = "client-key")]
    key: Option<String>,
    #[serde(rename = "client-key-data")]
    key_data: Option<Zeroizing<String>>,
}

/// Reads the current context. `current-context` may be empty where there is one context only.
pub fn read(bytes: &[u8]) -> Result<Kubeconfig, KubeconfigFault> {
    if bytes.len() > LIMIT_BYTES {
        return Err(KubeconfigFault::TooLarge(bytes.len()));
    }
    let file: File = serde_norway::from_slice(bytes).map_err(|error| {
        let place = error.location();
        KubeconfigFault::Shape(
            place.map_or_else(String::new, |at| format!(" (line {})", at.line())),
        )
    })?;
    let context = match file.contexts.as_slice() {
        [only] if file.current.is_empty() => Some(only),
        all => all.iter().find(|one| one.name == file.current),
    };
    let context = &context.ok_or(KubeconfigFault::Missing("context"))?.context;
    let cluster = file
        .clusters
        .into_iter()
        .find(|one| one.name == context.cluster)
        .ok_or(KubeconfigFault::Missing("cluster"))?
        .cluster;
    let user = file
        .users
        .into_iter()
        .find(|one| one.name == context.user)
        .ok_or(KubeconfigFault::Missing("user"))?
        .user;
    let plain = |text: Option<String>| text.map(Zeroizing::new);
    Ok(Kubeconfig {
        server: cluster.server,
        authority: source(
            "certificate-authority-data",
            plain(cluster.certificate_authority_data),
            cluster.certificate_authority,
        )?,
        certificate: source(
            "client-certificate-data",
            plain(user.certificate_data),
            user.certificate,
        )?,
        key: source("client-key-data", user.key_data, user.key)?,
    })
}

/// Embedded data outweighs a file, as in kubectl.
fn source(
    field: &'static str,
    data: Option<Zeroizing<String>>,
    file: Option<String>,
) -> Result<Option<Source>, KubeconfigFault> {
    match data.filter(|data| !data.is_empty()) {
        Some(data) => data_encoding::BASE64
            .decode(data.trim().as_bytes())
            .map(|bytes| Some(Source::Embedded(Zeroizing::new(bytes))))
            .map_err(|_| KubeconfigFault::Base64(field)),
        None => Ok(file.filter(|file| !file.is_empty()).map(Source::File)),
    }
}
