#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/dataset/dataset.h"

/// Formats of labelling tools, written; not for other folders. What they cannot say is not given to them: boxes have an
/// area, and Datumaro's alone may be crowds.
namespace rtdetr {

struct WrittenBox {
  std::size_t label = 0;
  std::array<double, 4> xywh{};  ///< pixels, as the source has it
  bool crowd = false;
};

struct WrittenPicture {
  std::filesystem::path name;  ///< below the split's folder of pictures
  int width = 0, height = 0;
  std::vector<WrittenBox> boxes;
};

struct WrittenSplit {
  std::string key;
  std::filesystem::path images;           ///< folder of the pictures
  const std::vector<std::string>& names;  ///< of the classes
  std::vector<WrittenPicture> pictures;
};

/// Annotation files of pictures, or names in one, each of one picture alone. Pictures that differ in their extension
/// alone would share theirs.
class OwnFiles {
 public:
  /// @throws DataError  naming both, if the file is another picture's
  void claim(const std::filesystem::path& file, const std::filesystem::path& picture);

 private:
  std::map<std::filesystem::path, std::filesystem::path> owners_;
};

/// Where a split's annotations are in the new data set, relative to it: a file, or a folder.
std::string written_annotations(AnnotationFormat format, const std::string& key);

/// Writes a split in one of the formats kVoc, kCvat, kLabelme or kDatumaro.
/// @param annotations  file or folder, see written_annotations
/// @throws DataError  for names that are not in UTF-8, or that two pictures would share; IoError
void write_annotations(AnnotationFormat format, const WrittenSplit& split, const std::filesystem::path& annotations);

/// Writes a file of a folder that is not published yet.
void write_unpublished(const std::filesystem::path& file, const std::string& text);

/// In quotes. @throws DataError  if it is not in UTF-8
std::string json_text_of(const std::string& text);

}  // namespace rtdetr
