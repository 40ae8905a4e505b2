#pragma once

#include <stdexcept>
#include <string>

namespace rtdetr {

/// Exit codes of the program: a contract with scripts (docs/reference/exit_codes.md).
enum class ExitCode : int {
  kOk = 0,
  kUsage = 2,      ///< command line, config file, or a run folder in use
  kData = 3,       ///< annotations, pictures, dataset content
  kModel = 4,      ///< model YAML or checkpoint file
  kIo = 5,         ///< reading or writing failed
  kDiverged = 6,   ///< the run's numbers are not finite any more
  kPeer = 7,       ///< another process of the job failed
  kMemory = 8,     ///< out of memory
  kInternal = 70,  ///< a fault of ours
  kStopped = 75,   ///< stopped by a signal, everything saved
};

/// What the functions of the library throw; where memory runs out std::bad_alloc may come, too, or LibTorch's own
/// std::exception. `what()` says what, where, what was kept and what to do, in one line where one problem was found, in
/// several where a file was checked as a whole.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// A mistake in an argument or a configuration file.
struct ConfigError : Error {
  explicit ConfigError(const std::string& message) : Error(ExitCode::kUsage, message) {}
};
/// A mistake in annotations or pictures.
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(ExitCode::kData, message) {}
};
/// A mistake in a model YAML.
struct ModelError : Error {
  explicit ModelError(const std::string& message) : Error(ExitCode::kModel, message) {}
};
/// A checkpoint that cannot be used.
struct CheckpointError : Error {
  explicit CheckpointError(const std::string& message) : Error(ExitCode::kModel, message) {}
};
/// The operating system refused.
struct IoError : Error {
  explicit IoError(const std::string& message) : Error(ExitCode::kIo, message) {}
};
/// The run's numbers are not finite any more, and skipping steps does not help.
struct DivergedError : Error {
  explicit DivergedError(const std::string& message) : Error(ExitCode::kDiverged, message) {}
};
/// A broken assumption of our own code: a fault of ours, to be reported.
struct InternalError : Error {
  explicit InternalError(const std::string& message) : Error(ExitCode::kInternal, message) {}
};

}  // namespace rtdetr
