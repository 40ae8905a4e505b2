#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rtdetr {

/// Classes in index order. The index is always made explicitly from the file, never taken to be its id.
struct ClassList {
  std::vector<std::string> names;          ///< by index
  std::vector<std::int64_t> category_ids;  ///< by index: the file's ids (YOLO: the file's index)
};

/// How the classes of a file become those of a model.
struct ClassMapping {
  std::vector<std::int32_t> index_of;  ///< by index in the file: index in the wanted list
  /// The wanted names; category_ids are the file's. A wanted class that the file does not have gets an id that the
  /// file does not use, so that its detections are left out of the metric.
  ClassList classes;
  std::vector<std::string> absent;  ///< wanted names that the file does not have
};

/// Maps by name. Equal lists map one to one, whatever the names; otherwise every name of `file` must be in `wanted`
/// and stand there once.
///
/// @param place  what messages call the file
/// @throws DataError  listing the names that `wanted` lacks, or that stand in a list twice
ClassMapping map_classes(const ClassList& file, const std::vector<std::string>& wanted, const std::string& place);

}  // namespace rtdetr
