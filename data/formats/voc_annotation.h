#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset/data_problem.h"

namespace rtdetr {

/// One <object> of a Pascal VOC file.
struct VocObject {
  std::string name;
  std::array<double, 4> box_xywh{};  ///< pixels, as written: width is xmax - xmin, nothing is added or clipped
  int number = 0;                    ///< counted from 1 in the file
};

struct VocAnnotation {
  int width = 0, height = 0;  ///< 0 if the file does not say
  std::vector<VocObject> objects;
};

/// Reads <annotation> with <size> and <object>: <name> and <bndbox> of xmin, ymin, xmax, ymax. Parts of objects
/// (<part>), truncated and difficult are passed over: a difficult object counts like any other. Identical objects
/// are taken once. Document types and entities of a file's own are not followed.
/// Faults are errors: no XML, no <annotation>, an object without a name, without a <bndbox> (one with a <robndbox> or a
/// <polygon> alone is named for it) or with corners that are not numbers.
///
/// @param place  what messages call the file
VocAnnotation parse_voc_annotation(std::string_view text, const std::string& place, ProblemCollector& problems);

}  // namespace rtdetr
