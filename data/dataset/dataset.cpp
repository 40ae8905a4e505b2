#include "data/dataset/dataset.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/exif.h"
#include "core/image/picture_names.h"
#include "data/dataset/annotation_format.h"
#include "data/dataset/dataset_build.h"
#include "data/dataset/missing_pictures.h"
#include "data/dataset/suspicions.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

const DatasetConfig::Split& find_split(const DatasetConfig& config, const std::string& key) {
  if (const DatasetConfig::Split* split = config.find(key)) return *split;
  std::vector<std::string> keys;
  for (const auto& split : config.splits) keys.push_back(split.key);
  throw ConfigError(config.file.string() + ": there is no split '" + key + "'; the file has " + join(keys, ", "));
}

/// Where it would be without the YAML's `path`, which some write as they see the YAML's own folder from outside; empty
/// if nothing is there.
fs::path found_without_path(const DatasetConfig& config, const fs::path& missing) {
  const fs::path below = missing.lexically_relative(config.root);
  fs::path found = (config.file.parent_path() / below).lexically_normal();
  std::error_code ignored;
  return !below.empty() && fs::exists(found, ignored) ? found : fs::path();
}

/// Of what the YAML names for a split; pictures of annotations are looked for one by one.
void require_files(const DatasetConfig& config, const DatasetConfig::Split& split) {
  std::vector<fs::path> files = split.sources;
  files.insert(files.end(), {split.annotations, split.list});
  for (const fs::path& file : files) {
    std::error_code ignored;
    if (file.empty() || fs::status(file, ignored).type() != fs::file_type::not_found) continue;
    const fs::path found = found_without_path(config, file);
    throw DataError(config.file.string() + ":" + std::to_string(split.line) + ": " + split.key + ": " + file.string() +
                    ": does not exist; " +
                    (found.empty() ? "paths are relative to the YAML, or to its 'path'"
                                   : found.string() + " does: remove 'path', which is relative to the YAML's folder"));
  }
}

bool is_unreadable(const Dataset::PictureEntry& picture) { return !picture.readable; }

bool lacks_pictures(const DataProblem& problem) {
  return problem.kind == "missing_picture" || problem.kind == "unreadable_picture";
}

/// The loader finds substitutes for a few pictures, be they missing now or broken later; a metric over other pictures
/// means nothing.
void forgive_few_unreadable(const Dataset& dataset, std::vector<DataProblem>& problems) {
  double lacking = 0;
  for (const DataProblem& problem : problems)
    lacking += lacks_pictures(problem) ? static_cast<double>(problem.count) : 0;
  const bool few = lacking <= dataset.max_bad * static_cast<double>(dataset.pictures.size());
  for (DataProblem& problem : problems) {
    if (!lacks_pictures(problem)) continue;
    if (few) problem.severity = DataProblem::Severity::kWarning;
    problem.message +=
        few ? "; others take their place" : "; more than max_bad=" + format_double(dataset.max_bad) + " of all";
  }
  std::stable_partition(problems.begin(), problems.end(),
                        [](const DataProblem& p) { return p.severity == DataProblem::Severity::kError; });
}

/// A name may be wrong about the format: a picture that can be read is.
void report_other_formats(Dataset& dataset, ProblemCollector& problems) {
  for (Dataset::PictureEntry& picture : dataset.pictures) {
    const std::string format = picture.readable ? other_picture_format(picture.file) : "";
    if (format.empty()) continue;
    try {
      read_picture_size(picture.file);
    } catch (const Error&) {
      picture.readable = false;
      problems.error("unreadable_picture", format + " pictures are not read; convert them to JPEG or PNG",
                     [&] { return picture.file.string(); });
    }
  }
}

/// Names that differ in nothing but capitals are one class to people and two to a model.
void report_names_in_two_cases(const std::vector<std::string>& names, ProblemCollector& problems) {
  std::map<std::string, std::string> first_of;
  for (const std::string& name : names) {
    const auto [known, is_new] = first_of.emplace(lower_case(name), name);
    if (is_new || known->second == name) continue;
    problems.warn("name_in_two_cases", "class names differ in small and capital letters alone; they stay two classes",
                  [&name, &first = known->second] { return "'" + first + "', '" + name + "'"; });
  }
}

constexpr const char* kNothingToEvaluate =
    "there is no usable box to evaluate on; pictures without objects alone have no AP";

/// What only the whole shows.
void check_whole(Dataset& dataset, const std::string& key, ProblemCollector& problems) {
  const bool training = key == "train";
  report_other_formats(dataset, problems);
  const auto place = [&] { return dataset.name; };
  if (std::ranges::all_of(dataset.pictures, is_unreadable)) {
    problems.error("no_pictures", "there is no usable picture", place);
  } else if (dataset.boxes.empty() && training) {
    problems.error("no_boxes", "there is no usable box to train on", place);
  } else if (dataset.boxes.empty() && needs_boxes(key)) {
    problems.error("no_boxes", kNothingToEvaluate, place);
  } else if (dataset.boxes.empty()) {
    problems.warn("no_boxes", "there is no usable box; the split can be predicted, not evaluated", place);
  }
  find_suspicions(dataset, problems);
  std::vector<DataProblem> found = problems.take();
  for (DataProblem& problem : found) {
    if (problem.kind == "missing_picture") problem.message += whereabouts_of_missing(dataset);
  }
  if (training && dataset.max_bad > 0) forgive_few_unreadable(dataset, found);
  dataset.problems.insert(dataset.problems.end(), std::make_move_iterator(found.begin()),
                          std::make_move_iterator(found.end()));
}

/// Warnings go to the log, errors to the caller. Unreadable pictures are counted here and named by the loader, once.
/// Warnings come first: where all boxes are left out, they are the reason for there being none.
Dataset report(Dataset dataset) {
  for (const DataProblem& problem : dataset.problems) {
    const bool warning = problem.severity == DataProblem::Severity::kWarning;
    if (warning && !lacks_pictures(problem)) log::warning(dataset.name + ": " + describe(problem));
  }
  throw_if_errors(dataset.problems, dataset.name);
  const auto unreadable = std::ranges::count_if(dataset.pictures, is_unreadable);
  if (unreadable > 0) {
    log::warning(dataset.name + ": " + counted(unreadable, "picture") + " of " +
                 with_thousands(static_cast<std::int64_t>(dataset.pictures.size())) +
                 " missing or unreadable (max_bad=" + format_double(dataset.max_bad) +
                 "); training names each when another takes its place");
  }
  return dataset;
}

}  // namespace

Dataset inspect_dataset(const DatasetConfig& config, const std::string& key, const ClassList* classes) {
  const DatasetConfig::Split& split = find_split(config, key);
  require_files(config, split);
  Dataset dataset;
  dataset.name = config.file.string() + " (" + key + ")";
  dataset.exif = config.exif;
  dataset.max_bad = config.max_bad;
  dataset.limits = config.limits;
  ProblemCollector problems;
  const std::vector<std::string>* wanted = classes ? &classes->names : nullptr;
  if (split.format == AnnotationFormat::kYolo) {
    read_yolo_dataset(config, split, wanted, dataset, problems);
  } else if (split.format == AnnotationFormat::kVoc) {
    read_voc_dataset(split, config.names, wanted, dataset, problems);
  } else if (split.format != AnnotationFormat::kCoco) {
    read_tool_dataset(split, config.names, wanted, dataset, problems);
  } else {
    if (!wanted && !config.names.empty()) wanted = &config.names;
    read_coco_dataset(split.annotations, split.images, wanted, dataset, problems);
    const auto count = static_cast<std::int64_t>(dataset.truth.category_ids.size());
    if (config.names.empty() && config.class_count != 0 && config.class_count != count) {
      problems.error("class_count", "'nc' is not the number of categories in the annotations", [&] {
        return "nc " + std::to_string(config.class_count) + ", categories " + std::to_string(count);
      });
    }
  }
  if (!classes) report_names_in_two_cases(dataset.classes.names, problems);
  check_whole(dataset, key, problems);
  return dataset;
}

Dataset load_dataset(const DatasetConfig& config, const std::string& key, const ClassList* classes) {
  if (const DatasetConfig::Split* split = config.find(key); split && split->recognised) {
    log::info(config.file.string() + " (" + key + "): " + split->annotations.string() + " is read as " +
              format_title(split->format) + ", by its content");
  }
  return report(inspect_dataset(config, key, classes));
}

Dataset load_evaluated(const DatasetConfig& config, const std::string& split, const ClassList& classes) {
  Dataset dataset = load_dataset(config, split, &classes);
  if (dataset.boxes.empty()) throw DataError(dataset.name + ": " + kNothingToEvaluate);
  return dataset;
}

Dataset inspect_coco(const fs::path& annotations, const fs::path& images, const ClassList* classes) {
  Dataset dataset;
  dataset.name = annotations.string();
  ProblemCollector problems;
  read_coco_dataset(annotations, images, classes ? &classes->names : nullptr, dataset, problems);
  if (!classes) report_names_in_two_cases(dataset.classes.names, problems);
  check_whole(dataset, "", problems);
  return dataset;
}

Picture read_picture_of(const Dataset& dataset, const Dataset::PictureEntry& entry) {
  return dataset.exif ? read_upright_picture(entry.file, dataset.limits) : read_picture(entry.file, dataset.limits);
}

std::string size_fault(const Dataset& dataset, const Dataset::PictureEntry& entry, const Picture& picture) {
  if (picture.width == entry.width && picture.height == entry.height) return "";
  const auto text = [](int width, int height) { return std::to_string(width) + "x" + std::to_string(height); };
  std::string fault = entry.file.string() + ": is " + text(picture.width, picture.height) +
                      " pixels, but annotated as " + text(entry.width, entry.height);
  const bool swapped = picture.width == entry.height && picture.height == entry.width;
  if (swapped && exif_swaps_sides(exif_orientation(entry.file))) {
    fault += dataset.exif ? ", its size before EXIF turned it (exif: false keeps it so)"
                          : ", its size when EXIF turns it upright (exif: true does)";
  }
  return fault;
}

Sample load_sample(const Dataset& dataset, std::int64_t picture_index) {
  RTDETR_CHECK(picture_index >= 0 && picture_index < static_cast<std::int64_t>(dataset.pictures.size()),
               "picture " + std::to_string(picture_index) + " of " + std::to_string(dataset.pictures.size()));
  const Dataset::PictureEntry& entry = dataset.pictures[static_cast<std::size_t>(picture_index)];
  Sample sample;
  sample.picture = read_picture_of(dataset, entry);
  sample.picture_index = picture_index;
  sample.original_width = sample.picture.width;
  sample.original_height = sample.picture.height;
  const std::string fault = size_fault(dataset, entry, sample.picture);
  if (!fault.empty()) throw DataError(fault + ", so its boxes may be wrong");
  sample.boxes.reserve(entry.box_count);
  for (std::uint32_t i = 0; i < entry.box_count; ++i) {
    const Dataset::BoxEntry& box = dataset.boxes[entry.first_box + i];
    sample.boxes.push_back({box.xyxy, box.label});
  }
  return sample;
}

}  // namespace rtdetr
