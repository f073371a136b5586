//! Files become certificates with their keys, or named findings. Nothing of a key outlives this.

use std::collections::BTreeSet;
use std::path::Path;

use hactl_proto::certificate::KeySeen;
use hactl_proto::finding::Finding;

use super::Material;
use super::finding;
use crate::certificate::key;
use crate::certificate::kubeconfig::{self, Source};
use crate::certificate::pem::{self, Block, CERTIFICATE};
use crate::certificate::place::{FOLDERS, Kind, Place, SERVICE_ACCOUNT};
use crate::certificate::x509::Certificate;

/// A certificate that was found.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) kind: Option<Kind>,
    pub(super) certificate: Certificate,
    pub(super) key: KeySeen,
}

/// What reading gave.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) found: Vec<Found>,
    /// Names of places whose file is there, whatever is in it.
    pub(super) names: BTreeSet<String>,
    /// SHA-256 of the authorities that kubeconfigs believe, by kubeconfig.
    pub(super) believed: Vec<(String, String, Vec<String>)>,
    pub(super) findings: Vec<Finding>,
}

/// Files that kubeconfigs name and that were not read yet.
pub fn further(material: &Material) -> Vec<String> {
    let mut files = BTreeSet::new();
    for bytes in material.files.iter().filter_map(|(file, bytes)| {
        let conf = Path::new(file).extension().is_some_and(|end| end == "conf");
        conf.then_some(bytes.as_ref().ok()).flatten()
    }) {
        let Ok(config) = kubeconfig::read(bytes) else {
            continue;
        };
        for source in [config.authority, config.certificate, config.key] {
            if let Some(Source::File(file)) = source
                && Path::new(&file).is_absolute()
                && !material.files.contains_key(&file)
            {
                files.insert(file);
            }
        }
    }
    files.into_iter().collect()
}

/// Certificates in the folders that no place names: somebody else's, to be shown with the rest.
pub(super) fn unnamed(places: &[Place], material: &Material) -> Vec<Place> {
    let known = |file: &str| places.iter().any(|place| place.file == file);
    let ours = |file: &&String| {
        let path = Path::new(file);
        path.extension().is_some_and(|end| end == "crt")
            && FOLDERS
                .iter()
                .any(|folder| path.parent() == Some(Path::new(folder)))
            && !known(file)
    };
    material
        .files
        .keys()
        .filter(ours)
        .map(|file| Place {
            name: file.clone(),
            file: file.clone(),
            key: file.strip_suffix("crt").map(|start| format!("{start}key")),
            kind: Kind::Authority,
        })
        .collect()
}

impl Reading {
    /// Reads one place; a file that is not there is no matter here.
    pub(super) fn place(&mut self, place: &Place, material: &Material) {
        let Some(bytes) = material.files.get(&place.file) else {
            return;
        };
        self.names.insert(place.name.clone());
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(reason) => return self.unreadable(&place.file, reason),
        };
        match place.kind {
            Kind::Kubeconfig | Kind::KubeletConfig => self.kubeconfig(place, bytes, material),
            _ => self.file(place, bytes, material),
        }
    }

    fn file(&mut self, place: &Place, bytes: &[u8], material: &Material) {
        let blocks = match pem::blocks(bytes) {
            Ok(blocks) => blocks,
            Err(fault) => return self.unreadable(&place.file, &fault.to_string()),
        };
        let key = match &place.key {
            None => key_in(&blocks),
            Some(file) => key_file(file, material),
        };
        self.certificates(place, &place.file, &blocks, &key);
    }

    /// Lists a file's certificates; the key is the first one's.
    fn certificates(&mut self, place: &Place, file: &str, blocks: &[Block], key: &Key) {
        let certificates = blocks.iter().filter(|block| block.label == CERTIFICATE);
        let before = self.found.len();
        for (number, block) in (1..).zip(certificates) {
            let certificate = match Certificate::parse(&block.der) {
                Ok(certificate) => certificate,
                Err(reason) => {
                    return self.unreadable(file, &format!("its certificate {number}: {reason}"));
                }
            };
            let (name, belongs) = if number == 1 {
                (place.name.clone(), key.of(&certificate))
            } else {
                (format!("{} ({number})", place.name), KeySeen::Absent)
            };
            let kind = Some(place.kind).filter(|_| number == 1 || place.kind == Kind::Agent);
            self.found.push(Found {
                name,
                file: file.to_owned(),
                kind,
                certificate,
                key: belongs,
            });
        }
        if self.found.len() == before {
            self.unreadable(file, "it holds no certificate");
        }
    }

    fn kubeconfig(&mut self, place: &Place, bytes: &[u8], material: &Material) {
        let config = match kubeconfig::read(bytes) {
            Ok(config) => config,
            Err(fault) => return self.unreadable(&place.file, &fault.to_string()),
        };
        if let Some(source) = &config.authority
            && let Some((file, blocks)) = self.source(place, source, material)
        {
            let known: Vec<String> = blocks
                .iter()
                .filter_map(|block| Certificate::parse(&block.der).ok())
                .map(|certificate| certificate.sha256)
                .collect();
            self.believed.push((place.file.clone(), file, known));
        }
        let Some(certificate) = &config.certificate else {
            return self.unreadable(&place.file, "it holds no client certificate");
        };
        // What the kubelet keeps in a file of its own is listed there.
        if place.kind == Kind::KubeletConfig && matches!(certificate, Source::File(_)) {
            return;
        }
        let Some((file, blocks)) = self.source(place, certificate, material) else {
            return;
        };
        let key = match &config.key {
            None => key_in(&blocks),
            Some(Source::File(file)) => key_file(file, material),
            Some(Source::Embedded(bytes)) => match pem::blocks(bytes) {
                Ok(blocks) => key_in(&blocks),
                Err(_) => Key::Unreadable,
            },
        };
        self.certificates(place, &file, &blocks, &key);
    }

    /// The blocks of what a kubeconfig embeds or names, and the file that they are in.
    fn source(
        &mut self,
        place: &Place,
        source: &Source,
        material: &Material,
    ) -> Option<(String, Vec<Block>)> {
        let (file, blocks) = match source {
            Source::Embedded(bytes) => (place.file.clone(), pem::blocks(bytes)),
            Source::File(file) => match material.files.get(file) {
                Some(Ok(bytes)) => (file.clone(), pem::blocks(bytes)),
                Some(Err(reason)) => {
                    self.unreadable(file, reason);
                    return None;
                }
                None => {
                    self.unreadable(&place.file, &format!("it names {file}, which is not there"));
                    return None;
                }
            },
        };
        match blocks {
            Ok(blocks) => Some((file, blocks)),
            Err(fault) => {
                self.unreadable(&file, &fault.to_string());
                None
            }
        }
    }

    /// The pair that signs tokens of service accounts: it has no certificate, and has to be a pair.
    pub(super) fn service_account(&mut self, material: &Material) {
        let (public, private) = SERVICE_ACCOUNT;
        let (Some(Ok(public)), Some(Ok(private))) =
            (material.files.get(public), material.files.get(private))
        else {
            return;
        };
        let public = pem::blocks(public).ok();
        let bits = public.iter().flatten().find_map(key::public_bits);
        let pair = pem::blocks(private).ok().and_then(|blocks| {
            let key = blocks.iter().find(|block| block.is_private_key())?;
            Some(key::belongs_to(key, &bits?))
        });
        if matches!(pair, None | Some(KeySeen::Differs | KeySeen::Unreadable)) {
            self.findings.push(finding::service_account());
        }
    }

    fn unreadable(&mut self, file: &str, reason: &str) {
        self.findings.push(finding::unreadable(file, reason));
    }
}

/// A key, only for as long as it is compared.
enum Key {
    Absent,
    Unreadable,
    Is(Block),
}

impl Key {
    fn of(&self, certificate: &Certificate) -> KeySeen {
        match self {
            Self::Absent => KeySeen::Absent,
            Self::Unreadable => KeySeen::Unreadable,
            Self::Is(block) => key::belongs(block, certificate),
        }
    }
}

fn key_in(blocks: &[Block]) -> Key {
    match blocks.iter().find(|block| block.is_private_key()) {
        Some(block) => Key::Is(Block {
            label: block.label.clone(),
            der: block.der.clone(),
        }),
        None => Key::Absent,
    }
}

fn key_file(file: &str, material: &Material) -> Key {
    match material.files.get(file) {
        None => Key::Absent,
        Some(Ok(bytes)) => match pem::blocks(bytes) {
            Ok(blocks) => key_in(&blocks),
            Err(_) => Key::Unreadable,
        },
        Some(Err(_)) => Key::Unreadable,
    }
}
