#pragma once

#include <filesystem>
#include <vector>

#include "data/dataset/data_problem.h"
#include "data/dataset/dataset.h"

/// Which files a Pascal VOC split has; not for other folders.
namespace rtdetr {

struct VocPicture {
  std::filesystem::path picture;     ///< may be of a format that is not read, or missing: then what it would be called
  std::filesystem::path annotation;  ///< empty: there is none
};

/// The pictures that the split's list names, or all of its folder, each with its XML file, sorted by path.
///
/// A line of a list is a picture's name, with or without its extension, blanks included; or, if there is no such
/// picture, a picture's and an XML file's path (PaddleDetection's lists), a name before 1, 0 or -1 (VOC's lists of one
/// class, whose number is not read), or a name and anything behind it. Paths may begin with the folders' own names.
/// Finds a split's pictures, each with its annotation. What does not pair is reported in `problems`.
std::vector<VocPicture> find_voc_pictures(const DatasetConfig::Split& split, ProblemCollector& problems);

}  // namespace rtdetr
