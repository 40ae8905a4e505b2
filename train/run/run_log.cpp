#include "train/run/run_log.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/io/file.h"

namespace rtdetr {
namespace {

constexpr const char* kLogName = "log.jsonl";
constexpr const char* kTableName = "results.csv";

/// Whole lines only: what a killed process left of a line is dropped.
std::vector<std::string> read_lines(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return {};
  std::vector<std::string> lines = split(read_text_file(file), '\n');
  if (!lines.empty()) lines.pop_back();
  return lines;
}

void keep_lines(const std::filesystem::path& file, const std::function<bool(const std::string&)>& keep) {
  if (!std::filesystem::exists(file)) return;
  std::string text;
  for (const std::string& line : read_lines(file)) {
    if (keep(line)) text += line + "\n";
  }
  write_text_atomically(file, text);
}

/// A line of log.jsonl from before the position, or about no place in the run.
bool is_before(const std::string& line, const LogPosition& position) {
  const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return false;
  if (!entry.contains("epoch")) return true;
  const auto at = entry["epoch"].get<std::int64_t>();
  if (at != position.epoch) return at < position.epoch;
  if (entry.contains("batch")) return entry["batch"].get<std::int64_t>() < position.batch;
  return entry.contains("step") && entry["step"].get<std::int64_t>() <= position.validated_step;
}

double cell_of(const RunLog::Row& row, const std::string& title) {
  const auto found = std::find_if(row.begin(), row.end(), [&](const auto& cell) { return cell.first == title; });
  return found == row.end() ? std::nan("") : found->second;
}

/// Counts are written whole.
std::string cell_text(double value) {
  constexpr double kLargestCount = 1e15;
  if (std::isnan(value)) return "";
  const bool whole = std::abs(value) < kLargestCount && std::floor(value) == value;
  return whole ? fixed(value, 0) : format_short(value);
}

/// The rows from before the position. Rows count epochs from 1; of the epoch under way there are only those of its
/// validations so far.
void keep_rows(const std::filesystem::path& file, const std::vector<std::string>& titles, const LogPosition& position) {
  const auto step_column = std::find(titles.begin(), titles.end(), kStepTitle) - titles.begin();
  keep_lines(file, [&](const std::string& line) {
    const std::vector<std::string> cells = split(line, ',');
    const auto row_epoch = parse_double(cells.front());
    if (!row_epoch) return true;  // the header
    if (*row_epoch != static_cast<double>(position.epoch + 1)) return *row_epoch <= static_cast<double>(position.epoch);
    const auto column = static_cast<std::size_t>(step_column);
    const auto step = column < cells.size() ? parse_double(cells[column]) : std::nullopt;
    return step && *step <= static_cast<double>(position.validated_step);
  });
}

std::vector<std::string> titles_in(const std::filesystem::path& table) {
  const std::vector<std::string> lines = read_lines(table);
  return lines.empty() ? std::vector<std::string>{} : split(lines.front(), ',');
}

}  // namespace

RunLog::RunLog(const RunFolder& folder) {
  for (const char* name : {kLogName, kTableName, kTensorBoardName}) std::filesystem::remove(folder.path() / name);
  open(folder);
}

RunLog::RunLog(const RunFolder& folder, const LogPosition& position) : titles_(titles_in(folder.path() / kTableName)) {
  keep_lines(folder.path() / kLogName, [&](const std::string& line) { return is_before(line, position); });
  keep_rows(folder.path() / kTableName, titles_, position);
  open(folder);
}

void RunLog::open(const RunFolder& folder) {
  log_.emplace(folder.path() / kLogName);
  table_.emplace(folder.path() / kTableName);
}

void RunLog::flush() {
  log_->flush();
  table_->flush();
}

void RunLog::write(const std::string& event, const nlohmann::ordered_json& members) {
  nlohmann::ordered_json line{{"event", event}};
  line.update(members);
  log_->append(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

bool RunLog::has_column(const std::string& title) const {
  return std::find(titles_.begin(), titles_.end(), title) != titles_.end();
}

void RunLog::write_row(const Row& row) {
  std::string text;
  if (titles_.empty()) {
    for (const auto& [title, value] : row) titles_.push_back(title);
    text = join(titles_, ",") + "\n";
  }
  std::vector<std::string> cells;
  for (const std::string& title : titles_) {
    cells.push_back(cell_text(cell_of(row, title)));
  }
  table_->append(text + join(cells, ",") + "\n");
}

const std::vector<double>* ResultsTable::find(const std::string& title) const {
  for (std::size_t i = 0; i < titles.size(); ++i) {
    if (titles[i] == title) return &columns[i];
  }
  return nullptr;
}

ResultsTable read_results(const std::filesystem::path& file) {
  const std::vector<std::string> lines = read_lines(file);
  ResultsTable table;
  if (lines.empty()) return table;
  table.titles = split(lines.front(), ',');
  table.columns.resize(table.titles.size());
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> cells = split(lines[i], ',');
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const auto value = c < cells.size() ? parse_double(cells[c]) : std::nullopt;
      table.columns[c].push_back(value.value_or(std::numeric_limits<double>::quiet_NaN()));
    }
  }
  return table;
}

}  // namespace rtdetr
