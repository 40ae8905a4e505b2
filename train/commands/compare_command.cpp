#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "train/commands/commands.h"
#include "train/commands/output_file.h"
#include "train/report/comparison_page.h"
#include "train/report/output.h"
#include "train/report/page.h"
#include "train/report/setting_differences.h"

namespace rtdetr {
namespace {

/// All that are none are told at once. A folder that is named twice, from wherever, is one run.
std::vector<RunRecord> read_runs(const std::vector<std::string>& folders) {
  std::vector<RunRecord> runs;
  std::vector<std::string> problems;
  std::map<std::filesystem::path, std::string> names;
  for (const std::string& folder : folders) {
    std::error_code ignored;
    const auto [first, is_new] = names.try_emplace(std::filesystem::weakly_canonical(folder, ignored), folder);
    if (!is_new) {
      log::warning(folder + " is the same run as " + first->second + ": it is taken once");
      continue;
    }
    try {
      runs.push_back(read_run(folder));
    } catch (const ConfigError& error) {
      problems.emplace_back(error.what());
    }
  }
  if (!problems.empty()) throw ConfigError(join(problems, "\n"));
  if (runs.size() < 2) throw ConfigError("compare needs two runs, and every folder named is " + folders.front());
  return runs;
}

std::string number_table(const std::vector<RunRecord>& runs, const std::vector<std::string>& names) {
  TextTable table({{"run", TextTable::Align::kLeft},
                   {"best AP"},
                   {"in epoch"},
                   {"AP50 there"},
                   {"last AP"},
                   {"last loss"},
                   {"epochs"},
                   {"training time"}});
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunNumbers n = numbers_of(runs[i].table);
    table.add({names[i], fixed_or_dash(n.best_ap, 4), fixed_or_dash(n.best_epoch, 0), fixed_or_dash(n.ap50_there, 4),
               fixed_or_dash(n.last_ap, 4), fixed_or_dash(n.last_loss, 3), fixed_or_dash(n.epochs, 0),
               format_duration(n.seconds)});
  }
  return table.text();
}

std::string difference_table(const std::vector<SettingDifference>& differences, const std::vector<std::string>& names) {
  if (differences.empty()) return "no setting differs\n";
  std::vector<TextTable::Column> columns = {{"setting", TextTable::Align::kLeft}};
  for (const std::string& name : names) columns.push_back({name});
  TextTable table(columns);
  for (const SettingDifference& one : differences) {
    std::vector<std::string> cells = {one.key};
    cells.insert(cells.end(), one.values.begin(), one.values.end());
    table.add(std::move(cells));
  }
  return table.text();
}

nlohmann::ordered_json comparison_json(const std::vector<RunRecord>& runs, const std::vector<std::string>& names,
                                       const std::vector<SettingDifference>& differences) {
  auto rows = nlohmann::ordered_json::array(), settings = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunNumbers n = numbers_of(runs[i].table);
    rows.push_back({{"name", names[i]},
                    {"folder", runs[i].folder.string()},
                    {"best_ap", n.best_ap},
                    {"best_epoch", n.best_epoch},
                    {"ap50_there", n.ap50_there},
                    {"last_ap", n.last_ap},
                    {"last_loss", n.last_loss},
                    {"epochs", n.epochs},
                    {"steps", runs[i].steps},
                    {"refused_steps", runs[i].refused},
                    {"train_seconds", n.seconds}});
  }
  for (const SettingDifference& one : differences)
    settings.push_back(nlohmann::ordered_json{{"key", one.key}, {"values", one.values}});
  return {{"runs", std::move(rows)}, {"settings", std::move(settings)}};
}

}  // namespace

ExitCode run_compare(const Settings& settings) {
  require_output_file(settings, "", "");
  const std::vector<RunRecord> runs = read_runs(settings.topics);
  const std::vector<std::string> names = run_names(runs);
  const std::vector<SettingDifference> differences = differing_settings(runs);
  write_page(settings.output, comparison_page(runs));
  print_text(settings, number_table(runs, names) + "\n" + difference_table(differences, names) + "\nwritten to " +
                           settings.output + "\n");
  nlohmann::ordered_json document = comparison_json(runs, names, differences);
  document["output"] = settings.output;
  print_json(settings, document);
  return ExitCode::kOk;
}

}  // namespace rtdetr
