//! Bootstrap tokens: Secrets whose signature appears in cluster-info.

use hactl_node_plan::command::{Command, Output};
use serde_json::json;

use super::super::{Run, failed, flag, said};
use crate::cluster::Cluster;

impl Run<'_> {
    pub(super) fn create_token(&mut self, command: &Command) -> Output {
        if self.own_cluster().is_none() {
            return failed("failed to create token: connection refused\n");
        }
        let description = flag(command, "--description")
            .unwrap_or_default()
            .to_owned();
        said(format!("{}\n", self.new_token(&description)))
    }

    pub(super) fn delete_token(&mut self, token: &str) -> Output {
        let id = token.split('.').next().unwrap_or_default();
        let key = Cluster::key("secret", "kube-system", &format!("bootstrap-token-{id}"));
        match self
            .own_cluster()
            .map(|cluster| cluster.objects.remove(&key))
        {
            Some(_) => said(format!("bootstrap token {id:?} deleted\n")),
            None => failed("failed to delete bootstrap token: connection refused\n"),
        }
    }

    /// Makes a token. Its words are numbers: nobody keeps a secret in a simulation.
    pub(super) fn new_token(&mut self, description: &str) -> String {
        let number = self.state.number();
        let (id, secret) = (format!("{number:06}"), format!("{number:016}"));
        let object = json!({
            "type": "bootstrap.kubernetes.io/token",
            "token": secret,
            "data": { "description": base64(description) },
        });
        self.put("secret", &format!("bootstrap-token-{id}"), object);
        if let Some(cluster) = self.own_cluster() {
            let info = Cluster::key("configmap", "kube-public", "cluster-info");
            let mut object = cluster.objects.get(&info).cloned().unwrap_or_default();
            object["data"][format!("jws-kubeconfig-{id}")] = json!("signed");
            cluster.put(info, object);
        }
        format!("{id}.{secret}")
    }
}

/// Base64 of a text, as a Secret's data has it.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            let filled = place <= chunk.len();
            encoded.push(if filled { char::from(letter) } else { '=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_padded() {
        assert_eq!(base64("hactl init"), "aGFjdGwgaW5pdA==");
        assert_eq!(base64("abc"), "YWJj");
        assert_eq!(base64("ab"), "YWI=");
        assert_eq!(base64(""), "");
    }
}
