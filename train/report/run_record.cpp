#include "train/report/run_record.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kStepLine = "{\"event\":\"step\"", kTaken = "\"applied\":true",
                           kRefused = "\"applied\":false";
constexpr std::int64_t kDrawnSteps = 2000, kNamedRefusals = 20;

double number_in(const json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_number() ? found->get<double>() : std::nan("");
}

std::int64_t count_in(const json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::string text_in(const json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}

/// "epoch 3", "epoch 3, step 41".
std::string place_of(const json& entry) {
  std::string place = "epoch " + std::to_string(count_in(entry, "epoch") + 1);
  if (entry.contains("step")) place += ", step " + std::to_string(count_in(entry, "step"));
  return place;
}

void add_point(ChartSeries& curve, double x, double y) {
  if (!std::isfinite(y)) return;
  curve.x.push_back(x);
  curve.y.push_back(y);
}

void add_terms(const json& entry, const char* name, std::vector<ChartSeries>& curves) {
  const auto terms = entry.find(name);
  if (terms == entry.end() || !terms->is_object()) return;
  for (const auto& [term, value] : terms->items()) {
    if (term == "loss") continue;  // their sum
    auto curve = std::ranges::find(curves, term, &ChartSeries::name);
    if (curve == curves.end()) curve = curves.insert(curves.end(), ChartSeries{term, {}, {}});
    add_point(*curve, static_cast<double>(count_in(entry, "epoch") + 1), number_in(*terms, term.c_str()));
  }
}

std::vector<RunRecord::Layer> layers_in(const json& entry) {
  std::vector<RunRecord::Layer> layers;
  const auto list = entry.find("layers");
  if (list == entry.end() || !list->is_array()) return layers;
  for (const json& one : *list) {
    const auto stats = one.is_object() ? one.find("stats") : one.end();
    if (!one.is_object() || stats == one.end() || !stats->is_array() || stats->size() != 12) return {};
    RunRecord::Layer layer{.number = count_in(one, "layer")};
    for (std::size_t i = 0; i < 12; ++i) layer.stats[i] = (*stats)[i].is_number() ? (*stats)[i].get<double>() : -1;
    layers.push_back(layer);
  }
  return layers;
}

/// Goes through lines of log.jsonl; of the steps it parses those that are drawn and those that were refused.
class LogLines {
 public:
  LogLines(RunRecord& record, LoggedSteps& steps) : record_(record), steps_(steps) {}

  /// @return  bytes of whole lines: what a killed process left of one, or is about to write, is passed over
  std::size_t read(std::string_view text) {
    std::size_t read = 0;
    for (std::size_t end = 0; (end = text.find('\n', read)) != std::string_view::npos; read = end + 1)
      read_line(text.substr(read, end - read));
    return read;
  }

 private:
  void read_line(std::string_view line) {
    if (!line.starts_with(kStepLine)) return take(line);
    const bool refused = line.find(kRefused) != std::string_view::npos;
    record_.steps += line.find(kTaken) != std::string_view::npos;
    index_ = steps_.seen++;
    if (index_ % steps_.stride == 0 || refused) take(line);
  }

  void take(std::string_view line) {
    const json entry = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) return;
    const std::string event = text_in(entry, "event");
    if (event == "step") return take_step(entry);
    if (event == "epoch" || event == "validation") return take_validation(entry, event == "epoch");
    if (event == "start" || event == "continue") take_start(entry);
    record_.events.push_back(in_words(event, entry));
  }

  void take_step(const json& entry) {
    const double loss = number_in(entry, "loss"), norm = number_in(entry, "norm");
    if (entry.contains("applied") && entry["applied"] == false) return refuse(entry, loss);
    steps_.drawn.push_back({index_, record_.steps, loss, norm});
    if (std::ssize(steps_.drawn) <= kDrawnSteps) return;
    steps_.stride *= 2;
    std::erase_if(steps_.drawn, [&](const LoggedSteps::Step& step) { return step.index % steps_.stride != 0; });
  }

  void refuse(const json& entry, double loss) {
    if (entry.contains("loss_scale") && std::isfinite(loss)) {
      ++record_.overflows;
      return;
    }
    if (++record_.refused > kNamedRefusals) return;
    record_.events.push_back("epoch " + std::to_string(count_in(entry, "epoch") + 1) + ", batch " +
                             std::to_string(count_in(entry, "batch")) + ": step refused, " +
                             (std::isfinite(loss) ? "the gradient was not finite" : "the loss was not finite"));
  }

  void take_validation(const json& entry, bool ends_epoch) {
    if (ends_epoch) {
      add_terms(entry, "losses", record_.train_terms);
      add_terms(entry, "val_losses", record_.val_terms);
    }
    std::vector<RunRecord::Layer> layers = layers_in(entry);
    if (layers.empty()) return;
    const auto detecting = std::ranges::find(layers, count_in(entry, "detects_with"), &RunRecord::Layer::number);
    const double ap =
        (entry.contains("detects_with") && detecting != layers.end() ? *detecting : layers.back()).stats[0];
    if (!record_.best_layers.empty() && ap <= record_.best_ap) return;
    record_.best_ap = ap;
    record_.best_layers = std::move(layers);
    record_.best_place = place_of(entry);
  }

  void take_start(const json& entry) {
    record_.version = text_in(entry, "version");
    record_.command = text_in(entry, "command");
    const auto fitted = entry.find("fitted");
    if (fitted == entry.end() || !fitted->is_object()) return;
    for (const auto& [key, value] : fitted->items())
      if (value.is_string()) record_.fitted[key] = value.get<std::string>();
  }

  static std::string in_words(const std::string& event, const json& entry) {
    const std::string done = counted(count_in(entry, "steps_done"), "step");
    if (event == "start")
      return "started by rtdetr " + text_in(entry, "version") + ", " + text_in(entry, "precision") + ", seed " +
             std::to_string(count_in(entry, "seed"));
    if (event == "continue") return "continued after " + done + " by rtdetr " + text_in(entry, "version");
    if (event == "stop") return "stopped and saved after " + done;
    if (event == "finish") return "finished after " + done;
    if (event == "fail" || event == "diverged") return "failed after " + done + ": " + text_in(entry, "reason");
    if (event == "last_stage")
      return place_of(entry) + ": went back to the best weights, AP " + fixed(number_in(entry, "ap"), 4);
    return event;
  }

  RunRecord& record_;
  LoggedSteps& steps_;
  std::int64_t index_ = 0;  ///< of the step that is read
};

/// What `file` holds from `offset` on.
std::string text_from(const fs::path& file, std::uintmax_t offset) {
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) throw IoError(file.string() + ": cannot be read");
  return text.str();
}

/// Why a place is no run's folder; "" if it is.
std::string what_is_wrong(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return "no such folder";
  if (!fs::is_directory(folder, ignored))
    return "is a file; a run is given by its folder, the one with results.csv in it";
  const bool has_rows = fs::file_size(folder / "results.csv", ignored) > 0 && !ignored;  // empty from the first step on
  if (has_rows) return "";
  if (fs::exists(folder / "metrics_per_class.csv", ignored)) return "is a folder of val; give a folder of train";
  if (fs::exists(folder / "log.jsonl", ignored))
    return "the run has not ended its first epoch: results.csv has no row yet";
  return "holds no results.csv, so it is no folder of a training run";
}

/// What a run's folder tells without its log. @throws Error
RunRecord read_outcome(const fs::path& folder) {
  RunRecord record;
  record.folder = folder;
  record.table = read_results(folder / "results.csv");
  if (record.table.find("epoch") == nullptr)
    throw ConfigError((folder / "results.csv").string() + ": has no column 'epoch', so it is not a run's");
  if (fs::exists(folder / "args.yaml"))
    record.settings = setting_rows(load_yaml(folder / "args.yaml"), Command::kTrain);
  return record;
}

}  // namespace

void RunReader::read_log() {
  const fs::path file = folder_ / "log.jsonl";
  std::error_code ignored;
  const std::uintmax_t size = fs::file_size(file, ignored);
  if (ignored) return;
  if (size < read_) *this = RunReader(folder_);  // another run's by now
  if (size > read_) read_ += LogLines(log_, steps_).read(text_from(file, read_));
}

RunRecord RunReader::read() {
  const std::string wrong = what_is_wrong(folder_);
  if (!wrong.empty()) throw ConfigError(folder_.string() + ": " + wrong);
  read_log();
  RunRecord record = log_, outcome = read_outcome(folder_);
  record.folder = folder_;
  record.table = std::move(outcome.table);
  record.settings = std::move(outcome.settings);
  record.step_loss.name = "loss";
  record.gradient_norm.name = "gradient norm";
  for (const LoggedSteps::Step& step : steps_.drawn) {
    add_point(record.step_loss, static_cast<double>(step.taken), step.loss);
    add_point(record.gradient_norm, static_cast<double>(step.taken), step.norm);
  }
  if (record.refused > kNamedRefusals)
    record.events.push_back(counted(record.refused - kNamedRefusals, "more step") +
                            " refused: applied: false in log.jsonl");
  if (record.overflows > 0)
    record.events.push_back(counted(record.overflows, "step") + " refused while fp16's factor was looked for");
  return record;
}

const std::optional<RunRecord>& RunReader::before() {
  if (!before_) before_ = run_before(folder_);
  return *before_;
}

RunRecord read_run(const fs::path& folder) { return RunReader(folder).read(); }

std::optional<RunRecord> run_before(const fs::path& folder) {
  std::error_code ignored;
  const auto begun = [&](const fs::path& run) { return fs::last_write_time(run / "args.yaml", ignored); };
  const fs::file_time_type now = begun(folder);
  std::vector<std::pair<fs::file_time_type, fs::path>> older;
  for (const fs::directory_entry& other :
       fs::directory_iterator(fs::absolute(folder / "..").lexically_normal(), ignored))
    if (what_is_wrong(other).empty() && begun(other) < now) older.emplace_back(begun(other), other.path());
  std::ranges::sort(older, std::greater());
  for (const auto& [time, run] : older) {
    try {
      return read_outcome(run);
    } catch (const Error&) {  // the one before it, then
    }
  }
  return std::nullopt;
}

std::string folder_name(const fs::path& folder) {
  const fs::path plain = fs::absolute(folder).lexically_normal();
  return (plain.has_filename() ? plain : plain.parent_path()).filename().string();
}

RunNumbers numbers_of(const ResultsTable& table) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const auto column = [&](const char* title) { return table.find(title); };
  const auto last = [&](const char* title) {
    const std::vector<double>* values = column(title);
    if (values == nullptr) return kUnknown;
    const auto at = std::find_if(values->rbegin(), values->rend(), [](double v) { return std::isfinite(v); });
    return at == values->rend() ? kUnknown : *at;
  };
  RunNumbers numbers{.epochs = last("epoch"),
                     .seconds = last("time"),
                     .best_ap = kUnknown,
                     .best_epoch = kUnknown,
                     .ap50_there = kUnknown,
                     .last_ap = last("metrics/mAP50-95(B)"),
                     .last_loss = last("train/loss")};
  const std::vector<double>*aps = column("metrics/mAP50-95(B)"), *ap50s = column("metrics/mAP50(B)");
  for (std::size_t i = 0; aps != nullptr && i < aps->size(); ++i) {
    if (!std::isfinite((*aps)[i]) || (*aps)[i] <= numbers.best_ap) continue;
    numbers.best_ap = (*aps)[i];
    numbers.best_epoch = (*column("epoch"))[i];
    numbers.ap50_there = ap50s != nullptr ? (*ap50s)[i] : kUnknown;
  }
  return numbers;
}

}  // namespace rtdetr
