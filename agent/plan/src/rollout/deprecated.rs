//! Removed APIs that are still asked for, by the API server's own count (`apiserver_requested_deprecated_apis`, from 1.19 on).
//!
//! The garbage collector and the quota of every controller manager list and watch whatever can be deleted, so the count of an API that
//! has no newer version in its group is never zero (kubernetes/kubernetes#106668). Of those two only what no collector does counts.

use hactl_proto::rollout::survey::DeprecatedApi;

const METRIC: &str = "apiserver_requested_deprecated_apis{";
const REQUESTS: &str = "apiserver_request_total{";
/// Group and resource of what the controller manager itself always asks for: v1.20 and v1.21, v1.21 to v1.24.
const COLLECTED: [(&str, &str); 2] = [
    ("extensions", "ingresses"),
    ("policy", "podsecuritypolicies"),
];

/// Reads them from the API server's metrics; each once. Those that no release has announced to remove are left out.
pub fn deprecated(metrics: &str) -> Vec<DeprecatedApi> {
    let mut found: Vec<DeprecatedApi> = samples(metrics, METRIC)
        .filter_map(|labels| {
            let removed = label(labels, "removed_release").filter(|release| !release.is_empty())?;
            let (group, version) = (label(labels, "group")?, label(labels, "version")?);
            let resource = label(labels, "resource")?;
            if COLLECTED.contains(&(group, resource)) && !used(metrics, group, version, resource) {
                return None;
            }
            let of = if group.is_empty() {
                version.to_owned()
            } else {
                format!("{group}/{version}")
            };
            Some(DeprecatedApi {
                api: format!("{of} {resource}"),
                removed: removed.to_owned(),
            })
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Whether anybody does more with it than listing and watching.
fn used(metrics: &str, group: &str, version: &str, resource: &str) -> bool {
    samples(metrics, REQUESTS).any(|labels| {
        label(labels, "group") == Some(group)
            && label(labels, "version") == Some(version)
            && label(labels, "resource") == Some(resource)
            && !matches!(label(labels, "verb"), Some("LIST" | "WATCH"))
    })
}

/// The labels of a metric's samples that are above zero.
fn samples<'a>(metrics: &'a str, metric: &'static str) -> impl Iterator<Item = &'a str> {
    metrics.lines().filter_map(move |line| {
        let (labels, value) = line.strip_prefix(metric)?.rsplit_once('}')?;
        let above = value.trim().parse::<f64>().is_ok_and(|value| value > 0.0);
        above.then_some(labels)
    })
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix("=\"")?;
        value.strip_suffix('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_apis_that_go_and_are_asked_for_are_named() {
        let metrics = "# TYPE apiserver_requested_deprecated_apis gauge\n\
            apiserver_requested_deprecated_apis{group=\"batch\",removed_release=\"1.25\",resource=\"cronjobs\",subresource=\"\",version=\"v1beta1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"componentstatuses\",subresource=\"\",version=\"v1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"policy\",removed_release=\"1.25\",resource=\"poddisruptionbudgets\",subresource=\"\",version=\"v1beta1\"} 0\n\
            apiserver_request_total{code=\"200\"} 5\napiserver_requested_deprecated_apis{garbage\n";
        let found = deprecated(metrics);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].api.as_str(), found[0].removed.as_str()),
            ("batch/v1beta1 cronjobs", "1.25")
        );
        assert!(deprecated("").is_empty());
    }
    /// Captured from an API server of v1.20.2 that nobody but the cluster's own parts asks.
    const COLLECTOR: &str = "\
apiserver_requested_deprecated_apis{group=\"extensions\",removed_release=\"1.22\",resource=\"ingresses\",subresource=\"\",version=\"v1beta1\"} 1
apiserver_request_total{code=\"0\",component=\"apiserver\",contentType=\"application/vnd.kubernetes.protobuf;stream=watch\",dry_run=\"\",group=\"extensions\",resource=\"ingresses\",scope=\"cluster\",subresource=\"\",verb=\"WATCH\",version=\"v1beta1\"} 1
apiserver_request_total{code=\"200\",component=\"apiserver\",contentType=\"application/vnd.kubernetes.protobuf\",dry_run=\"\",group=\"extensions\",resource=\"ingresses\",scope=\"cluster\",subresource=\"\",verb=\"LIST\",version=\"v1beta1\"} 1
";

    #[test]
    fn what_the_garbage_collector_asks_for_counts_once_a_client_does_more() {
        assert!(deprecated(COLLECTOR).is_empty());
        for verb in ["POST", "PATCH", "GET", "DELETE"] {
            let client = format!("{COLLECTOR}{}", COLLECTOR.replace("LIST", verb));
            assert_eq!(deprecated(&client)[0].api, "extensions/v1beta1 ingresses");
        }
    }
}
