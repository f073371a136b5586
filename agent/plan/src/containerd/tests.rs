#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "texts to compare, not a hot path"
)]

use proptest::prelude::*;

use super::*;
use crate::facts::machine::TextFile;
use crate::facts::machine::containerd::CONTAINERD_CONFIG;

/// `containerd config default` of Debian's packages.
const DEFAULTS: [(&str, ContainerdVersion); 3] = [
    (
        include_str!("../../tests/captured/containerd-1.6.20-default.toml"),
        V1_6,
    ),
    (
        include_str!("../../tests/captured/containerd-1.7.24-default.toml"),
        V1_7,
    ),
    (
        include_str!("../../tests/captured/containerd-2.1.9-default.toml"),
        V2_1,
    ),
];
/// What Debian's package puts at /etc/containerd/config.toml (1.6.20 and 1.7.24).
const DEBIAN: &str = include_str!("../../tests/captured/containerd-debian-packaged.toml");
/// What Docker's containerd.io package puts there: no version, CRI off.
const DOCKER: &str = "#   Copyright 2018-2022 Docker Inc.\n\ndisabled_plugins = [\"cri\"]\n\n#root = \"/var/lib/containerd\"\n#[grpc]\n";

const V1_6: ContainerdVersion = ContainerdVersion {
    major: 1,
    minor: 6,
    patch: 20,
};
const V1_7: ContainerdVersion = ContainerdVersion {
    major: 1,
    minor: 7,
    patch: 24,
};
const V2_1: ContainerdVersion = ContainerdVersion {
    major: 2,
    minor: 1,
    patch: 9,
};

fn wanted() -> CriWanted {
    CriWanted {
        systemd_cgroup: true,
        pause_image: Some("r.io/pause:3.2".to_owned()),
    }
}

fn file(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        text: text.to_owned(),
        mode: 0o600,
    }
}

/// The lines that an edit took away and put in, as a diff has them.
fn changes(before: &str, after: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let mut out = String::new();
    let (mut o, mut n) = (0, 0);
    while o < old.len() || n < new.len() {
        if o < old.len() && n < new.len() && old[o] == new[n] {
            (o, n) = (o + 1, n + 1);
        } else if n < new.len() && !old[o..].contains(&new[n]) {
            out += &format!("+{}\n", new[n]);
            n += 1;
        } else {
            out += &format!("-{}\n", old[o]);
            o += 1;
        }
    }
    out
}

fn mended(text: &str, version: ContainerdVersion) -> String {
    let files = [file(CONTAINERD_CONFIG, text)];
    let edits = mend(&files, version, &wanted()).unwrap();
    assert_eq!(edits.len(), 1);
    assert_eq!(edits[0].mode, 0o600, "the mode is kept");
    let again = [file(CONTAINERD_CONFIG, &edits[0].after)];
    assert_eq!(
        mend(&again, version, &wanted()).unwrap(),
        [],
        "mending twice changes nothing"
    );
    edits[0].after.clone()
}

#[test]
fn defaults_of_each_version_are_changed_in_two_lines() {
    let all: String = DEFAULTS
        .iter()
        .map(|(text, version)| {
            format!(
                "containerd {version}\n{}",
                changes(text, &mended(text, *version))
            )
        })
        .collect();
    insta::assert_snapshot!(all, @r##"
    containerd 1.6.20
    +    sandbox_image = "r.io/pause:3.2"
    -    sandbox_image = "registry.k8s.io/pause:3.6"
    +            SystemdCgroup = true
    -            SystemdCgroup = false
    containerd 1.7.24
    +    sandbox_image = "r.io/pause:3.2"
    -    sandbox_image = "registry.k8s.io/pause:3.8"
    +            SystemdCgroup = true
    -            SystemdCgroup = false
    containerd 2.1.9
    +      sandbox = "r.io/pause:3.2"
    -      sandbox = 'registry.k8s.io/pause:3.10'
    +            SystemdCgroup = true
    -            SystemdCgroup = false
    "##);
}

#[test]
fn packaged_files_get_what_they_lack() {
    let debian = mended(DEBIAN, V1_6);
    insta::assert_snapshot!(debian, @r##"
    version = 2

    [plugins]
      [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "r.io/pause:3.2"
        [plugins."io.containerd.grpc.v1.cri".cni]
          bin_dir = "/usr/lib/cni"
          conf_dir = "/etc/cni/net.d"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
      [plugins."io.containerd.internal.v1.opt"]
        path = "/var/lib/containerd/opt"
    "##);
    let docker = mended(DOCKER, V2_1);
    insta::assert_snapshot!(docker, @r##"
    version = 2
    #   Copyright 2018-2022 Docker Inc.

    disabled_plugins = []

    [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "r.io/pause:3.2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true

    #root = "/var/lib/containerd"
    #[grpc]
    "##);
}

#[test]
fn no_file_becomes_one_of_the_right_version() {
    let of = |version| mend(&[], version, &wanted()).unwrap().remove(0);
    assert_eq!(of(V1_7).before, None);
    insta::assert_snapshot!(of(V1_7).after, @r##"
    # Written by hactl; keys that are not here have containerd's defaults.
    version = 2

    [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "r.io/pause:3.2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
    "##);
    insta::assert_snapshot!(of(V2_1).after, @r##"
    # Written by hactl; keys that are not here have containerd's defaults.
    version = 3

    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
    SystemdCgroup = true

    [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "r.io/pause:3.2"
    "##);
}

#[test]
fn an_import_that_owns_the_section_is_the_one_that_is_edited() {
    let main = "version = 2\nimports = [\"conf.d/*.toml\"]\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"r.io/pause:3.2\"\n";
    let drop_in =
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\ndisable_apparmor = true # ours\n";
    let files = [
        file(CONTAINERD_CONFIG, main),
        file("/etc/containerd/conf.d/a.toml", drop_in),
    ];
    // 1.x forgets the main file's section, its pause image with it.
    assert_eq!(read(&files, V1_7).unwrap().pause_image, None);
    assert_eq!(
        read(&files, V2_1).unwrap().pause_image.as_deref(),
        Some("r.io/pause:3.2")
    );
    let edits = mend(&files, V1_7, &wanted()).unwrap();
    assert_eq!(edits.len(), 1);
    assert_eq!(edits[0].path, "/etc/containerd/conf.d/a.toml");
    insta::assert_snapshot!(edits[0].after, @r##"
    version = 2
    [plugins."io.containerd.grpc.v1.cri"]
    disable_apparmor = true # ours
    sandbox_image = "r.io/pause:3.2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
    "##);
}

#[test]
fn an_import_without_a_version_is_read_as_what_imports_it() {
    let main = "version = 3\nimports = [\"conf.d/*.toml\"]\n";
    let drop_in =
        "[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'r.io/pause:3.2'\n";
    let files = |drop_in: &str| {
        [
            file(CONTAINERD_CONFIG, main),
            file("/etc/containerd/conf.d/a.toml", drop_in),
        ]
    };
    let found = read(&files(drop_in), V2_1).unwrap();
    assert_eq!(found.pause_image.as_deref(), Some("r.io/pause:3.2"));
    let one = format!("version = 1\n{drop_in}");
    assert!(matches!(
        read(&files(&one), V2_1),
        Err(ConfigError::VersionOne { .. })
    ));
}

#[test]
fn a_plugin_that_is_off_is_said_and_every_refusal_has_a_remedy() {
    let found = read(&[file("/c.toml", &format!("version = 2\n{DOCKER}"))], V1_7).unwrap();
    assert_eq!(found.disabled, ["cri"]);
    let path = || "/c.toml".to_owned();
    for (error, part) in [
        (
            ConfigError::Syntax {
                path: path(),
                reason: String::new(),
            },
            "Correct /c.toml",
        ),
        (
            ConfigError::VersionOne { path: path() },
            "containerd config migrate",
        ),
        (
            ConfigError::Shape {
                path: path(),
                reason: String::new(),
            },
            "by hand",
        ),
    ] {
        assert!(error.remedy().contains(part), "{error}: {}", error.remedy());
    }
}

#[test]
fn the_first_key_of_a_table_stands_a_step_below_its_header() {
    let text = "version = 2\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n";
    let after = mended(text, V1_7);
    assert!(after.contains("\n    sandbox_image = "), "{after}");
    let after = mended(
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n",
        V1_7,
    );
    assert!(after.contains("\nsandbox_image = "), "{after}");
}

#[test]
fn the_default_runtime_gets_the_driver_too() {
    let text = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\ndefault_runtime_name = 'nvidia'\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia]\nruntime_type = 'io.containerd.runc.v2'\n";
    let before = read(&[file("/c.toml", text)], V2_1).unwrap();
    assert_eq!(
        before.systemd_cgroup,
        [("runc".to_owned(), false), ("nvidia".to_owned(), false)]
    );
    let after = read(&[file("/c.toml", &mended(text, V2_1))], V2_1).unwrap();
    assert_eq!(
        after.systemd_cgroup,
        [("runc".to_owned(), true), ("nvidia".to_owned(), true)]
    );
}

#[test]
fn files_that_hactl_does_not_understand_are_left_alone() {
    let refuse = |text: &str| {
        mend(&[file("/c.toml", text)], V1_7, &wanted())
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(
        [
            refuse("version = 2\n[plugins"),
            refuse("[plugins.cri]\nsandbox_image = \"x\"\n"),
            refuse("disabled_plugins = [\"cri\", \"btrfs\"]\n"),
            refuse("version = 9\n"),
            refuse("version = 2\nplugins = 3\n"),
            refuse("\u{0}\u{1}"),
        ]
        .join("\n"),
        @r##"
    /c.toml is no valid TOML: unclosed table, expected `]`
    /c.toml is of configuration version 1
    /c.toml is of configuration version 1
    /c.toml is of configuration version 9
    /c.toml can't be edited without touching the rest of it: io.containerd.grpc.v1.cri is below no table
    /c.toml is no valid TOML: key with no value, expected `=`
    "##
    );
}

#[test]
fn inline_tables_and_windows_line_ends_keep_their_look() {
    let inline = "version = 2\nplugins = { \"io.containerd.grpc.v1.cri\" = { sandbox_image = \"x\" } } # mine\n";
    assert!(matches!(
        mend(&[file("/c.toml", inline)], V1_7, &wanted()),
        Err(ConfigError::Shape { .. })
    ));
    let crlf = DEBIAN.replace('\n', "\r\n");
    assert_eq!(
        mended(&crlf, V1_6),
        mended(DEBIAN, V1_6).replace('\n', "\r\n")
    );
}

proptest! {
    /// Whatever else a file says, and however it is spelled, is there afterwards, byte for byte and in its order.
    #[test]
    fn every_other_line_survives(
        noise in proptest::collection::vec(
            prop_oneof![
                Just("# a comment with 'quotes' and \u{e9}".to_owned()),
                Just(String::new()),
                Just("   \t ".to_owned()),
                "[a-z]{1,8}(  =|=) ?[0-9]{1,5}( # [a-z ]{0,9})?",
            ],
            0..6,
        ),
        sections in proptest::sample::subsequence(
            vec![
                "  [plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image   =   'old'   # pinned",
                "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n\tconfig_path = \"/etc/certs.d\"",
                "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"",
                "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n   SystemdCgroup=false#off",
                "[plugins.\"io.containerd.internal.v1.opt\"]\npath = \"/opt\"",
                "[debug]\nlevel = \"info\"",
            ],
            0..=6,
        ),
        disabled in prop_oneof![
            Just(""),
            Just("disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"),
            Just("disabled_plugins = [ \"io.containerd.x.v1.y\" , \"io.containerd.grpc.v1.cri\" ] # why\n"),
        ],
    ) {
        let mut seen = std::collections::BTreeSet::new();
        let noise: Vec<_> = noise
            .into_iter()
            .filter(|line| !line.contains('=') || seen.insert(line.split(['=', ' ']).next().unwrap().to_owned()))
            .collect();
        let text = format!("version = 2\n{disabled}{}\n{}\n", noise.join("\n"), sections.join("\n\n"));
        prop_assume!(text.parse::<toml_edit::DocumentMut>().is_ok());
        let after = mended(&text, V1_7);
        let ours = ["disabled_plugins", "sandbox_image", "SystemdCgroup"];
        let mut rest = after.lines();
        for line in text.lines().filter(|line| !ours.iter().any(|key| line.trim_start().starts_with(key))) {
            prop_assert!(rest.any(|other| other == line), "{line:?} is gone from {after:?}");
        }
        for comment in ["# pinned", "#off", "# why", "io.containerd.x.v1.y"] {
            prop_assert_eq!(after.contains(comment), text.contains(comment));
        }
    }

    /// No text makes it panic, nor makes a file that is no TOML.
    #[test]
    fn garbage_is_refused_or_mended(text in ".{0,200}") {
        if let Ok(edits) = mend(&[file("/c.toml", &text)], V1_7, &wanted()) {
            for edit in edits {
                prop_assert!(edit.after.parse::<toml_edit::DocumentMut>().is_ok());
            }
        }
    }
}
