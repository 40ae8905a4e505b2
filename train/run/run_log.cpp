#include "train/run/run_log.h"

#include <cmath>
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

/// A line of log.jsonl from before (epoch, batch), or about neither.
bool is_before(const std::string& line, std::int64_t epoch, std::int64_t batch) {
  const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return false;
  if (!entry.contains("epoch")) return true;
  const auto at = entry["epoch"].get<std::int64_t>();
  return at < epoch || (at == epoch && entry.contains("batch") && entry["batch"].get<std::int64_t>() < batch);
}

}  // namespace

RunLog::RunLog(const RunFolder& folder) {
  for (const char* name : {kLogName, kTableName}) std::filesystem::remove(folder.path() / name);
  open(folder);
}

RunLog::RunLog(const RunFolder& folder, std::int64_t epoch, std::int64_t batch) {
  keep_lines(folder.path() / kLogName, [&](const std::string& line) { return is_before(line, epoch, batch); });
  keep_lines(folder.path() / kTableName, [&](const std::string& line) {
    const auto row_epoch = parse_double(line.substr(0, line.find(',')));
    return !row_epoch || *row_epoch <= static_cast<double>(epoch);  // rows count epochs from 1
  });
  header_written_ = !read_lines(folder.path() / kTableName).empty();
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

void RunLog::write_row(const Row& row) {
  std::vector<std::string> titles, cells;
  for (const auto& [title, value] : row) {
    titles.push_back(title);
    std::array<char, 32> cell{};
    std::snprintf(cell.data(), cell.size(), "%.6g", value);
    cells.push_back(std::isnan(value) ? "" : cell.data());
  }
  std::string text = join(cells, ",") + "\n";
  if (!header_written_) text = join(titles, ",") + "\n" + text;
  table_->append(text);
  header_written_ = true;
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
