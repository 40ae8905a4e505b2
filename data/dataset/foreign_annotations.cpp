#include "data/dataset/foreign_annotations.h"

#include <array>
#include <map>
#include <string_view>
#include <utility>

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOurs = "annotations are a COCO file (.json) or a folder of VOC files (.xml)";

/// Of a folder's files the commonest foreign kind; "" if one of them is VOC's, or none is known.
std::string foreign_kind(const fs::path& folder) {
  std::map<std::string, int> counts;
  std::error_code fault;
  for (fs::recursive_directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
    const std::string suffix = at->path().extension().string();
    if (suffix == ".xml" || suffix == ".XML") return "";
    if (suffix == ".json" || suffix == ".txt" || suffix == ".csv") ++counts[suffix];
  }
  std::string most;
  for (const auto& [suffix, count] : counts) {
    if (most.empty() || count > counts[most]) most = suffix;
  }
  return most;
}

std::string advice_for_folder(const std::string& suffix) {
  if (suffix == ".txt") return "; YOLO's are found beside the pictures: 'train: FOLDER_OF_PICTURES'";
  if (suffix == ".json") return "; name one COCO file itself; LabelMe's files have to be converted to it";
  return "; they have to be converted";
}

}  // namespace

std::string foreign_annotations(const fs::path& annotations) {
  std::error_code ignored;
  if (fs::is_directory(annotations, ignored)) {
    const std::string kind = foreign_kind(annotations);
    if (kind.empty()) return "";
    return annotations.string() + " holds " + kind + " files and no .xml; " + std::string(kOurs) +
           advice_for_folder(kind);
  }
  if (!fs::exists(annotations, ignored)) return "";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kForeign{{
      {".xml", "; of VOC's the folder is given, CVAT's has to be exported as COCO"},
      {".csv", "; a table has to be converted"},
      {".txt", "; YOLO's are found beside the pictures: 'train: FOLDER_OF_PICTURES'"},
      {".jsonl", "; JSON Lines have to be converted"},
      {".ndjson", "; JSON Lines have to be converted"},
      {".gz", "; unpack it"},
      {".zip", "; unpack it"},
      {".record", "; TFRecords have to be converted"},
      {".tfrecord", "; TFRecords have to be converted"},
      {".parquet", "; a table has to be converted"},
  }};
  for (const auto& [suffix, advice] : kForeign) {
    if (annotations.extension() != suffix) continue;
    return annotations.string() + ": " + std::string(kOurs) + std::string(advice);
  }
  return "";
}

}  // namespace rtdetr
