#pragma once

#include "train/config/run_length.h"
#include "train/loop/experiment.h"
#include "train/loop/trainer.h"

/// What is settled once before a run's first step, anew or from its checkpoint, so that a run that is continued goes by
/// the same numbers as the one that was interrupted.
namespace rtdetr {

/// Fits a new run's settings to its length (run_length.h), with time= from a few measured steps, and says what changed.
/// Keys that were fitted are in experiment.fitted.
/// @param group  the processes that train together. What each measures by its own clock they settle alike: the
/// precision
///               of amp=auto is the main one's, and a step takes as long as the slowest's
RunLength fit_new_run(Experiment& experiment, ProcessGroup& group = world_of_one());

/// Takes over what the run that is continued has settled: that it is the same run, its precision, what was fitted to
/// its length. A run that has used up its time= goes on by epochs= alone when that was said or made larger since.
/// @throws ConfigError  naming the first setting in which the two differ
void take_over(Experiment& experiment, const RunCheckpoint& checkpoint);

/// Puts the trainer where the checkpoint is. Warns, with what to do instead, when a run that is made longer goes back
/// on the curve of its learning rate.
/// @throws CheckpointError
void go_on(Trainer& trainer, const RunCheckpoint& checkpoint, const Settings& settings, const RunFolder& folder);

}  // namespace rtdetr
