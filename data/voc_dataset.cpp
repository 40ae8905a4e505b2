#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "core/io/file.h"
#include "core/io/text.h"
#include "data/dataset_build.h"
#include "data/voc_annotation.h"
#include "data/yolo_labels.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = 4u << 20;

struct VocPicture {
  fs::path picture;
  fs::path annotation;  ///< empty: there is none
};

/// The picture `stem`.jpg, .jpeg or .png, in small or capital letters; empty if there is none.
fs::path find_picture(const fs::path& folder, const std::string& stem) {
  for (const char* extension : {".jpg", ".JPG", ".jpeg", ".JPEG", ".png", ".PNG"}) {
    const fs::path file = folder / (stem + extension);
    if (is_file(file)) return file;
  }
  return {};
}

/// What a missing picture would be called.
fs::path likely_picture(const fs::path& folder, const fs::path& stem) { return folder / (stem.string() + ".jpg"); }

/// The pictures named by a list of VOC's ImageSets: a stem in each line, what follows it is not read.
std::vector<VocPicture> listed_pictures(const DatasetConfig::Split& split, ProblemCollector& problems) {
  std::vector<VocPicture> pictures;
  std::set<std::string> seen;
  int number = 0;
  for (const std::string& line : ::rtdetr::split(read_text_file(split.list, kLargestFile * 64), '\n')) {
    ++number;
    const std::string_view entry = trim(line);
    if (entry.empty()) continue;
    std::string stem(entry.substr(0, entry.find_first_of(" \t")));
    if (has_picture_extension(stem)) stem = fs::path(stem).replace_extension().string();
    const auto place = [&] { return split.list.string() + ":" + std::to_string(number) + ": '" + stem + "'"; };
    if (!stays_inside(stem)) {
      problems.error("path_escape", "file names leave the folder of pictures; they are not read", place);
      continue;
    }
    if (!seen.insert(stem).second) {
      problems.warn("repeated_picture", "pictures are listed more than once; taken once", place);
      continue;
    }
    VocPicture found{find_picture(split.images, stem), split.annotations / (stem + ".xml")};
    if (found.picture.empty()) {
      problems.error("missing_picture", "pictures are not in " + split.images.string(), place);
      found.picture = likely_picture(split.images, stem);
    }
    if (is_file(found.annotation)) {
      pictures.push_back(std::move(found));
    } else {
      problems.error("missing_annotation", "annotation files are not in " + split.annotations.string(), place);
    }
  }
  return pictures;
}

/// Every picture of the folder; its file lies at the same place below the annotations.
std::vector<VocPicture> all_pictures(const DatasetConfig::Split& split, ProblemCollector& problems) {
  std::vector<VocPicture> pictures;
  std::set<fs::path> used;
  for (const fs::path& picture : list_pictures(std::span(&split.images, 1), problems)) {
    fs::path file = split.annotations / picture.lexically_relative(split.images);
    file.replace_extension(".xml");
    const bool exists = is_file(file);
    if (!exists) {
      problems.warn("no_annotation_file", "pictures have no annotation file; taken as pictures without objects",
                    [&] { return picture.string(); });
    } else if (!used.insert(file.lexically_normal()).second) {
      problems.error("ambiguous_annotation", "annotation files belong to two pictures",
                     [&] { return file.string() + ": " + picture.string(); });
      continue;
    }
    pictures.push_back({picture, exists ? file : fs::path{}});
  }
  std::set<fs::path> orphans;
  std::error_code fault;
  for (fs::recursive_directory_iterator at(split.annotations, fault), end; !fault && at != end; at.increment(fault)) {
    if (at->path().extension() == ".xml" && !used.contains(at->path().lexically_normal())) orphans.insert(at->path());
  }
  for (const fs::path& file : orphans) {
    problems.error("missing_picture", "pictures of annotation files are not in " + split.images.string(),
                   [&] { return file.string(); });
    const fs::path stem = file.lexically_relative(split.annotations).replace_extension();
    pictures.push_back({likely_picture(split.images, stem), file});
  }
  return pictures;
}

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
      annotations.back() = parse_voc_annotation(read_text_file(picture.annotation, kLargestFile),
                                                picture.annotation.string(), problems_);
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
      problems_.error("unknown_class", "objects have a name that is not in the list 'names'", place);
      return;
    }
    if (!add_box(dataset_, object.box_xywh, label_of_[found->second], problems_, place)) return;
    const auto annotation_id = static_cast<std::int64_t>(dataset_.truth.truths.size()) + 1;
    const auto& box = object.box_xywh;
    dataset_.truth.truths.push_back({dataset_.pictures.back().id, static_cast<std::int64_t>(found->second),
                                     annotation_id, box, box[2] * box[3], false});
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
  std::vector<VocPicture> pictures =
      split.list.empty() ? all_pictures(split, problems) : listed_pictures(split, problems);
  std::sort(pictures.begin(), pictures.end(),
            [](const auto& a, const auto& b) { return a.picture.native() < b.picture.native(); });
  VocDatasetReader(dataset, problems).read(pictures, names, wanted);
}

}  // namespace rtdetr
