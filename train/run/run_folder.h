#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "core/base/descriptor.h"
#include "core/distributed/process_group.h"

namespace rtdetr {

/// The folder `project/name` for what a command writes: a fresh one, or `name-2`, `-3`, …; with `exist_ok` that one
/// itself, whatever it holds. @throws ConfigError  for such a name; IoError  naming project= as the way out
std::filesystem::path make_run_folder(const std::filesystem::path& project, const std::string& name, bool exist_ok);

/// A run's folder, locked against a second run for as long as this object lives. The lock belongs to the process
/// (flock on `.lock`), so a killed one leaves none behind; the temporary files of a killed one are removed.
class RunFolder {
 public:
  /// The folder that make_run_folder gives.
  static RunFolder create(const std::filesystem::path& project, const std::string& name, bool exist_ok);
  /// That folder, made if it is not there.
  /// @throws ConfigError  naming process and host that use it; IoError
  explicit RunFolder(std::filesystem::path path);
  /// That folder for a process that has no hand in it: neither made nor locked.
  static RunFolder named(std::filesystem::path path);
  RunFolder(RunFolder&& other) = default;
  RunFolder& operator=(RunFolder&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path last() const { return path_ / "last.safetensors"; }
  std::filesystem::path previous() const { return path_ / "last-1.safetensors"; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }
  /// What training goes on with from the best weights, in a run with a last stage.
  std::filesystem::path best_state() const { return path_ / "best-state.safetensors"; }

 private:
  RunFolder() = default;
  void lock();

  std::filesystem::path path_;
  Descriptor lock_;
};

/// Of several processes the main one opens the run's folder; the others are told its name and keep their hands off.
/// @throws what `open` throws, on the main process; on the others Error with ExitCode::kPeer
RunFolder open_together(ProcessGroup& group, const std::function<RunFolder()>& open);

}  // namespace rtdetr
