#include "train/loop/run_opening.h"

#include <filesystem>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/io/file.h"
#include "train/config/options.h"
#include "train/loop/run_start.h"
#include "train/loop/training_data.h"

namespace rtdetr {
namespace {

/// resume= names a checkpoint rather than a folder, or none.
bool names_a_file(const Settings& settings) {
  return settings.resume != "auto" && std::filesystem::is_regular_file(settings.resume);
}

/// resume=auto: the named folder. resume=FILE: the folder of that checkpoint.
RunFolder folder_of_resume(const Settings& settings) {
  if (settings.resume == "auto") return RunFolder(std::filesystem::path(settings.project) / settings.name);
  if (names_a_file(settings)) return RunFolder(std::filesystem::absolute(settings.resume).parent_path());
  if (std::filesystem::is_directory(settings.resume)) return RunFolder(settings.resume);
  throw ConfigError("resume=" + settings.resume + settings.origin_of("resume") +
                    ": no such file; auto continues the run in project/name");
}

/// Locked before anything slow.
std::optional<RunFolder> folder_to_continue(const Settings& settings, ProcessGroup& group) {
  if (settings.resume == "false") return std::nullopt;
  return open_together(group, [&] { return folder_of_resume(settings); });
}

}  // namespace

OpenedRun open_run(const Settings& settings, ProcessGroup& group) {
  std::optional<RunFolder> folder = folder_to_continue(settings, group);
  std::optional<RunCheckpoint> checkpoint;
  if (folder) checkpoint = names_a_file(settings) ? load_run_file(settings.resume) : load_run(*folder);
  Experiment experiment = checkpoint ? prepare_to_continue(settings) : prepare_experiment(settings);
  require_equal_shares(training_loader_options(experiment).batch_size, group);
  std::optional<RunLength> length;
  if (checkpoint) {
    take_over(experiment, *checkpoint);
  } else {
    length = fit_new_run(experiment, group);
  }
  const auto fresh = [&] { return RunFolder::create(settings.project, settings.name, settings.exist_ok); };
  if (!folder) folder.emplace(open_together(group, fresh));
  return {std::move(*folder), std::move(checkpoint), std::move(experiment), std::move(length)};
}

/// With what the model and the batch decide, so that the same comes of them again.
Settings settled(const Experiment& experiment, Settings settings) {
  settle_criterion(experiment.model->head().criteria(), settings);
  settle_nominal_batch(settings);
  return settings;
}

void write_arguments(const Settings& settings, const Experiment& experiment, const RunFolder& folder) {
  std::string text = settings_to_yaml(settled(experiment, settings));
  for (const auto& [key, value] : experiment.fitted)
    text += "# fitted to the length of this run: " + key + ": " + value + "\n";
  write_text_atomically(folder.path() / "args.yaml", text);
}

}  // namespace rtdetr
