#pragma once

#include <optional>

#include "core/distributed/process_group.h"
#include "train/config/run_length.h"
#include "train/config/settings.h"
#include "train/loop/experiment.h"
#include "train/run/run_checkpoint.h"
#include "train/run/run_folder.h"

/// What comes before a run's trainer, whoever asks for the run: the program or somebody else's.
namespace rtdetr {

/// A run whose folder is locked and whose files are read, new or continued.
struct OpenedRun {
  RunFolder folder;
  std::optional<RunCheckpoint> checkpoint;  ///< of the run that is continued
  Experiment experiment;                    ///< with what was fitted or taken over
  std::optional<RunLength> length;          ///< of a new run
};

/// Opens project/name for a new run, or continues one as resume= says.
/// @param group  the processes that train together
/// @throws Error  for whatever settings and files do not fit; the folder of a new run is made last
OpenedRun open_run(const Settings& settings, ProcessGroup& group = world_of_one());

/// As given, but for what model and batch decide: another model under the same args.yaml is trained with the same loss,
/// another batch in steps of as many batches.
Settings settled(const Experiment& experiment, Settings settings);

/// args.yaml in the folder: what was given, so that it repeats or continues the run, and what this run made of it.
void write_arguments(const Settings& settings, const Experiment& experiment, const RunFolder& folder);

}  // namespace rtdetr
