#include "data/dataset/dataset_keys.h"

#include <algorithm>
#include <map>

#include "core/base/text.h"

namespace rtdetr {
namespace {

using Words = std::vector<std::string>;

bool is_among(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

const Words& dataset_keys() {
  static const Words words{"path", "train", "val", "test", "names", "nc", "exif", "channels", "kpt_shape", "download"};
  return words;
}

const Words& split_keys() {
  static const Words words{"images", "annotations", "list", "format"};
  return words;
}

bool is_foreign_dataset_key(const std::string& key) {
  static const Words words{"author",    "colors",  "date",     "description", "flip_idx", "info",
                           "kpt_names", "license", "licenses", "links",       "minival",  "roboflow",
                           "stride",    "tags",    "task",     "url",         "version",  "yaml_file"};
  return is_among(words, key);
}

std::string dataset_key_hint(const std::string& key, const Words& known) {
  static const std::map<std::string, std::string> translations{
      {"classes", "names"},  {"class_names", "names"},    {"labels", "names"},         {"num_classes", "nc"},
      {"root", "path"},      {"training", "train"},       {"validation", "val"},       {"image_dir", "images"},
      {"img_dir", "images"}, {"ann_file", "annotations"}, {"anno_path", "annotations"}};
  const auto ours = translations.find(key);
  if (ours != translations.end() && is_among(known, ours->second)) return "; here it is '" + ours->second + "'";
  return did_you_mean(key, known);
}

}  // namespace rtdetr
