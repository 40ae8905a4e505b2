#include "data/formats/named_annotations.h"

#include <algorithm>
#include <compare>
#include <iterator>
#include <numeric>
#include <set>
#include <utility>

#include "core/base/text.h"
#include "core/base/written_path.h"
#include "core/io/utf8.h"
#include "data/dataset/dataset_build.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// Every box has a place in this order, also one that is not a number.
struct BoxLess {
  bool operator()(const NamedBox* a, const NamedBox* b) const {
    if (a->name != b->name) return a->name < b->name;
    if (a->crowd != b->crowd) return b->crowd;
    return std::lexicographical_compare(a->xywh.begin(), a->xywh.end(), b->xywh.begin(), b->xywh.end(),
                                        [](double x, double y) { return std::is_lt(std::strong_order(x, y)); });
  }
};

class NamedDatasetBuilder {
 public:
  NamedDatasetBuilder(NamedAnnotations& from, Dataset& dataset, ProblemCollector& problems)
      : from_(from), dataset_(dataset), problems_(problems) {}

  void build(const std::vector<std::string>& names, const std::vector<std::string>* wanted) {
    join_entries();
    set_names(names, wanted);
    for (const NamedPicture& picture : from_.pictures) add_picture(picture);
    report_unwanted_classes(dataset_, file_, label_of_, problems_);
  }

 private:
  /// Sorts pictures by path; one that has several entries gets the boxes of all.
  void join_entries() {
    std::vector<NamedPicture>& pictures = from_.pictures;
    std::stable_sort(pictures.begin(), pictures.end(),
                     [](const auto& a, const auto& b) { return a.file.native() < b.file.native(); });
    std::size_t kept = 0;
    for (std::size_t i = 1; i < pictures.size(); ++i) {
      NamedPicture& last = pictures[kept];
      if (pictures[i].file != last.file) {
        if (++kept != i) pictures[kept] = std::move(pictures[i]);
        continue;
      }
      problems_.warn("repeated_picture", "pictures have more than one entry; the boxes of all are taken",
                     [&] { return pictures[i].place + ": " + last.file.string(); });
      last.boxes.insert(last.boxes.end(), pictures[i].boxes.begin(), pictures[i].boxes.end());
    }
    if (!pictures.empty()) pictures.resize(kept + 1);
  }

  void set_names(const std::vector<std::string>& names, const std::vector<std::string>* wanted) {
    file_.names = names.empty() ? from_.names : names;
    if (names.empty() && !from_.are_all_classes) std::sort(file_.names.begin(), file_.names.end());
    file_.category_ids.resize(file_.names.size());
    std::iota(file_.category_ids.begin(), file_.category_ids.end(), std::int64_t{0});
    std::map<std::string, std::int64_t> index_of;
    for (std::size_t i = 0; i < file_.names.size(); ++i) index_of[file_.names[i]] = static_cast<std::int64_t>(i);
    for (const std::string& name : from_.names) {
      const auto found = index_of.find(name);
      class_of_.push_back(found == index_of.end() ? kUnknown : found->second);
    }
    dataset_.truth.category_ids = file_.category_ids;
    label_of_ = set_classes(dataset_, file_, wanted, problems_);
  }

  void add_picture(const NamedPicture& from) {
    Dataset::PictureEntry& picture = dataset_.pictures.emplace_back();
    picture.file = from.file;
    picture.id = static_cast<std::int64_t>(dataset_.pictures.size()) - 1;
    picture.readable = is_file(from.file);
    picture.annotated = !from.place.empty();
    if (from.width > 0 && from.height > 0) {
      picture.width = from.width;
      picture.height = from.height;
    } else if (picture.readable) {
      if (from_.says_sizes && !from.place.empty()) {
        problems_.warn("missing_size", "annotations do not say their picture's size; read from the picture",
                       [&] { return from.place; });
      }
      read_size(dataset_, picture, problems_);
    }
    picture.first_box = static_cast<std::uint32_t>(dataset_.boxes.size());
    dataset_.truth.image_ids.push_back(picture.id);
    if (picture.width == 0) return;
    std::set<const NamedBox*, BoxLess> seen;
    for (const NamedBox& box : from.boxes) {
      if (seen.insert(&box).second) {
        add_box_of(from, box);
      } else {
        problems_.warn("duplicate_box", "objects stand twice; taken once",
                       [&] { return from.place + from_.object + std::to_string(box.number); });
      }
    }
  }

  void add_box_of(const NamedPicture& from, const NamedBox& box) {
    const Dataset::PictureEntry& picture = dataset_.pictures.back();
    const std::string& name = from_.names[box.name];
    std::array<double, 4> xywh = box.xywh;
    if (from_.fractions) {
      xywh = {xywh[0] * picture.width, xywh[1] * picture.height, xywh[2] * picture.width, xywh[3] * picture.height};
    }
    const auto place = [&] {
      return from.place + from_.object + std::to_string(box.number) + " '" + excerpt(name) + "': " + box_text(xywh);
    };
    const std::int64_t index = class_of_[box.name];
    if (index == kUnknown) {
      problems_.error("unknown_class", "objects have a name that is not in the list 'names'",
                      [&] { return place() + in_another_case(name); });
      return;
    }
    const bool usable = box.crowd
                            ? check_crowd(xywh, picture, place)
                            : add_box(dataset_, xywh, label_of_[static_cast<std::size_t>(index)], problems_, place);
    if (!usable) return;
    const auto annotation_id = static_cast<std::int64_t>(dataset_.truth.truths.size()) + 1;
    dataset_.truth.truths.push_back({picture.id, index, annotation_id, xywh, xywh[2] * xywh[3], box.crowd});
  }

  /// A crowd may lie anywhere, but has to be a box with an area.
  template <class Place>
  bool check_crowd(const std::array<double, 4>& xywh, const Dataset::PictureEntry& picture, const Place& place) {
    std::array<float, 4> ignored{};
    const BoxFault fault = make_training_box(xywh, picture.width, picture.height, ignored);
    return fault == BoxFault::kOutside || fault == BoxFault::kClipped || is_usable(fault, problems_, place);
  }

  /// "; the list has 'dog'" for 'Dog'.
  std::string in_another_case(const std::string& name) const {
    for (const std::string& listed : file_.names) {
      if (lower_case(listed) == lower_case(name)) return "; the list has '" + listed + "'";
    }
    return "";
  }

  static constexpr std::int64_t kUnknown = -1;
  NamedAnnotations& from_;
  Dataset& dataset_;
  ProblemCollector& problems_;
  ClassList file_;
  std::vector<std::int64_t> class_of_;  ///< by index of from_.names: index in file_, or kUnknown
  std::vector<std::int32_t> label_of_;
};

}  // namespace

std::uint32_t NamedAnnotations::index_of(std::string_view name) {
  const auto known = index_.find(name);
  if (known != index_.end()) return known->second;
  const auto index = static_cast<std::uint32_t>(names.size());
  names.emplace_back(name);
  index_.emplace(name, index);
  return index;
}

fs::path NamedPictures::find(const std::string& name) const {
  const std::string slashed = with_slashes(name);
  for (const std::string& written : {name, slashed}) {
    // One file has one path, however it is written: "./a.jpg" is "a.jpg".
    fs::path file = (folder_ / written).lexically_normal();
    if (stays_inside(written) && is_file(file)) return file;
  }
  return (folder_ / fs::path(slashed).filename()).lexically_normal();
}

bool NamedPictures::has(const std::string& name) const { return is_file(find(name)); }

void build_named_dataset(NamedAnnotations annotations, const std::vector<std::string>& names,
                         const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems) {
  NamedDatasetBuilder(annotations, dataset, problems).build(names, wanted);
}

}  // namespace rtdetr
