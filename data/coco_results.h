#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "data/coco_metric.h"

namespace rtdetr {

/// Reads a COCO result file, a list of {image_id, category_id, bbox: [x, y, w, h], score}; other keys are passed over.
/// Streamed: memory is that of the records.
/// @throws DataError  for broken JSON (file, line, byte), or listing the records that are not like that; IoError
std::vector<MetricDetection> read_coco_results(const std::filesystem::path& file);

/// Writes such a file, atomically, numbers in shortest round-trip form.
/// @throws DataError  for a number that JSON cannot hold; IoError
void write_coco_results(const std::filesystem::path& file, std::span<const MetricDetection> detections);

}  // namespace rtdetr
