#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/plot/chart.h"
#include "train/report/setting_rows.h"

/// One file of HTML that needs nothing else and loads nothing: train/report/run_page.html with its style, its script,
/// and what the script draws as JSON.
///
/// The document is {title, subtitle, sections: […]}; a section is {kind, id, title, note, folded} and, by its kind,
///   tiles     tiles: [[name, value]]
///   charts    charts: [{title, x, series: [{name, colour (index), x: […], y: […]}]}]
///   table     columns: [name], rows: [[cell]], text (all cells are), changed: [row stands out]
///   matrix    names: [class], counts: [[…]], as ConfusionMatrix has them
///   pictures  pictures: [{name, note, src}]
///   list      lines: [text]
///   files     names: [beside the page]
namespace rtdetr {

/// The page of a folder of train or val.
inline constexpr const char* kPageName = "index.html";

/// The page. Whatever stands in the document's strings stays text.
std::string page_html(const nlohmann::ordered_json& document);
/// @throws IoError
void write_page(const std::filesystem::path& file, const nlohmann::ordered_json& document);

/// The document of a page that was written; null where there is none. @throws IoError
nlohmann::ordered_json read_page(const std::filesystem::path& file);

/// A section of that kind, without what the kind asks for. @param title  "": none is shown
nlohmann::ordered_json page_section(const std::string& kind, const std::string& id, const std::string& title);
/// A chart of the curves that have points; null if there are none. @param x  name of the axis
nlohmann::ordered_json page_chart(const std::string& title, const std::string& x,
                                  const std::vector<ChartSeries>& curves);
/// Key, value, default; those that differ from the default, and below, folded, all.
/// @param fitted  value by key that the run gave a setting which was not told
std::vector<nlohmann::ordered_json> settings_sections(const std::vector<SettingRow>& rows,
                                                      const std::map<std::string, std::string>& fitted = {});

}  // namespace rtdetr
