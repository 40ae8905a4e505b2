#pragma once

#include <filesystem>
#include <string>

namespace rtdetr {

/// Tells annotations of other tools from COCO's JSON and VOC's folder of XML files by their names, before a reader
/// stumbles over their first byte.
///
/// @param annotations  a file or folder
/// @return  what it is and what can be done; "" if it may be ours, or is not there
std::string foreign_annotations(const std::filesystem::path& annotations);

}  // namespace rtdetr
