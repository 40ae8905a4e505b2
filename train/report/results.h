#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "train/evaluation/evaluator.h"
#include "train/run/run_log.h"

namespace rtdetr {

/// What is remembered of an epoch, or of one so far at a validation inside it.
struct EpochRecord {
  std::int64_t epoch = 0;                  ///< from 0
  bool inside = false;                     ///< the epoch goes on
  std::int64_t run_steps = 0;              ///< done so far, the run as a whole
  bool in_steps = false;                   ///< the run is validated by steps, a new table has the column step
  double train_seconds = 0;                ///< of the run so far
  const Evaluation* evaluation = nullptr;  ///< nullptr: not validated
  std::vector<HeadLayer> layers;           ///< the table has columns for these, validated or not
  std::int64_t steps = 0;                  ///< the means are over these
  std::vector<std::pair<std::string, double>> losses;  ///< "loss" (the sum), then every term: means of the epoch
  std::vector<double> rates;                           ///< learning rate of each parameter group
};

/// One row of results.csv (Ultralytics' columns, then the sum of the losses, AP and AP50 of every layer of the head,
/// and the step) and one line of log.jsonl with every loss term and all twelve numbers of every layer.
void record_results(const EpochRecord& record, RunLog& log);

/// Of a record with an evaluation: "epoch 3: AP 0.4123  AP50 …", or "epoch 3, step 41: …" inside the epoch.
std::string describe_validation(const EpochRecord& record);
/// The same for programs: {"type": "validation", "epoch", "step" (of the run), "inside" (the epoch goes on), "ap",
/// "ap50", "ap75", "ar100", "layers": [{layer, ap}], "losses", "pictures", "seconds"}.
nlohmann::ordered_json validation_event(const EpochRecord& record);

}  // namespace rtdetr
