#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/image/picture.h"
#include "models/deploy/detector.h"
#include "train/commands/picture_sources.h"
#include "train/config/settings.h"

/// What `rtdetr predict` makes of detections: drawn pictures, cut out objects, YOLO text, JSON.
namespace rtdetr {

using PictureDetections = std::vector<Detection>;

/// <project>/<name> or the next free number, with labels/ inside when save_txt is set.
std::filesystem::path make_output_folder(const Settings& settings);

/// What a picture is called with its detections drawn: `stem`.png of a PNG, else `stem`.jpg.
std::string drawn_name(const std::filesystem::path& picture, const std::string& stem);

/// What is written never takes a source's place, as it would where the results go into the sources' own folder.
/// @param stems  unique_stems of `source`
/// @throws ConfigError  naming the source, before anything is written
void require_sources_kept(const Settings& settings, const std::filesystem::path& folder,
                          const PredictedPictures& source, const std::vector<std::string>& stems);

/// Names of the cut out pictures: crops/<class>/<picture>.jpg, and <picture>-2.jpg, -3 … for further ones of a class.
class CropNames {
 public:
  /// An entry per detection; the folders are made. Characters of a class that no folder can have become '_',
  /// and a class of more than 255 bytes is cut, with "-" and its number behind it.
  std::vector<std::filesystem::path> names_for(const std::filesystem::path& folder, const std::string& stem,
                                               const PictureDetections& found, const std::vector<std::string>& names);

 private:
  std::set<std::filesystem::path> taken_;
};
/// What is in a box: the pixels that it touches, at least one.
Picture cut_out(const Picture& picture, const Detection& object);
Picture drawn(const Picture& picture, const PictureDetections& found, const std::vector<std::string>& names);
/// A line per object: class, centre x, centre y, width, height as fractions of the picture, and the score if wanted.
std::string yolo_lines(const PictureDetections& found, int width, int height, bool with_score);
/// {file, width, height, detections: [{box, score, class, name}], ms}
nlohmann::ordered_json picture_json(const std::filesystem::path& file, const PictureSize& size,
                                    const PictureDetections& found, const std::vector<std::string>& names, double ms);
/// "12 RBC, 1 WBC", in class order; "nothing".
std::string counts_by_class(const PictureDetections& found, const std::vector<std::string>& names);

}  // namespace rtdetr
