#include "train/library/detector_settings.h"

#include <array>
#include <limits>
#include <string>

#include "core/base/error.h"
#include "core/base/precision.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/image/resize.h"

namespace rtdetr {
namespace {

template <typename Number>
Number integer(const std::string& key, const std::string& text) {
  const auto value = parse_integer(text);
  if (!value || *value < 0 || *value > std::numeric_limits<Number>::max())
    throw ConfigError(key + "=" + text + ": want a whole number from 0 on");
  return static_cast<Number>(*value);
}

double share(const std::string& key, const std::string& text) {
  const auto value = parse_double(text);
  const bool is_share = value && *value >= 0 && *value <= 1;  // not so for not-a-number
  if (!is_share) throw ConfigError(key + "=" + text + ": want a number from 0 to 1");
  return *value;
}

bool truth(const std::string& key, const std::string& text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  throw ConfigError(key + "=" + text + ": want true or false");
}

/// 640, or height,width.
void set_size(DetectorOptions& options, const std::string& key, const std::string& text) {
  const std::vector<std::string> sides = split(text, ',');
  if (sides.size() > 2) throw ConfigError(key + "=" + text + ": want one side, or height,width");
  options.height = integer<int>(key, sides.front());
  options.width = integer<int>(key, sides.back());
}

/// Their numbers with commas between; none: all.
void set_classes(DetectorOptions& options, const std::string& key, const std::string& text) {
  options.classes.clear();
  if (text.empty()) return;
  for (const std::string& number : split(text, ',')) options.classes.push_back(integer<int>(key, number));
}

struct Setting {
  const char* key;
  void (*set)(DetectorOptions& options, const std::string& key, const std::string& text);
};

using Options = DetectorOptions;
using Text = std::string;

constexpr std::array<Setting, 18> kSettings{{
    {"device", [](Options& o, const Text&, const Text& text) { o.device = text; }},
    {"precision",
     [](Options& o, const Text& key, const Text& text) { o.precision = chosen(key, text, kPrecisionWords); }},
    {"threads", [](Options& o, const Text& key, const Text& text) { o.threads = integer<int>(key, text); }},
    {"imgsz", set_size},
    {"conf", [](Options& o, const Text& key, const Text& text) { o.min_score = static_cast<float>(share(key, text)); }},
    {"max_detections",
     [](Options& o, const Text& key, const Text& text) { o.max_detections = integer<int>(key, text); }},
    {"classes", set_classes},
    {"one_class_per_query",
     [](Options& o, const Text& key, const Text& text) { o.one_class_per_query = truth(key, text); }},
    {"iou", [](Options& o, const Text& key, const Text& text) { o.iou = share(key, text); }},
    {"agnostic_nms", [](Options& o, const Text& key, const Text& text) { o.agnostic_nms = truth(key, text); }},
    {"num_queries", [](Options& o, const Text& key, const Text& text) { o.num_queries = integer<int>(key, text); }},
    {"decoder_layers",
     [](Options& o, const Text& key, const Text& text) { o.decoder_layers = integer<int>(key, text); }},
    {"resample",
     [](Options& o, const Text& key, const Text& text) { o.resampling = chosen(key, text, kResamplingWords); }},
    {"fit", [](Options& o, const Text& key, const Text& text) { o.fit = chosen(key, text, kFitWords); }},
    {"engine", [](Options& o, const Text& key, const Text& text) { o.engine = truth(key, text); }},
    {"final_form", [](Options& o, const Text& key, const Text& text) { o.final_form = truth(key, text); }},
    {"max_pixels",
     [](Options& o, const Text& key, const Text& text) { o.max_pixels = integer<std::int64_t>(key, text); }},
    {"reduced_jpeg", [](Options& o, const Text& key, const Text& text) { o.reduced_jpeg = truth(key, text); }},
}};

void apply(const std::string& word, DetectorOptions& options) {
  const std::size_t at = word.find('=');
  if (at == std::string::npos) throw ConfigError("'" + word + "': a setting is key=value");
  const std::string key = word.substr(0, at);
  std::vector<std::string> keys;
  for (const Setting& setting : kSettings) {
    if (key == setting.key) return setting.set(options, key, word.substr(at + 1));
    keys.emplace_back(setting.key);
  }
  throw ConfigError("unknown setting '" + key + "' of a detector, not one of " + join(keys, ", ") +
                    did_you_mean(key, keys));
}

}  // namespace

DetectorOptions detector_options(const std::vector<std::string>& words, DetectorOptions options) {
  std::vector<std::string> wrong;
  for (const std::string& word : words) {
    try {
      apply(word, options);
    } catch (const ConfigError& error) {
      wrong.emplace_back(error.what());
    }
  }
  if (!wrong.empty()) throw ConfigError(join(wrong, "\n"));
  return options;
}

}  // namespace rtdetr
