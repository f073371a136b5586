//! Kubeconfigs that believe other CAs, and the controller manager's manifest that names another file: texts in, texts out. All else in
//! them stays as it is, the names and comments of an operator too.

use crate::certificate::kubeconfig::{self, Source};

const AUTHORITY: &str = "certificate-authority-data:";
const SIGNING: &str = "--cluster-signing-cert-file=";

/// The kubeconfig believing these CAs (PEM). `None`: it does already, or it names a file for it.
pub fn believing(text: &str, authorities: &str) -> Result<Option<String>, String> {
    let wanted = data_encoding::BASE64.encode(authorities.as_bytes());
    match believed(text)? {
        Some(now) if now != authorities => {}
        _ => return Ok(None),
    }
    let lines = text.split_inclusive('\n').map(|line| {
        let start = line.trim_start_matches([' ', '-']);
        if !start.starts_with(AUTHORITY) {
            return line.to_owned();
        }
        let indent = &line[..line.len() - start.len()];
        format!("{indent}{AUTHORITY} {wanted}\n")
    });
    let changed: String = lines.collect();
    // A kubeconfig that is written in a way of its own is not guessed at.
    if believed(&changed)?.as_deref() != Some(authorities) {
        return Err("its CA is not written in one line".to_owned());
    }
    Ok(Some(changed))
}

/// Whom it believes, where that is in itself.
fn believed(text: &str) -> Result<Option<String>, String> {
    let read = kubeconfig::read(text.as_bytes()).map_err(|fault| fault.to_string())?;
    Ok(match read.authority {
        Some(Source::Embedded(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Some(Source::File(_)) | None => None,
    })
}

/// `kubeconfig` of the config map `cluster-info`: it has no context and no user.
pub fn cluster_info(text: &str, authorities: &str) -> Result<Option<String>, String> {
    let wanted = data_encoding::BASE64.encode(authorities.as_bytes());
    let mut found = false;
    let lines = text.split_inclusive('\n').map(|line| {
        let start = line.trim_start_matches([' ', '-']);
        if !start.starts_with(AUTHORITY) {
            return line.to_owned();
        }
        found = true;
        let indent = &line[..line.len() - start.len()];
        format!("{indent}{AUTHORITY} {wanted}\n")
    });
    let changed: String = lines.collect();
    if !found {
        return Err("it names no CA".to_owned());
    }
    Ok((changed != text).then_some(changed))
}

/// The controller manager's manifest with that file for the CA that signs. `None`: it has it already, or signs nothing.
pub fn signing_with(manifest: &str, file: &str) -> Option<String> {
    let lines = manifest.split_inclusive('\n').map(|line| {
        let Some((before, after)) = line.split_once(SIGNING) else {
            return line.to_owned();
        };
        // What ends the argument: a quote, a comma of a list in one line, the line.
        let end = after
            .find(['"', '\'', ',', ']', '\n', ' '])
            .unwrap_or(after.len());
        format!("{before}{SIGNING}{file}{}", &after[end..])
    });
    let changed: String = lines.collect();
    (changed != manifest).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: b2xk\n    server: https://a:6443\n  name: \
        k\ncontexts:\n- context:\n    cluster: k\n    user: u\n  name: c\ncurrent-context: c\nkind: Config\nusers:\n- name: u\n  user:\n    \
        client-certificate-data: eA==\n    client-key-data: eQ==\n";

    #[test]
    fn a_kubeconfig_believes_what_it_is_told_and_keeps_all_else() {
        let both = believing(CONF, "old new").unwrap().unwrap();
        assert_eq!(both, CONF.replace("b2xk", "b2xkIG5ldw=="));
        assert_eq!(believing(&both, "old new"), Ok(None));
        assert_eq!(believing(&both, "old").unwrap().as_deref(), Some(CONF));
        // Its file is another's matter.
        let file = CONF.replace(
            "certificate-authority-data: b2xk",
            "certificate-authority: /ca.crt",
        );
        assert_eq!(believing(&file, "old new"), Ok(None));
    }

    #[test]
    fn what_is_written_in_a_way_of_its_own_is_not_guessed_at() {
        let folded = CONF.replace("authority-data: b2xk", "authority-data: >-\n      b2xk");
        assert!(believing(&folded, "new").is_err());
        assert!(believing("garbage", "new").is_err());
        assert!(cluster_info("clusters: []\n", "new").is_err());
    }

    #[test]
    fn what_is_published_of_the_cluster_has_no_user() {
        let text = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: b2xk\n    server: https://a\n  name: \"\"\n";
        let both = cluster_info(text, "old new").unwrap().unwrap();
        assert_eq!(both, text.replace("b2xk", "b2xkIG5ldw=="));
        assert_eq!(cluster_info(&both, "old new"), Ok(None));
    }

    #[test]
    fn a_controller_manager_signs_with_another_file_and_back() {
        let block = "    - --cluster-cidr=10.0.0.0/8\n    - --cluster-signing-cert-file=/pki/ca.crt\n    - \
            --cluster-signing-key-file=/pki/ca.key\n";
        let flow = "command: [\"a\", \"--cluster-signing-cert-file=/pki/ca.crt\", \"b\"]\n";
        for manifest in [block, flow] {
            let moved = signing_with(manifest, "/pki/one.pem").unwrap();
            assert_eq!(moved, manifest.replace("/pki/ca.crt", "/pki/one.pem"));
            assert_eq!(signing_with(&moved, "/pki/one.pem"), None);
            assert_eq!(
                signing_with(&moved, "/pki/ca.crt").as_deref(),
                Some(manifest)
            );
        }
        assert_eq!(signing_with("- --cluster-cidr=10.0.0.0/8\n", "/x"), None);
    }
}
