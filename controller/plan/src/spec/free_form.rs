//! YAML of another program's schema, such as a KubeletConfiguration, as JSON.

use serde_json::{Map, Number, Value as Json};

use super::document::{Content, Entry, Node};

/// The mapping's entries as JSON. What was reported as broken is left out: the spec is refused anyway.
pub(crate) fn object(entries: &[Entry]) -> Map<String, Json> {
    entries
        .iter()
        .map(|entry| (entry.key.clone(), json(&entry.value)))
        .collect()
}

/// Recursion is bounded by the document's own limit of depth.
fn json(node: &Node) -> Json {
    match &node.content {
        Content::Null | Content::Broken => Json::Null,
        Content::Scalar { text, plain: false } => Json::String(text.clone()),
        Content::Scalar { text, plain: true } => plain(text),
        Content::List(items) => Json::Array(items.iter().map(json).collect()),
        Content::Map(entries) => Json::Object(object(entries)),
    }
}

/// YAML 1.2's core schema without octal and hexadecimal numbers, which stay texts.
fn plain(text: &str) -> Json {
    match text {
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Json::Number(number.into());
    }
    let numeric = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let float = numeric
        .then(|| text.parse::<f64>().ok())
        .flatten()
        .and_then(Number::from_f64);
    float.map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

#[cfg(test)]
mod tests {
    use super::plain;
    use serde_json::json;

    #[test]
    fn plain_scalars_take_the_types_that_kubernetes_would_read() {
        for (text, wanted) in [
            ("true", json!(true)),
            ("10", json!(10)),
            ("-1", json!(-1)),
            ("0.5", json!(0.5)),
            ("10s", json!("10s")),
            ("100Mi", json!("100Mi")),
            ("no", json!("no")),
            ("inf", json!("inf")),
            ("1e999", json!("1e999")),
        ] {
            assert_eq!(plain(text), wanted, "{text}");
        }
    }
}
