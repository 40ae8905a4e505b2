#pragma once

#include <filesystem>

#include "data/dataset/data_problem.h"
#include "data/dataset/dataset.h"

namespace rtdetr::test {

/// An annotation file and its pictures as a data set, refused like one that a YAML describes.
inline Dataset load_coco(const std::filesystem::path& annotations, const std::filesystem::path& images,
                         const ClassList* classes = nullptr) {
  Dataset dataset = inspect_coco(annotations, images, classes);
  throw_if_errors(dataset.problems, dataset.name);
  return dataset;
}

}  // namespace rtdetr::test
