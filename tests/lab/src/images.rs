//! The images that a Kubernetes version wants, made without a registry: Kubernetes' own from its binaries, etcd and
//! busybox from Debian's packages, stand-ins for pause and CoreDNS. They end as one containerd folder, imported and
//! unpacked once, that every node gets a copy of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, name_of, remove, write, write_executable};
use crate::image::Image;
use crate::kubernetes::Kubernetes;
use crate::mount;
use crate::progress::stage;
use crate::rootfs::{self, Base};

/// An image with a shell, for pods of tests.
pub(crate) const TEST_IMAGE: &str = "hactl-lab.invalid/busybox:1";
/// Raise it when the images change in what they hold.
const REVISION: &str = "6";

const PAUSE: &str = include_str!("../files/pause");
const COREDNS: &str = include_str!("../files/coredns");
const ETCD: &str = include_str!("../files/etcd");
const IMPORT: &str = include_str!("../files/import-images");

/// The version's images as archives, for nodes that run another version.
pub(crate) fn archives(cache: &Cache, base: &Base, kubernetes: &Kubernetes) -> Result<PathBuf> {
    let version = kubernetes.version;
    cache.keyed(
        &format!("archives/{version}"),
        &key(kubernetes)?,
        |partial| {
            stage(&format!("making the images of {version}"), |stage| {
                fs::create_dir_all(partial)?;
                for name in kubernetes.image_names()? {
                    stage.detail(name.clone());
                    archive(base, kubernetes, &name, partial)?;
                }
                test_image(base, partial)
            })
        },
    )
}

/// A containerd folder with the version's images imported, by the containerd that is in the version's layer.
pub(crate) fn containerd_folder(
    cache: &Cache,
    base: &Base,
    layer: &Path,
    kubernetes: &Kubernetes,
) -> Result<PathBuf> {
    let archives = archives(cache, base, kubernetes)?;
    let version = kubernetes.version;
    cache.keyed(&format!("images/{version}"), &key(kubernetes)?, |partial| {
        stage(&format!("importing the images of {version}"), |_| {
            import(cache, &[layer, &base.root], &archives, partial)
        })
    })
}

fn key(kubernetes: &Kubernetes) -> Result<String> {
    let files = [PAUSE, COREDNS, ETCD, IMPORT].concat();
    Ok(format!(
        "{}\n{}\n{REVISION}{files}",
        Base::key(),
        kubernetes.key()?
    ))
}

fn archive(base: &Base, kubernetes: &Kubernetes, name: &str, archives: &Path) -> Result<()> {
    let short = name
        .rsplit('/')
        .next()
        .and_then(|last| last.split(':').next())
        .unwrap_or(name);
    let image = Image::new(&archives.join(format!("{short}.folder")))?;
    let entrypoint = match short {
        "kube-apiserver" | "kube-controller-manager" | "kube-scheduler" => {
            image.copy(&kubernetes.file(short), &format!("/usr/local/bin/{short}"))?;
            vec![]
        }
        "kube-proxy" => {
            kube_proxy(base, kubernetes, &image)?;
            vec![]
        }
        "etcd" => {
            etcd(base, kubernetes, &image)?;
            vec![]
        }
        "pause" => {
            shell(base, &image)?;
            write_executable(&image.at("/pause"), PAUSE)?;
            vec!["/pause"]
        }
        "coredns" => {
            shell(base, &image)?;
            write_executable(&image.at("/coredns"), COREDNS)?;
            for page in ["health", "ready"] {
                write(&image.at("/srv").join(page), "OK\n")?;
            }
            vec!["/coredns"]
        }
        _ => bail!("kubeadm wants {name}, and the lab does not know what to make it of"),
    };
    image.pack(&[name], &entrypoint, &archives.join(format!("{short}.tar")))
}

fn test_image(base: &Base, archives: &Path) -> Result<()> {
    let image = Image::new(&archives.join("busybox.folder"))?;
    shell(base, &image)?;
    // Busybox's own wget needs the C library's resolver, which a static program can't load.
    image.copy_programs(&base.root, &["/usr/bin/curl".to_owned()])?;
    image.pack(&[TEST_IMAGE], &["/bin/sh"], &archives.join("busybox.tar"))
}

/// Busybox, statically linked, with a name for each of the programs it is.
fn shell(base: &Base, image: &Image) -> Result<()> {
    image.copy(&base.parts.join("bin/busybox"), "/bin/busybox")?;
    for applet in [
        "sh", "sleep", "httpd", "cat", "echo", "ls", "sed", "mkdir", "nc", "date", "grep",
    ] {
        std::os::unix::fs::symlink("busybox", image.at("/bin").join(applet))?;
    }
    Ok(())
}

/// kube-proxy with the legacy iptables and the modules that its rules name: all that it starts or loads.
fn kube_proxy(base: &Base, kubernetes: &Kubernetes, image: &Image) -> Result<()> {
    image.copy(&kubernetes.file("kube-proxy"), "/usr/local/bin/kube-proxy")?;
    let mut programs = [
        "xtables-legacy-multi",
        "xtables-nft-multi",
        "conntrack",
        "nft",
    ]
    .map(|name| format!("/usr/sbin/{name}"))
    .to_vec();
    let modules = "usr/lib/x86_64-linux-gnu/xtables";
    let files = fs::read_dir(base.root.join(modules)).context("failed to list xtables' modules")?;
    programs.extend(
        files
            .flatten()
            .map(|file| format!("/{modules}/{}", name_of(&file.path()))),
    );
    image.copy_programs(&base.root, &programs)?;
    for family in ["iptables", "ip6tables"] {
        for verb in ["", "-save", "-restore"] {
            let link = image.at("/usr/sbin").join(format!("{family}{verb}"));
            std::os::unix::fs::symlink("xtables-legacy-multi", link)?;
        }
    }
    Ok(())
}

/// etcd from the version's folder where one is there, else Debian's, behind a wrapper that knows the flags of both.
fn etcd(base: &Base, kubernetes: &Kubernetes, image: &Image) -> Result<()> {
    shell(base, image)?;
    // The wrapper has the place, but the process must have etcd's own name: whoever looks at ports goes by it.
    for (name, place) in [
        ("etcd", "/usr/local/lib/etcd/etcd"),
        ("etcdctl", "/usr/local/bin/etcdctl"),
    ] {
        let given = kubernetes.file(name);
        let from = if given.is_file() {
            given
        } else {
            base.parts.join("usr/bin").join(name)
        };
        image.copy(&from, place)?;
    }
    write_executable(&image.at("/usr/local/bin/etcd"), ETCD)?;
    // Debian's are linked dynamically, against no more than what the C library brings.
    for library in [
        "lib64/ld-linux-x86-64.so.2",
        "lib/x86_64-linux-gnu/libc.so.6",
        "lib/x86_64-linux-gnu/libpthread.so.0",
        "lib/x86_64-linux-gnu/libresolv.so.2",
    ] {
        let file = fs::canonicalize(base.root.join(library))?;
        image.copy(&file, &format!("/{library}"))?;
    }
    Ok(())
}

/// Lets a containerd of its own, in a root of those layers, import the archives into the folder.
fn import(cache: &Cache, layers: &[&Path], archives: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let root = cache.path("images/mounted");
    let upper = cache.path("images/upper");
    let _mounted = mount::Overlay::mount(
        "hactl-lab-images",
        layers,
        &upper,
        &cache.path("images/work"),
        &root,
    )?;
    write_executable(&root.join("usr/local/sbin/import-images"), IMPORT)?;
    let binds = [
        format!("--bind={}:/var/lib/containerd", into.display()),
        format!("--bind-ro={}:/archives", archives.display()),
    ];
    rootfs::inside(&root, &[&binds[0], &binds[1]], &["import-images"])?;
    remove(&upper)
}
