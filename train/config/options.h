#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/loader/loader_options.h"
#include "data/transforms/transforms.h"
#include "losses/options.h"
#include "models/graph/build_options.h"
#include "train/config/settings.h"
#include "train/optim/ema.h"
#include "train/optim/lr_schedule.h"
#include "train/optim/make_optimizer.h"

/// What the keys mean to the parts of a run: Settings as the option structs of model, loss, optimizer and data. A key
/// that is not handed on here, or by the command that reads it, has no effect.
namespace rtdetr {

/// @param num_classes  of the data set
BuildOptions build_options(const Settings& settings, std::int64_t num_classes);

/// @param word  of kCriterionWords, as a head says it; "auto" stands for official
CriterionOptions published_criterion(const std::string& word);
/// Replaces criterion=auto by what the model was published with, and what that set says of a weight or constant that
/// was not given. After it the settings alone decide the loss.
/// @param of_head  Head::criteria()
/// @throws ConfigError  for a criterion that does not train the head, and for what was given that it does not know:
///                      losses of distributions without D-FINE's, one_to_many with it
void settle_criterion(const std::vector<std::string>& of_head, Settings& settings);
/// @param settings  criterion=auto stands for official
CriterionOptions criterion_options(const Settings& settings);

/// Ultralytics' nominal batch: accumulate, where it is not given, is nbs over the batch.
void settle_nominal_batch(Settings& settings);
/// weight_decay, with a nominal batch times the share that the pictures of a step are of it.
double weight_decay_of_step(const Settings& settings);

OptimizerOptions optimizer_options(const Settings& settings);
EmaOptions ema_options(const Settings& settings);
LrSchedule lr_schedule(const Settings& settings);

LoaderOptions loader_options(const Settings& settings);

/// @param stride  of the model; sizes of multi-scale are multiples of it
TransformOptions training_transforms(const Settings& settings, const ImageSize& size, std::int64_t stride);

}  // namespace rtdetr
