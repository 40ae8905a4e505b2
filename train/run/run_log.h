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

/// A run's two records, each written line by line as things happen: log.jsonl (every step, epoch and event, one JSON
/// object a line) and results.csv (one row an epoch, Ultralytics' columns first). A continued run drops what was
/// written after the checkpoint it continues from, so that no step or epoch is missing or there twice. A disk that is
/// full delays lines (LineFile), it does not end the run.
class RunLog {
 public:
  /// A fresh record. @throws IoError
  explicit RunLog(const RunFolder& folder);
  /// Goes on with a record at (epoch, batch): earlier lines stay.
  RunLog(const RunFolder& folder, std::int64_t epoch, std::int64_t batch);
  /// One line of log.jsonl. `event` is its first member; lines about a step or an epoch have "epoch", and "batch".
  void write(const std::string& event, const nlohmann::ordered_json& members);

  using Row = std::vector<std::pair<std::string, double>>;
  /// One row of results.csv; the first one also writes the header. NaN = an empty cell.
  void write_row(const Row& row);
  /// Both records are complete on disk. @throws IoError
  void flush();

 private:
  void open(const RunFolder& folder);

  std::optional<LineFile> log_, table_;
  bool header_written_ = false;
};

/// results.csv as columns, for the chart. Cells that are empty are NaN.
struct ResultsTable {
  std::vector<std::string> titles;
  std::vector<std::vector<double>> columns;  ///< by title
  const std::vector<double>* find(const std::string& title) const;
};
ResultsTable read_results(const std::filesystem::path& file);

}  // namespace rtdetr
