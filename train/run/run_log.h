#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/io/line_file.h"
#include "train/run/run_folder.h"

namespace rtdetr {

/// The column of results.csv that only runs with val_steps have.
inline constexpr const char* kStepTitle = "step";

/// The name under which the table's curves lie in the run's folder, where `tensorboard --logdir` finds them
/// (train/report/tensorboard_file.h).
inline constexpr const char* kTensorBoardName = "events.out.tfevents.0.rtdetr";

/// Where a continued run goes on.
struct LogPosition {
  std::int64_t epoch = 0, batch = 0;  ///< the next ones, from 0
  std::int64_t validated_step = -1;   ///< steps that were done at the last validation; -1 = none
};

/// A run's two records, each written line by line as things happen: log.jsonl (every step, validation inside an epoch,
/// epoch and event, one JSON object a line) and results.csv (one row an epoch, Ultralytics' columns first; with
/// val_steps one more for each validation inside an epoch, told by the column step). A continued run drops what was
/// written after the checkpoint it continues from, so that no step, validation or epoch is missing or there twice. A
/// disk that is full delays lines (LineFile), it does not end the run.
class RunLog {
 public:
  /// A fresh record: an earlier run's is removed, with the curves that were made of it. @throws IoError
  explicit RunLog(const RunFolder& folder);
  /// Goes on with a record: earlier lines stay.
  RunLog(const RunFolder& folder, const LogPosition& position);
  /// One line of log.jsonl. `event` is its first member; lines about a step or an epoch have "epoch", and "batch",
  /// those about a validation inside an epoch "epoch" and "step".
  void write(const std::string& event, const nlohmann::ordered_json& members);

  using Row = std::vector<std::pair<std::string, double>>;
  /// One row of results.csv; the first one also writes the header, and later ones have its columns. NaN = an empty
  /// cell.
  void write_row(const Row& row);
  bool has_column(const std::string& title) const;
  /// Both records are complete on disk. @throws IoError
  void flush();

 private:
  void open(const RunFolder& folder);

  std::optional<LineFile> log_, table_;
  std::vector<std::string> titles_;  ///< of the table's columns; empty before its first row
};

/// results.csv as columns, for the chart. Cells that are empty are NaN.
struct ResultsTable {
  std::vector<std::string> titles;
  std::vector<std::vector<double>> columns;  ///< by title
  const std::vector<double>* find(const std::string& title) const;
};
ResultsTable read_results(const std::filesystem::path& file);

}  // namespace rtdetr
