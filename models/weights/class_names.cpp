#include "models/weights/class_names.h"

namespace rtdetr {

const std::vector<std::string>& coco_names() {
  static const std::vector<std::string> names = {
      "person",         "bicycle",    "car",           "motorcycle",    "airplane",     "bus",           "train",
      "truck",          "boat",       "traffic light", "fire hydrant",  "stop sign",    "parking meter", "bench",
      "bird",           "cat",        "dog",           "horse",         "sheep",        "cow",           "elephant",
      "bear",           "zebra",      "giraffe",       "backpack",      "umbrella",     "handbag",       "tie",
      "suitcase",       "frisbee",    "skis",          "snowboard",     "sports ball",  "kite",          "baseball bat",
      "baseball glove", "skateboard", "surfboard",     "tennis racket", "bottle",       "wine glass",    "cup",
      "fork",           "knife",      "spoon",         "bowl",          "banana",       "apple",         "sandwich",
      "orange",         "broccoli",   "carrot",        "hot dog",       "pizza",        "donut",         "cake",
      "chair",          "couch",      "potted plant",  "bed",           "dining table", "toilet",        "tv",
      "laptop",         "mouse",      "remote",        "keyboard",      "cell phone",   "microwave",     "oven",
      "toaster",        "sink",       "refrigerator",  "book",          "clock",        "vase",          "scissors",
      "teddy bear",     "hair drier", "toothbrush"};
  return names;
}

const std::vector<std::int64_t>& coco_category_ids() {
  static const std::vector<std::int64_t> ids = [] {
    const std::set<std::int64_t> unused = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83};
    std::vector<std::int64_t> used;
    for (std::int64_t id = 1; id <= 90; ++id)
      if (!unused.contains(id)) used.push_back(id);
    return used;
  }();
  return ids;
}

const std::vector<std::string>& coco_names_by_id() {
  static const std::vector<std::string> by_id = [] {
    std::vector<std::string> names;
    for (std::int64_t id = 0; id <= coco_category_ids().back(); ++id) names.push_back("unused " + std::to_string(id));
    for (std::size_t i = 0; i < coco_names().size(); ++i)
      names[static_cast<std::size_t>(coco_category_ids()[i])] = coco_names()[i];
    return names;
  }();
  return by_id;
}

bool stands_for_no_name(const std::string& name, std::size_t index) { return name == "LABEL_" + std::to_string(index); }

std::vector<std::string> names_below(const FileMetadata& metadata, const std::string& prefix, std::int64_t classes) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) {
    const auto name = metadata.find(prefix + std::to_string(i));
    if (name == metadata.end() || stands_for_no_name(name->second, static_cast<std::size_t>(i))) return {};
    names.push_back(name->second);
  }
  return names;
}

}  // namespace rtdetr
