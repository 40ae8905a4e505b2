#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset/data_problem.h"
#include "data/dataset/dataset.h"

/// Annotations that call classes by their names, as most tools write them; not for other folders. Each reader brings a
/// split into this form, and one function makes the data set of it.
namespace rtdetr {

struct NamedBox {
  std::array<double, 4> xywh{};  ///< left, top, width, height: pixels, or fractions of the picture; as written
  std::uint32_t name = 0;        ///< index in NamedAnnotations::names
  std::uint32_t number = 0;      ///< of the object in its file: for messages
  bool crowd = false;            ///< stands for many: counts in the metric as COCO's crowds do, is not trained on
};

struct NamedPicture {
  std::filesystem::path file;  ///< may be missing: then what it would be called
  int width = 0, height = 0;   ///< 0 if the annotations do not say
  std::string place;           ///< where messages say it is annotated; empty: nowhere
  std::vector<NamedBox> boxes;
};

struct NamedAnnotations {
  std::vector<NamedPicture> pictures;
  std::vector<std::string> names;    ///< each once
  bool are_all_classes = false;      ///< the file lists them, in an order of its own; else they are those of the boxes
  bool fractions = false;            ///< the boxes' unit
  bool says_sizes = true;            ///< the format has a place for the pictures' sizes, so that one may be missing
  const char* object = ": object ";  ///< stands between a picture's place and an object's number

  /// The index of a name, which is added if it is new.
  std::uint32_t index_of(std::string_view name);

 private:
  std::map<std::string, std::uint32_t, std::less<>> index_;
};

/// Finds pictures by what annotations call them.
class NamedPictures {
 public:
  explicit NamedPictures(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// The file below the folder that has the name as written, with slashes for backslashes, or without the folders in
  /// it; names that leave the folder are looked for by their last part alone.
  /// @return  in normal form; what it would be called, if there is none
  std::filesystem::path find(const std::string& name) const;
  /// Whether find() found it.
  bool has(const std::string& name) const;

 private:
  std::filesystem::path folder_;
};

/// Makes the data set. Classes are `names` if there are some, or those of the annotations: in their own order if they
/// list them, else in the order of the alphabet. Pictures are sorted by path; one with several entries has the boxes
/// of all, one box that stands twice is taken once.
/// @param names   of the YAML, may be empty
/// @param wanted  class names in index order, or nullptr for the file's own
void build_named_dataset(NamedAnnotations annotations, const std::vector<std::string>& names,
                         const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems);

}  // namespace rtdetr
