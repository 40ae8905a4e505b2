#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/io/safetensors.h"

/// How the classes of other programs' weights are called.
namespace rtdetr {

/// COCO's 80 classes in their order.
const std::vector<std::string>& coco_names();
/// As its annotation files number them: 1 to 90, ten of them left out.
const std::vector<std::int64_t>& coco_category_ids();

/// Of outputs that are the annotation files' numbers themselves, as DINO's: a name for each of 0 to 90, "unused 12"
/// where no class has the number.
const std::vector<std::string>& coco_names_by_id();

/// LABEL_0, which Hugging Face's programs write for want of a name.
bool stands_for_no_name(const std::string& name, std::size_t index);

/// `prefix`0, `prefix`1, …: the names of all classes, or none.
std::vector<std::string> names_below(const FileMetadata& metadata, const std::string& prefix, std::int64_t classes);

}  // namespace rtdetr
