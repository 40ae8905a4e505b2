#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "core/base/text.h"
#include "core/io/file.h"
#include "data/dataset/dataset_build.h"
#include "data/formats/voc_annotation.h"
#include "data/formats/voc_files.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = 4u << 20;

class VocDatasetReader {
 public:
  VocDatasetReader(Dataset& dataset, ProblemCollector& problems) : dataset_(dataset), problems_(problems) {}

  /// Reads all files first: without a list of names the classes are those found, in the order of the alphabet.
  void read(const std::vector<VocPicture>& pictures, const std::vector<std::string>& names,
            const std::vector<std::string>* wanted) {
    std::vector<VocAnnotation> annotations;
    annotations.reserve(pictures.size());
    for (const VocPicture& picture : pictures) {
      annotations.emplace_back();
      if (picture.annotation.empty()) continue;
      if (const auto text = read_label_file(picture.annotation, kLargestFile, problems_))
        annotations.back() = parse_voc_annotation(*text, picture.annotation.string(), problems_);
    }
    set_names(annotations, names, wanted);
    for (std::size_t i = 0; i < pictures.size(); ++i) add_picture(pictures[i], annotations[i]);
    report_unwanted_classes(dataset_, file_, label_of_, problems_);
  }

 private:
  void set_names(const std::vector<VocAnnotation>& annotations, const std::vector<std::string>& names,
                 const std::vector<std::string>* wanted) {
    std::set<std::string> found;
    for (const VocAnnotation& annotation : annotations) {
      for (const VocObject& object : annotation.objects) found.insert(object.name);
    }
    file_.names = names;
    if (names.empty()) file_.names.assign(found.begin(), found.end());
    file_.category_ids.resize(file_.names.size());
    std::iota(file_.category_ids.begin(), file_.category_ids.end(), std::int64_t{0});
    for (std::size_t i = 0; i < file_.names.size(); ++i) index_of_[file_.names[i]] = i;
    dataset_.truth.category_ids = file_.category_ids;
    label_of_ = set_classes(dataset_, file_, wanted, problems_);
  }

  void add_picture(const VocPicture& from, const VocAnnotation& annotation) {
    Dataset::PictureEntry& picture = dataset_.pictures.emplace_back();
    picture.file = from.picture;
    picture.id = static_cast<std::int64_t>(dataset_.pictures.size()) - 1;
    picture.readable = is_file(from.picture);
    if (annotation.width > 0 && annotation.height > 0) {
      picture.width = annotation.width;
      picture.height = annotation.height;
    } else if (picture.readable) {
      if (!from.annotation.empty()) {
        problems_.warn("missing_size", "files have no <size>; read from the picture",
                       [&] { return from.annotation.string(); });
      }
      read_size(dataset_, picture, problems_);
    }
    picture.first_box = static_cast<std::uint32_t>(dataset_.boxes.size());
    dataset_.truth.image_ids.push_back(picture.id);
    if (picture.width == 0) return;
    for (const VocObject& object : annotation.objects) add_object(object, from.annotation.string());
  }

  void add_object(const VocObject& object, const std::string& file) {
    const auto place = [&] {
      return file + ": object " + std::to_string(object.number) + " '" + object.name +
             "': " + box_text(object.box_xywh);
    };
    const auto found = index_of_.find(object.name);
    if (found == index_of_.end()) {
      problems_.error("unknown_class", "objects have a name that is not in the list 'names'",
                      [&] { return place() + in_another_case(object.name); });
      return;
    }
    if (!add_box(dataset_, object.box_xywh, label_of_[found->second], problems_, place)) return;
    const auto annotation_id = static_cast<std::int64_t>(dataset_.truth.truths.size()) + 1;
    const auto& box = object.box_xywh;
    dataset_.truth.truths.push_back({dataset_.pictures.back().id, static_cast<std::int64_t>(found->second),
                                     annotation_id, box, box[2] * box[3], false});
  }

  /// "; the list has 'dog'" for 'Dog'.
  std::string in_another_case(const std::string& name) const {
    for (const auto& [listed, index] : index_of_) {
      if (lower_case(listed) == lower_case(name)) return "; the list has '" + listed + "'";
    }
    return "";
  }

  Dataset& dataset_;
  ProblemCollector& problems_;
  ClassList file_;
  std::map<std::string, std::size_t> index_of_;
  std::vector<std::int32_t> label_of_;
};

}  // namespace

void read_voc_dataset(const DatasetConfig::Split& split, const std::vector<std::string>& names,
                      const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems) {
  VocDatasetReader(dataset, problems).read(find_voc_pictures(split, problems), names, wanted);
}

}  // namespace rtdetr
