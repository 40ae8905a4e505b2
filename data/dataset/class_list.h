#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rtdetr {

/// Classes in index order. The index is always made explicitly from the file, never taken to be its id.
struct ClassList {
  std::vector<std::string> names;          ///< by index
  std::vector<std::int64_t> category_ids;  ///< by index: the file's ids (YOLO: the file's index)

  /// The id as a number, if it is none of these.
  std::string name_of(std::int64_t category_id) const;
};

/// Stands for the index of a class that is not in the wanted list.
inline constexpr std::int32_t kUnwantedClass = -1;

/// How the classes of a file become those of a model.
struct ClassMapping {
  std::vector<std::int32_t> index_of;  ///< by index in the file: index in the wanted list, or kUnwantedClass
  /// The wanted names; category_ids are the file's. A wanted class that the file does not have gets an id that the
  /// file does not use, so that its detections are left out of the metric.
  ClassList classes;
  std::vector<std::string> absent;  ///< wanted names that the file does not have
};

/// "'cat', 'dog', and 70 more": for messages.
std::string quoted_names(const std::vector<std::string>& names);

/// Maps by name. Equal lists map one to one, whatever the names; otherwise a name may not stand in a list twice.
///
/// @param place  what messages call the file
/// @throws DataError  for a name that stands twice
ClassMapping map_classes(const ClassList& file, const std::vector<std::string>& wanted, const std::string& place);

}  // namespace rtdetr
