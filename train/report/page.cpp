#include "train/report/page.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "core/io/file.h"
#include "train/report/output.h"
#include "train/report/page_files.h"

namespace rtdetr {
namespace {

using Json = nlohmann::ordered_json;

/// Inside <script> nothing may look like markup; in JSON's strings, the only place where these can stand, they may be
/// escapes as well.
std::string without_markup(const std::string& json) {
  std::string text;
  for (const char c : json) {
    if (c == '<')
      text += "\\u003c";
    else if (c == '>')
      text += "\\u003e";
    else if (c == '&')
      text += "\\u0026";
    else
      text += c;
  }
  return text;
}

/// Puts `text` where the page has {{name}}.
void fill(std::string& page, const std::string& name, const std::string& text) {
  const std::string mark = "{{" + name + "}}";
  page.replace(page.find(mark), mark.size(), text);
}

Json settings_table(const std::vector<SettingRow>& rows, const std::map<std::string, std::string>& fitted, bool all) {
  Json table = page_section("table", all ? "settings" : "changed-settings",
                            all ? "every setting" : "settings that differ from the defaults");
  table["text"] = true;
  table["columns"] = Json::array({"key", "value", "default"});
  if (!fitted.empty()) table["columns"].push_back("fitted to the run's length");
  table["rows"] = Json::array();
  table["changed"] = Json::array();
  table["folded"] = all;
  for (const SettingRow& row : rows) {
    const auto found = fitted.find(row.key);
    if (!all && !row.differs && found == fitted.end()) continue;
    Json cells = Json::array({row.key, row.value, row.usual});
    if (!fitted.empty()) cells.push_back(found == fitted.end() ? "" : found->second);
    table["rows"].push_back(std::move(cells));
    table["changed"].push_back(all && row.differs);
  }
  return table;
}

}  // namespace

std::string page_html(const Json& document) {
  std::string page = kPageHtml;
  // The script's place is behind the data's, and the style's before both: nothing of what is filled in is searched.
  fill(page, "js", kPageScript);
  fill(page, "data", without_markup(json_line(document)));
  fill(page, "css", kPageStyle);
  return page;
}

void write_page(const std::filesystem::path& file, const Json& document) {
  write_text_atomically(file, page_html(document));
}

Json read_page(const std::filesystem::path& file) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return nullptr;
  const std::string page = read_text_file(file);
  const std::size_t from = page.find(begin), to = page.find("</script>", from);
  if (to == std::string::npos) return nullptr;
  Json document = Json::parse(page.substr(from + begin.size(), to - from - begin.size()), nullptr, false);
  return document.is_discarded() ? nullptr : document;
}

Json page_section(const std::string& kind, const std::string& id, const std::string& title) {
  return {{"kind", kind}, {"id", id}, {"title", title}};
}

Json page_chart(const std::string& title, const std::string& x, const std::vector<ChartSeries>& curves) {
  Json series = Json::array();
  int colour = -1;
  for (const ChartSeries& curve : curves) {
    ++colour;
    if (!curve.x.empty()) series.push_back({{"name", curve.name}, {"colour", colour}, {"x", curve.x}, {"y", curve.y}});
  }
  if (series.empty()) return nullptr;
  return {{"title", title}, {"x", x}, {"series", std::move(series)}};
}

std::vector<Json> settings_sections(const std::vector<SettingRow>& rows,
                                    const std::map<std::string, std::string>& fitted) {
  if (rows.empty()) return {};
  return {settings_table(rows, fitted, false), settings_table(rows, fitted, true)};
}

}  // namespace rtdetr
