#include "models/weights/architecture.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "models/graph/resolve.h"
#include "models/weights/class_names.h"
#include "models/weights/config_differences.h"
#include "models/weights/dfine_architecture.h"
#include "models/weights/dfine_twin.h"
#include "models/weights/dino_architecture.h"
#include "models/weights/foreign_family.h"
#include "models/weights/hugging_face_config.h"
#include "models/weights/official_architecture.h"
#include "models/weights/official_rows.h"
#include "models/weights/ultralytics_architecture.h"
#include "models/weights/weight_reading.h"

namespace rtdetr {
namespace {

/// The given model with the file's number of classes.
Architecture as_given(const ModelSpec& given, const ShapeMap& shapes, const std::string& origin) {
  const std::int64_t classes = classes_of(score_head_of(shapes), origin);
  BuildOptions options;
  options.num_classes = classes;
  Architecture found;
  found.spec = resolve_spec(given, options);
  found.sentence = "weights for the given model, " + given.name + ", " + words_for_classes(classes);
  return found;
}

Architecture of_official_keys(const WeightsFile& file, const ForeignPlace& place, const std::filesystem::path& path,
                              const std::optional<ModelSpec>& given) {
  const std::string origin = path.string();
  const bool hugging_face = place.family == Family::kHuggingFace;
  const ShapeMap shapes = shapes_of(reading_at(file, place, origin), origin);
  const bool dfine = is_dfine(OfficialShapes(shapes, origin));
  HuggingFaceConfig config;
  bool has_config = false;
  if (hugging_face) {
    if (auto beside = read_hugging_face_config(path, dfine)) config = std::move(*beside), has_config = true;
    config.hints.hugging_face = true;
  } else {
    config.hints.twins = twin_clues(file, path);
  }
  if (is_fused(shapes))
    throw CheckpointError(origin +
                          ": a fused model with the official keys, which no program of theirs writes; take the "
                          "file before fusing; if rtdetr wrote it, give the file, not the folder");
  Architecture found;
  if (given) {
    found = as_given(*given, shapes, origin);
    if (has_config) refuse_config_differences(config.hints, found.spec, /*was_given=*/true, origin);
    const std::string twin =
        hugging_face || !dfine ? "" : twin_remark(tell_twin(config.hints.twins, FrozenNorms::kUnknown), found.spec);
    if (!twin.empty()) found.assumed.push_back("the activations of the given model; " + twin);
  } else {
    OfficialArchitecture official = official_architecture(shapes, config.hints, origin);
    if (has_config && dfine) refuse_config_differences(config.hints, official.spec, /*was_given=*/false, origin);
    found.spec = std::move(official.spec);
    found.sentence = (hugging_face ? "Hugging Face " : "official ") + official.words;
    found.assumed = std::move(official.assumed);
  }
  found.names = std::move(config.names);
  found.size = config.size;
  if (hugging_face && !has_config) found.assumed.emplace_back("what its config.json would say, which is not beside it");
  if (hugging_face)
    found.assumed.emplace_back(
        "the official order of the position table, which newer versions of transformers change on inputs that are not "
        "square");
  return found;
}

/// Published files of DINO have an output for each of COCO's category ids.
Architecture of_dino(const ShapeMap& shapes, const std::optional<ModelSpec>& given, const std::string& origin) {
  constexpr std::int64_t kShorterSide = 800, kLongerSide = 1333;
  Architecture found = given ? as_given(*given, shapes, origin) : dino_architecture(shapes, origin);
  found.size = ImageSize{kShorterSide, kLongerSide};
  found.assumed.emplace_back("pictures with a shorter side of 800 and a longer of 1333 at most (imgsz=)");
  if (found.spec.num_classes != static_cast<std::int64_t>(coco_names_by_id().size())) return found;
  found.names = coco_names_by_id();
  found.assumed.emplace_back(
      "COCO's category ids for its 91 outputs, of which 80 are classes (data=YAML names others)");
  return found;
}

void settle_names(Architecture& found, const std::string& origin) {
  const auto classes = static_cast<std::size_t>(found.spec.num_classes);
  if (!found.names.empty() && found.names.size() != classes)
    throw CheckpointError(origin + ": " + counted(static_cast<long long>(found.names.size()), "name") + " for " +
                          words_for_classes(found.spec.num_classes) +
                          "; correct the list of names beside the weights: id2label in the config.json of a model of "
                          "Hugging Face");
  if (!found.names.empty()) return;
  if (classes != coco_names().size()) {
    found.assumed.emplace_back("no names of the classes (data=YAML names them)");
    return;
  }
  found.names = coco_names();
  found.assumed.emplace_back("COCO's names for its 80 classes (data=YAML names others)");
}

}  // namespace

Architecture recognise_architecture(const WeightsFile& file, const std::filesystem::path& path,
                                    const std::optional<ModelSpec>& given) {
  const std::string origin = path.string();
  const ForeignPlace place = locate_model(file, origin);
  Architecture found;
  if (place.family == Family::kUltralytics) {
    found = ultralytics_architecture(file, place, given, origin);
    found.fused = is_fused(shapes_of(reading_at(file, place, origin), origin));
    if (found.fused) found.sentence += ", fused";
  } else if (place.family == Family::kDino) {
    found = of_dino(shapes_of(reading_at(file, place, origin), origin), given, origin);
  } else {
    found = of_official_keys(file, place, path, given);
  }
  found.pictures = picture_form_of(place);
  if (!found.size) found.assumed.emplace_back("an input of 640x640 (imgsz=)");
  settle_names(found, origin);
  return found;
}

std::string words_for_classes(std::int64_t classes) {
  return std::to_string(classes) + (classes == 1 ? " class" : " classes");
}

}  // namespace rtdetr
