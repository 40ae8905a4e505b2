#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset/data_problem.h"
#include "data/dataset/dataset.h"

/// What the readers of the formats share with dataset.cpp; not for other folders.
namespace rtdetr {

enum class BoxFault { kNone, kNotFinite, kInverted, kZeroArea, kOutside, kClipped };

/// Makes a training box: float32, clipped to the picture, as the reference does
/// (docs/reference/official_behaviour.md#annotations).
///
/// @param box_xywh  pixels
/// @param xyxy      the result, pixels; usable if the fault is kNone, or kClipped: more than a pixel was cut off
BoxFault make_training_box(const std::array<double, 4>& box_xywh, int width, int height, std::array<float, 4>& xyxy);

/// Reports what is wrong with a box; false if it has to be left out.
template <class Place>
bool is_usable(BoxFault fault, ProblemCollector& problems, Place&& place) {
  constexpr std::array<std::array<const char*, 2>, 6> kFaults{{
      {"", ""},
      {"box_not_finite", "boxes have a number that is not finite; left out"},
      {"box_inverted", "boxes have a negative width or height; left out"},
      {"box_zero_area", "boxes have no width or height; left out"},
      {"box_outside", "boxes lie outside their picture; left out"},
      {"box_clipped", "boxes reach more than a pixel beyond their picture; clipped"},
  }};
  if (fault == BoxFault::kNone) return true;
  const auto& [kind, message] = kFaults[static_cast<std::size_t>(fault)];
  problems.warn(kind, message, place);
  return fault == BoxFault::kClipped;
}

/// Adds a training box to the picture that was added last; reports what is wrong with it.
/// @return whether it is usable: a box that is not finite, has no area or lies outside is left out. One of a class that
///         is not wanted is usable and not added: see report_unwanted_classes
template <class Place>
bool add_box(Dataset& dataset, const std::array<double, 4>& box_xywh, std::int32_t label, ProblemCollector& problems,
             Place&& place) {
  Dataset::PictureEntry& picture = dataset.pictures.back();
  Dataset::BoxEntry box;
  box.label = label;
  const BoxFault fault = make_training_box(box_xywh, picture.width, picture.height, box.xyxy);
  if (!is_usable(fault, problems, place)) return false;
  if (label == kUnwantedClass) return true;
  dataset.boxes.push_back(box);
  ++picture.box_count;
  return true;
}

/// "[10, 20, -5, 8]": for messages.
std::string box_text(const std::array<double, 4>& box);

/// Sets classes and returns the index of each of the file's classes in them. With `wanted` they are mapped by name,
/// those that are not wanted to kUnwantedClass, and wanted ones that the file lacks are reported.
std::vector<std::int32_t> set_classes(Dataset& dataset, const ClassList& file, const std::vector<std::string>* wanted,
                                      ProblemCollector& problems);

/// Leaves classes that are not wanted out of the truth, once it is read. One without a box is a warning, one with boxes
/// an error that says how every split gets one list.
void report_unwanted_classes(Dataset& dataset, const ClassList& file, std::span<const std::int32_t> label_of,
                             ProblemCollector& problems);

bool is_file(const std::filesystem::path& path);

/// Whether nothing has that name. What may not be looked at, or is a link or in a folder that leads nowhere, is there.
bool is_absent(const std::filesystem::path& path);

/// Text of a picture's labels; nullopt if the file cannot be read, which is reported.
std::optional<std::string> read_label_file(const std::filesystem::path& file, std::size_t limit,
                                           ProblemCollector& problems);

/// Whether it is a `test` that was not fetched, without which everything else works.
bool is_left_out(const DatasetConfig::Split& split);

/// Whether a split is of no use without boxes: all but `test`, which may be kept for predicting.
bool needs_boxes(const std::string& split);

/// Takes the size of a picture, as its boxes know it, from its header. If that cannot be read, reports it.
void read_size(const Dataset& dataset, Dataset::PictureEntry& picture, ProblemCollector& problems);

/// "a.jpg: is 4x2 pixels, but annotated as 2x4"; "" if the picture is of its annotated size.
std::string size_fault(const Dataset& dataset, const Dataset::PictureEntry& entry, const Picture& picture);

/// Whether a name of a file stays below the folder it is in: relative, never climbing out of it, no NUL.
bool stays_inside(const std::string& name);

/// The readers. `dataset.name` is set before. Pictures that are missing or unreadable are reported and kept, so
/// that the order of all others does not depend on them.
/// @param wanted  class names in index order, or nullptr for the file's own
/// @param names   of the YAML; VOC and the tools' formats need none
/// @throws DataError if it cannot be read at all, or the classes do not map
void read_coco_dataset(const std::filesystem::path& annotations, const std::filesystem::path& images,
                       const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems);
void read_yolo_dataset(const DatasetConfig& config, const DatasetConfig::Split& split,
                       const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems);

void read_voc_dataset(const DatasetConfig::Split& split, const std::vector<std::string>& names,
                      const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems);

/// All other formats: those of labelling tools.
void read_tool_dataset(const DatasetConfig::Split& split, const std::vector<std::string>& names,
                       const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems);

}  // namespace rtdetr
