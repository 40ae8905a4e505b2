#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset/metric_types.h"

namespace rtdetr {

/// Reads a COCO result file, a list of {image_id, category_id, bbox: [x, y, w, h], score}; other keys are passed over.
/// Streamed: memory is that of the records.
/// @throws DataError  for broken JSON (file, line, byte), or listing the records that are not like that; IoError
std::vector<MetricDetection> read_coco_results(const std::filesystem::path& file);
/// @param name  what messages call the text
std::vector<MetricDetection> parse_coco_results(std::string_view text, const std::string& name);

/// Writes such a file, atomically, numbers in shortest round-trip form.
/// @throws DataError  for a number that JSON cannot hold; IoError
void write_coco_results(const std::filesystem::path& file, std::span<const MetricDetection> detections);

}  // namespace rtdetr
