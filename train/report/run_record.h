#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/plot/chart.h"
#include "train/report/setting_rows.h"
#include "train/run/run_log.h"

namespace rtdetr {

/// A run as its folder tells it: results.csv, log.jsonl and args.yaml, of which all but the first may be missing.
struct RunRecord {
  std::filesystem::path folder;
  ResultsTable table;

  // log.jsonl
  std::string version, command;
  std::vector<std::string> events;                  ///< starts, continuations, stops, refused steps, in words
  std::int64_t steps = 0;                           ///< taken
  std::int64_t refused = 0;                         ///< loss or gradient not finite
  std::int64_t overflows = 0;                       ///< refused by fp16's factor alone
  ChartSeries step_loss, gradient_norm;             ///< over steps; evenly chosen ones of a long run
  std::vector<ChartSeries> train_terms, val_terms;  ///< every loss term over epochs, from 1
  struct Layer {
    std::int64_t number = 0;
    std::array<double, 12> stats{};  ///< COCO's
  };
  std::vector<Layer> best_layers;             ///< of the validation whose last layer has the highest AP
  std::string best_place;                     ///< "epoch 3", or "epoch 3, step 41"
  std::map<std::string, std::string> fitted;  ///< keys that were fitted to the run's length

  std::vector<SettingRow> settings;  ///< args.yaml
};

/// Reads a few lines of log.jsonl only, as whole runs have millions; what is damaged in it is passed over.
/// @throws ConfigError  for what is no folder, or holds no results.csv of a run
RunRecord read_run(const std::filesystem::path& folder);

/// The last part of a path, which may end in '/'.
std::string folder_name(const std::filesystem::path& folder);

/// The run in a few numbers; NaN and 0 = unknown.
struct RunNumbers {
  double epochs = 0, seconds = 0;
  double best_ap = 0, best_epoch = 0, ap50_there = 0;  ///< of the row with the highest AP
  double last_ap = 0, last_loss = 0;
};
RunNumbers numbers_of(const ResultsTable& table);

}  // namespace rtdetr
