//! The spec file as the operator names it, with the files that it names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use hactl_cluster_plan::spec::{Accepted, Refused, Report, SIZE_LIMIT, read};
use hactl_proto::spec::ClusterSpec;

use crate::exit::Failure;
use crate::present::{Screen, Verdict};

/// Files beside the spec are read up to this size; the judgement of their content is not made here.
const BESIDE_LIMIT: u64 = 4 << 20;

/// The file's spec, after having shown what refuses it, or noted what its operator should know.
pub(super) fn accepted(file: &Path, screen: Screen) -> Result<Option<ClusterSpec>, Failure> {
    let name = file.display().to_string();
    match judge(file)? {
        Ok(accepted) => {
            if !accepted.warnings.is_empty() {
                let report = Report {
                    file: &name,
                    problems: &accepted.warnings,
                };
                screen.note(report.to_string().trim_end());
            }
            Ok(Some(accepted.spec))
        }
        Err(refused) => {
            screen.show(&Verdict {
                file: &name,
                accepted: false,
                problems: &refused.problems,
                summary: None,
            })?;
            Ok(None)
        }
    }
}

/// Reads the file and what it names, and judges it.
pub(super) fn judge(file: &Path) -> Result<Result<Accepted, Refused>, Failure> {
    let doing = || format!("read {}", file.display());
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    // One byte more than fits, so that too large a file is told from one that just fits.
    let bytes = bounded(file, SIZE_LIMIT as u64 + 1).map_err(Failure::failed(doing()))?;
    let mut load = |path: &str| {
        let bytes = bounded(&folder.join(path), BESIDE_LIMIT).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    };
    Ok(read(&bytes, &mut load))
}

fn bounded(file: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
