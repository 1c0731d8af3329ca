//! The job types of the import worker, one file each.

mod blocking;
mod cleanup_temp;
mod index_data;
mod process_import;
mod validate_import;

use drover_worker::JobFailure;

pub use cleanup_temp::{CleanupParams, CleanupTemp};
pub use index_data::{IndexData, IndexParams};
pub use process_import::{ProcessImport, ProcessParams};
pub use validate_import::{ValidateImport, ValidateParams, ValidateResult};

/// Kind of a failure that only other parameters can mend.
const INVALID_PARAMS: &str = "invalid_params";
/// Kind of a failure that the operating system told.
const IO: &str = "io";

/// A failure of the operating system: permanent where a person must change something first, else worth another attempt.
fn io_failure(error: &std::io::Error, message: String) -> JobFailure {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem | NotADirectory | IsADirectory => {
            JobFailure::permanent(IO, message + "; give a path where the worker may write")
        }
        _ => JobFailure::retryable(IO, message),
    }
}

/// A parameter that cannot be used; the message names it.
fn invalid(error: impl std::fmt::Display) -> JobFailure {
    JobFailure::permanent(INVALID_PARAMS, error.to_string())
}
