#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "train/evaluation/evaluator.h"
#include "train/run/run_log.h"

namespace rtdetr {

/// What is remembered of an epoch.
struct EpochRecord {
  std::int64_t epoch = 0;                  ///< from 0
  double train_seconds = 0;                ///< of the run so far
  const Evaluation* evaluation = nullptr;  ///< nullptr: not validated
  std::int64_t decoder_layers = 0;         ///< L: the table has columns for layers 0 … L, validated or not
  std::int64_t steps = 0;                  ///< the means are over these
  std::vector<std::pair<std::string, double>> losses;  ///< "loss" (the sum), then every term: means of the epoch
  std::vector<double> rates;                           ///< learning rate of each parameter group
};

/// One row of results.csv (Ultralytics' columns, then the sum of the losses and AP, AP50 of every decoder layer) and
/// one line of log.jsonl with every loss term and all twelve numbers of every layer.
void record_results(const EpochRecord& record, RunLog& log);

}  // namespace rtdetr
