#include "models/weights/ultralytics_architecture.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/yaml_writer.h"
#include "models/graph/model_files.h"
#include "models/graph/resolve.h"
#include "models/weights/class_names.h"
#include "models/weights/norm_eps.h"
#include "models/weights/weight_reading.h"
#include "models/weights/zoo.h"

/// The object's `yaml` is a dictionary of lists, which the reader of files gives as texts by path:
/// `model.yaml.backbone.0.2` = "HGStem". They are put together again and read as a model file of ours.
namespace rtdetr {
namespace {

/// Texts below one path.
class Texts {
 public:
  Texts(const FileMetadata& all, std::string prefix) : all_(all), prefix_(std::move(prefix)) {}

  const std::string* find(const std::string& key) const {
    const auto found = all_.find(prefix_ + key);
    return found == all_.end() ? nullptr : &found->second;
  }
  bool has_below(const std::string& key) const {
    const std::string start = prefix_ + key + ".";
    const auto found = all_.lower_bound(start);
    return found != all_.end() && found->first.starts_with(start);
  }

 private:
  const FileMetadata& all_;
  std::string prefix_;
};

YamlNode sequence(std::vector<YamlNode> items) {
  YamlNode node;
  node.kind = YamlNode::Kind::kSequence;
  node.items = std::move(items);
  return node;
}

/// A value: a text, or a list of values. What is not there stands for None, which leaves no text.
YamlNode value_at(const Texts& texts, const std::string& key, int depth = 0) {
  constexpr int kDeepest = 4, kLongest = 64;
  if (const std::string* text = texts.find(key)) return yaml_scalar(*text);
  if (!texts.has_below(key) || depth == kDeepest) return yaml_scalar("None");
  std::vector<YamlNode> items;
  int last = -1;
  for (int i = 0; i < kLongest; ++i) {
    const std::string item = key + "." + std::to_string(i);
    if (texts.find(item) || texts.has_below(item)) last = i;
  }
  for (int i = 0; i <= last; ++i) items.push_back(value_at(texts, key + "." + std::to_string(i), depth + 1));
  return sequence(std::move(items));
}

/// Rows [from, repeats, module, args]; arguments that are an empty list leave no text.
YamlNode rows_at(const Texts& texts, const std::string& key) {
  constexpr int kMostRows = 1000;
  std::vector<YamlNode> rows;
  for (int i = 0; i < kMostRows; ++i) {
    const std::string row = key + "." + std::to_string(i);
    if (!texts.has_below(row)) break;
    YamlNode node = value_at(texts, row);
    if (node.items.size() == 3) node.items.push_back(sequence({}));
    rows.push_back(std::move(node));
  }
  return sequence(std::move(rows));
}

/// {letter: [depth, width, max_channels]}, of the one letter that is in use where the object says which.
YamlNode scales_at(const FileMetadata& all, const std::string& prefix) {
  YamlNode scales;
  scales.kind = YamlNode::Kind::kMap;
  const Texts texts(all, prefix);
  std::set<std::string> letters;
  for (auto at = all.lower_bound(prefix); at != all.end() && at->first.starts_with(prefix); ++at)
    letters.insert(at->first.substr(prefix.size(), at->first.find('.', prefix.size()) - prefix.size()));
  for (const std::string& letter : letters) scales.entries.push_back({letter, value_at(texts, letter)});
  return scales;
}

class ObjectReader {
 public:
  ObjectReader(const WeightsFile& file, const std::string& prefix, const std::string& origin)
      : file_(file), prefix_(prefix), origin_(origin), yaml_(file.metadata(), prefix + "yaml.") {}

  bool has_yaml() const { return yaml_.has_below("head"); }

  /// The zoo's model where it is one, else the object's own.
  ModelSpec spec(std::int64_t classes) const {
    const std::string yaml = yaml_text(classes), called = origin_ + " (yaml)";
    if (const auto zoo = zoo_model_like({yaml, called, {}})) return *zoo;
    ModelSpec own = parse_model_spec(yaml, called);
    own.name = find_model_file(name()).empty() ? name() : name() + "_like";
    return own;
  }

  /// Of training; nullopt if the object does not say.
  std::optional<ImageSize> size() const {
    for (const std::string& path : {prefix_ + "args.imgsz", std::string("train_args.imgsz")}) {
      const auto found = file_.metadata().find(path);
      const auto side = found == file_.metadata().end() ? std::nullopt : parse_integer(found->second);
      constexpr long long kLongest = 16384;
      if (side && *side >= 32 && *side <= kLongest) return ImageSize{*side, *side};
    }
    return std::nullopt;
  }

 private:
  std::string yaml_text(std::int64_t classes) const;

  /// "rtdetr-l" of "rtdetr-l.yaml".
  std::string name() const {
    const std::string* text = yaml_.find("yaml_file");
    std::string stem = text ? std::filesystem::path(*text).stem().string() : "";
    const auto is_plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; };
    return !stem.empty() && stem.size() <= 64 && std::ranges::all_of(stem, is_plain) ? stem : "ultralytics";
  }

  const WeightsFile& file_;
  const std::string& prefix_;
  const std::string& origin_;
  Texts yaml_;
};

std::string ObjectReader::yaml_text(std::int64_t classes) const {
  YamlNode root;
  root.kind = YamlNode::Kind::kMap;
  const auto put = [&](const std::string& key, YamlNode value) { root.entries.push_back({key, std::move(value)}); };
  put("nc", yaml_scalar(std::to_string(classes)));
  for (const char* key : {"channels", "ch", "activation", "depth_multiple", "width_multiple", "max_channels"})
    if (const std::string* text = yaml_.find(key)) put(key, yaml_scalar(*text));
  if (yaml_.has_below("scales")) put("scales", scales_at(file_.metadata(), prefix_ + "yaml.scales."));
  if (const std::string* scale = yaml_.find("scale"); scale && !scale->empty()) put("scale", yaml_scalar(*scale));
  if (const double eps = norm_eps_in(file_, prefix_, origin_); eps != kUltralyticsNormEps)
    put("norm_eps", yaml_scalar(format_double(eps)));
  put("backbone", rows_at(yaml_, "backbone"));
  put("head", rows_at(yaml_, "head"));
  return write_yaml(root);
}

bool is_yolo(const ForeignPlace& place) { return place.scores.ends_with(kCellScores); }

/// Heads of other releases and tasks have more below the last row, or branches of another form.
void refuse_other_yolo(const WeightsFile& file, const ForeignPlace& place, const std::string& origin) {
  const std::string head = place.prefix + "model." + place.head + ".";
  const auto has = [&](const std::string& part) {
    return std::ranges::any_of(file.tensors(),
                               [&](const WeightTensor& tensor) { return tensor.name.starts_with(head + part); });
  };
  const char* other = has("one2one_")     ? "a YOLO without suppression of Ultralytics (YOLOv10, YOLO26)"
                      : has("cv4.")       ? "a YOLO of Ultralytics for masks, key points or turned boxes"
                      : has("cv3.0.0.0.") ? "YOLO11 of Ultralytics or a later one, whose class branches are others"
                      : !has("dfl.conv.") ? "a YOLO of Ultralytics whose sides are no distributions"
                                          : nullptr;
  if (other != nullptr)
    throw CheckpointError(origin + ": weights of " + other +
                          "; of their models YOLOv8's detectors are read, yolov8n to yolov8x");
}

/// YOLOv8's detectors, by the width of their first convolution.
ModelSpec yolo_of_tensors(std::int64_t width, const ForeignPlace& place, const std::string& origin) {
  constexpr std::pair<std::int64_t, const char*> kWidths[] = {{16, "n"}, {32, "s"}, {48, "m"}, {64, "l"}, {80, "x"}};
  if (place.head == "22") {
    for (const auto& [channels, letter] : kWidths)
      if (width == channels) return zoo_model(std::string("yolov8") + letter);
  }
  throw CheckpointError(origin +
                        " has the tensors of a YOLO of Ultralytics other than yolov8n to yolov8x, and not the object "
                        "with its YAML: give that YAML, model=YAML");
}

/// Tensors alone: the models that come along, by what their last row is called and how wide it is.
ModelSpec zoo_model_of_tensors(const WeightsFile& file, const ForeignPlace& place, const std::string& origin) {
  const std::string &prefix = place.prefix, &head = place.head;
  const auto rows_of = [&](const std::string& key) {
    const WeightTensor* tensor = file.find(prefix + "model." + key);
    return tensor && !tensor->shape.empty() ? tensor->shape[0] : 0;
  };
  if (is_yolo(place)) return yolo_of_tensors(rows_of("0.conv.weight"), place, origin);
  if (head == "28" && rows_of("0.stem4.conv.weight") == 48) return zoo_model("rtdetr-l");
  if (head == "32" && rows_of("0.stem4.conv.weight") == 64) return zoo_model("rtdetr-x");
  const auto is_of_deep_stage = [&](const WeightTensor& tensor) {
    return tensor.name.starts_with(prefix + "model.3.layer.22.");
  };
  if (head == "23")
    return zoo_model(std::ranges::any_of(file.tensors(), is_of_deep_stage) ? "rtdetr-resnet101" : "rtdetr-resnet50");
  throw CheckpointError(origin +
                        " has the tensors of an RT-DETR of Ultralytics, but not the object with its YAML: give that "
                        "YAML, model=YAML");
}

/// "RT-DETR of Ultralytics, 80 classes: rtdetr-l.yaml", "YOLOv8 of Ultralytics, scale n, 80 classes: yolov8n.yaml".
std::string sentence_for(const ModelSpec& spec, bool yolo, bool given) {
  const bool from_zoo = !find_model_file(spec.name).empty();
  const std::string family = !yolo ? "RT-DETR" : spec.name.starts_with("yolov8") ? "YOLOv8" : "a YOLO";
  return family + " of Ultralytics, " + (yolo && !spec.scale.empty() ? "scale " + spec.scale + ", " : "") +
         words_for_classes(spec.num_classes) + ": " + spec.name +
         (given      ? ", as given"
          : from_zoo ? ".yaml"
                     : ", its own YAML");
}

}  // namespace

Architecture ultralytics_architecture(const WeightsFile& file, const ForeignPlace& place,
                                      const std::optional<ModelSpec>& given, const std::string& origin) {
  const bool yolo = is_yolo(place);
  if (yolo && !given) refuse_other_yolo(file, place, origin);
  const ObjectReader object(file, place.prefix, origin);
  const std::int64_t classes = classes_of({place.scores, file.find(place.scores)->shape}, origin);
  Architecture found;
  found.names = names_below(file.metadata(), place.prefix + "names.", classes);
  found.size = object.size();
  BuildOptions options;
  options.num_classes = classes;
  if (given) {
    found.spec = *given;
  } else if (object.has_yaml()) {
    found.spec = object.spec(classes);
  } else {
    found.spec = zoo_model_of_tensors(file, place, origin);
    if (!yolo) found.assumed.emplace_back("300 queries (num_queries=)");
  }
  found.spec = resolve_spec(found.spec, options);
  found.sentence = sentence_for(found.spec, yolo, given.has_value());
  return found;
}

}  // namespace rtdetr
