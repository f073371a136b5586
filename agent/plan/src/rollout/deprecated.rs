//! Removed APIs that are still asked for, by the API server's own count (`apiserver_requested_deprecated_apis`, from 1.19 on).

use hactl_proto::rollout::survey::DeprecatedApi;

const METRIC: &str = "apiserver_requested_deprecated_apis{";

/// Reads them from the API server's metrics; each once. Those that no release has announced to remove are left out.
pub fn deprecated(metrics: &str) -> Vec<DeprecatedApi> {
    let mut found: Vec<DeprecatedApi> = metrics
        .lines()
        .filter_map(|line| {
            let (labels, value) = line.strip_prefix(METRIC)?.rsplit_once('}')?;
            let asked = value.trim().parse::<f64>().is_ok_and(|value| value > 0.0);
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\""))?;
                rest.split('"').next().map(str::to_owned)
            };
            let removed =
                label("removed_release").filter(|release| asked && !release.is_empty())?;
            let (group, version) = (label("group")?, label("version")?);
            let of = if group.is_empty() {
                version
            } else {
                format!("{group}/{version}")
            };
            Some(DeprecatedApi {
                api: format!("{of} {}", label("resource")?),
                removed,
            })
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_apis_that_go_and_are_asked_for_are_named() {
        let metrics = "# TYPE apiserver_requested_deprecated_apis gauge\n\
            apiserver_requested_deprecated_apis{group=\"policy\",removed_release=\"1.25\",resource=\"podsecuritypolicies\",subresource=\"\",version=\"v1beta1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"componentstatuses\",subresource=\"\",version=\"v1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"batch\",removed_release=\"1.25\",resource=\"cronjobs\",subresource=\"\",version=\"v1beta1\"} 0\n\
            apiserver_request_total{code=\"200\"} 5\napiserver_requested_deprecated_apis{garbage\n";
        let found = deprecated(metrics);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].api.as_str(), found[0].removed.as_str()),
            ("policy/v1beta1 podsecuritypolicies", "1.25")
        );
        assert!(deprecated("").is_empty());
    }
}
