#include "train/report/comparison_page.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "train/report/page.h"
#include "train/report/result_curves.h"
#include "train/report/setting_differences.h"

namespace rtdetr {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kApColumn = "metrics/mAP50-95(B)";

/// Columns of any of the runs, in the order in which they come up; AP first.
std::vector<std::string> columns_of(std::span<const RunRecord> runs) {
  std::vector<std::string> columns = {kApColumn, "metrics/mAP50(B)", "train/loss"};
  for (const RunRecord& run : runs) {
    for (const std::string& title : run.table.titles) {
      const bool place = title == "epoch" || title == "time" || title == kStepTitle;
      if (!place && std::ranges::find(columns, title) == columns.end()) columns.push_back(title);
    }
  }
  return columns;
}

/// Over epochs; over steps where all runs tell them.
Json column_chart(std::span<const RunRecord> runs, const std::vector<std::string>& names, const std::string& column) {
  const bool in_steps =
      std::ranges::all_of(runs, [](const RunRecord& run) { return run.table.find(kStepTitle) != nullptr; });
  std::vector<ChartSeries> curves;
  for (std::size_t i = 0; i < runs.size(); ++i)
    curves.push_back(column_curve(runs[i].table, column, names[i], in_steps ? kStepTitle : "epoch"));
  return page_chart(column, in_steps ? kStepTitle : "epoch", curves);
}

Json time_chart(std::span<const RunRecord> runs, const std::vector<std::string>& names) {
  constexpr double kMinute = 60;
  std::vector<ChartSeries> curves;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    curves.push_back(column_curve(runs[i].table, kApColumn, names[i], "time"));
    for (double& x : curves.back().x) x /= kMinute;
  }
  return page_chart("AP over training time", "minutes", curves);
}

/// The first few charts open, the others folded.
std::vector<Json> chart_sections(std::span<const RunRecord> runs, const std::vector<std::string>& names) {
  constexpr std::size_t kOpen = 3;
  Json first = page_section("charts", "curves", "curves"), others = page_section("charts", "columns", "every column");
  first["note"] = "Drag over a chart to zoom in, double-click to see all; a click on a name hides its curve.";
  first["charts"] = others["charts"] = Json::array();
  others["folded"] = true;
  const std::vector<std::string> columns = columns_of(runs);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i == 1)
      if (Json chart = time_chart(runs, names); !chart.is_null()) first["charts"].push_back(std::move(chart));
    if (Json chart = column_chart(runs, names, columns[i]); !chart.is_null())
      (i < kOpen ? first : others)["charts"].push_back(std::move(chart));
  }
  return {std::move(first), std::move(others)};
}

Json number_table(std::span<const RunRecord> runs, const std::vector<std::string>& names) {
  Json table = page_section("table", "numbers", "numbers");
  table["columns"] = Json::array({"run", "best AP", "in epoch", "AP50 there", "last AP", "last training loss", "epochs",
                                  "training time", "refused steps"});
  table["rows"] = Json::array();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunNumbers numbers = numbers_of(runs[i].table);
    table["rows"].push_back(
        Json::array({names[i], numbers.best_ap, numbers.best_epoch, numbers.ap50_there, numbers.last_ap,
                     numbers.last_loss, numbers.epochs, format_duration(numbers.seconds), runs[i].refused}));
  }
  return table;
}

/// What the evaluation of each run's best weights found, as its page has it: pages of runs that have not ended, or drew
/// none, have nothing of it.
std::vector<Json> pages_of(std::span<const RunRecord> runs) {
  std::vector<Json> pages;
  for (const RunRecord& run : runs) {
    const std::filesystem::path file = run.folder / kPageName;
    try {
      pages.push_back(read_page(file));
    } catch (const Error& error) {
      log::warning(std::string("what it found is left out: ") + error.what());
      pages.emplace_back();
    }
  }
  return pages;
}

/// A page's section; nullptr: it has none of that kind.
const Json* find_section(const Json& page, const std::string& id, const std::string& kind) {
  if (!page.is_object() || !page.contains("sections")) return nullptr;
  for (const Json& section : page["sections"])
    if (section.value("id", "") == id && section.value("kind", "") == kind) return &section;
  return nullptr;
}

/// Rows of all runs under each other, the run's name before each.
Json layer_table(const std::vector<Json>& pages, const std::vector<std::string>& names) {
  Json table = page_section("table", "layers", "AP by decoder layer");
  table["columns"] = table["rows"] = Json::array();
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const Json* one = find_section(pages[i], "layers", "table");
    if (one == nullptr) continue;
    if (one->at("columns").size() >= table["columns"].size()) {
      table["columns"] = one->at("columns");
      table["columns"].insert(table["columns"].begin(), "run");
    }
    for (Json cells : one->at("rows")) {
      cells.insert(cells.begin(), names[i]);
      table["rows"].push_back(std::move(cells));
    }
  }
  return table;
}

/// AP of every class that a run was evaluated on, a column for each run.
Json class_table(const std::vector<Json>& pages, const std::vector<std::string>& names) {
  Json columns = Json::array({"class"}), found = Json::object();  // AP by class, of each run
  const auto filled = [&](Json& values, std::size_t runs) {
    while (values.size() < runs) values.push_back(nullptr);
  };
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const Json* one = find_section(pages[i], "classes", "table");
    if (one == nullptr) continue;
    const auto ap =
        static_cast<std::size_t>(std::ranges::find(one->at("columns"), Json("AP")) - one->at("columns").begin());
    for (const Json& cells : one->at("rows")) {
      Json& values = found[cells.at(0).get<std::string>()];
      filled(values, columns.size() - 1);
      if (values.size() < columns.size()) values.push_back(cells.at(ap));  // of classes of one name the first
    }
    columns.push_back(names[i]);
  }
  Json table = page_section("table", "classes", "AP by class");
  table["columns"] = columns;
  table["rows"] = Json::array();
  for (auto& [name, values] : found.items()) {
    filled(values, columns.size() - 1);
    values.insert(values.begin(), name);
    table["rows"].push_back(values);
  }
  return table;
}

/// Sections of each run's own, folded, under its name.
std::vector<Json> own_sections(const std::vector<Json>& pages, const std::vector<std::string>& names) {
  std::vector<Json> sections;
  for (const auto& [id, kind] : {std::pair("confusion", "matrix"), std::pair("worst", "pictures")}) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
      const Json* one = find_section(pages[i], id, kind);
      if (one == nullptr) continue;
      sections.push_back(*one);
      sections.back()["id"] = id + ("-" + std::to_string(i + 1));
      sections.back()["title"] = names[i] + ": " + one->value("title", "");
      sections.back()["folded"] = true;
    }
  }
  return sections;
}

/// @throws Json::exception  for a page that somebody has changed
std::vector<Json> found_sections(std::span<const RunRecord> runs, const std::vector<std::string>& names) {
  const std::vector<Json> pages = pages_of(runs);
  std::vector<Json> sections = {layer_table(pages, names), class_table(pages, names)};
  std::erase_if(sections, [](const Json& table) { return table["rows"].empty(); });
  for (Json& section : own_sections(pages, names)) sections.push_back(std::move(section));
  return sections;
}

Json settings_table(std::span<const RunRecord> runs, const std::vector<std::string>& names) {
  Json table = page_section("table", "settings", "settings that differ");
  table["text"] = true;
  table["columns"] = Json::array({"key"});
  for (const std::string& name : names) table["columns"].push_back(name);
  table["rows"] = Json::array();
  for (const SettingDifference& one : differing_settings(runs)) {
    Json cells = Json::array({one.key});
    for (const std::string& value : one.values) cells.push_back(value);
    table["rows"].push_back(std::move(cells));
  }
  if (table["rows"].empty()) table["note"] = "none";
  return table;
}

}  // namespace

std::vector<std::string> run_names(std::span<const RunRecord> runs) {
  std::vector<std::string> names;
  for (const RunRecord& run : runs) names.push_back(folder_name(run.folder));
  if (std::set(names.begin(), names.end()).size() == names.size()) return names;
  for (std::size_t i = 0; i < runs.size(); ++i) names[i] = runs[i].folder.string();
  return names;
}

Json comparison_page(std::span<const RunRecord> runs) {
  const std::vector<std::string> names = run_names(runs);
  Json sections = Json::array();
  sections.push_back(number_table(runs, names));
  for (Json& section : chart_sections(runs, names)) sections.push_back(std::move(section));
  try {
    for (Json& section : found_sections(runs, names)) sections.push_back(std::move(section));
  } catch (const Json::exception&) {
    log::warning(std::string("what was found is left out: a run's ") + kPageName + " is not as it was written");
  }
  sections.push_back(settings_table(runs, names));
  return {{"title", counted(std::ssize(runs), "run") + " compared"},
          {"subtitle", join(names, ", ")},
          {"sections", std::move(sections)}};
}

Json difference_section(const RunRecord& run, const RunRecord& before) {
  Json section = page_section("table", "difference", "against " + folder_name(before.folder) + ", the run before");
  section["note"] = "the settings are those that were told; rtdetr compare draws both runs' curves over each other";
  section["columns"] = Json::array({"", folder_name(before.folder), folder_name(run.folder)});
  const RunNumbers then = numbers_of(before.table), now = numbers_of(run.table);
  section["rows"] = {{"best AP", then.best_ap, now.best_ap},
                     {"in epoch", then.best_epoch, now.best_epoch},
                     {"last training loss", then.last_loss, now.last_loss},
                     {"epochs done", then.epochs, now.epochs},
                     {"training time", format_duration(then.seconds), format_duration(now.seconds)}};
  std::array<RunRecord, 2> told = {before, run};
  told[1].fitted.clear();
  for (const SettingDifference& one : differing_settings(told))
    section["rows"].push_back({one.key, one.values[0], one.values[1]});
  return section;
}

}  // namespace rtdetr
