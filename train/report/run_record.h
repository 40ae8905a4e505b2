#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
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
  std::vector<std::string> events;                  ///< starts, continuations, ends, refused steps, in words
  std::int64_t steps = 0;                           ///< taken
  std::int64_t refused = 0;                         ///< loss or gradient not finite
  std::int64_t overflows = 0;                       ///< refused by fp16's factor alone
  ChartSeries step_loss, gradient_norm;             ///< over steps; evenly chosen ones of a long run
  std::vector<ChartSeries> train_terms, val_terms;  ///< every loss term over epochs, from 1
  struct Layer {
    std::int64_t number = 0;
    std::array<double, 12> stats{};  ///< COCO's
  };
  std::vector<Layer> best_layers;  ///< of the validation with the highest AP
  double best_ap = -1;
  std::string best_place;                     ///< "epoch 3", or "epoch 3, step 41"
  std::map<std::string, std::string> fitted;  ///< keys that were fitted to the run's length

  std::vector<SettingRow> settings;  ///< args.yaml
};

/// The steps of log.jsonl so far, of which at most 2000 are kept: every stride-th, a stride that doubles.
struct LoggedSteps {
  struct Step {
    std::int64_t index = 0;  ///< among the log's lines of steps
    std::int64_t taken = 0;  ///< steps taken up to it
    double loss = 0, norm = 0;
  };
  std::int64_t seen = 0, stride = 1;
  std::vector<Step> drawn;
};

/// Reads a run's folder again and again while it grows. Of log.jsonl, which has millions of lines in a long run, a read
/// costs what was added since the last one; few of its lines are parsed, and what is damaged in it is passed over.
class RunReader {
 public:
  explicit RunReader(std::filesystem::path folder) : folder_(std::move(folder)) {}
  /// @throws ConfigError  for what is no folder, or holds no results.csv of a run
  RunRecord read();
  /// run_before(folder), looked for once: what that run does meanwhile is not seen.
  const std::optional<RunRecord>& before();
  const std::filesystem::path& folder() const { return folder_; }

 private:
  void read_log();

  std::filesystem::path folder_;
  RunRecord log_;  ///< what the log told, but for the curves of its steps
  LoggedSteps steps_;
  std::uintmax_t read_ = 0;  ///< bytes of the log
  std::optional<std::optional<RunRecord>> before_;
};

/// The same once.
RunRecord read_run(const std::filesystem::path& folder);
/// The run of the same parent folder that was begun or continued last before this one: of log.jsonl, which may be long,
/// nothing. What cannot be read is passed over.
std::optional<RunRecord> run_before(const std::filesystem::path& folder);

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
