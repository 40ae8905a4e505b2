#include "train/commands/prediction_files.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/picture_names.h"
#include "core/io/file.h"
#include "core/io/utf8.h"
#include "core/plot/draw.h"
#include "train/run/run_folder.h"

namespace rtdetr {

namespace fs = std::filesystem;

fs::path make_output_folder(const Settings& settings) {
  fs::path folder = make_run_folder(settings.project, settings.name, settings.exist_ok);
  if (settings.save_txt) make_folders(folder / "labels");
  return folder;
}

std::string drawn_name(const fs::path& picture, const std::string& stem) {
  return stem + (lower_extension(picture) == ".png" ? ".png" : ".jpg");
}

namespace {

/// Where sources lie, as files and as what their own folders call them, which may be links.
class SourcePlaces {
 public:
  explicit SourcePlaces(const PredictedPictures& source) {
    for (const fs::path& file : source.files)
      if (file != kStandardInput) add(file);
    for (const VideoSource& video : source.videos)
      if (video.kind == VideoSource::Kind::kFile) add(video.place);
  }

  bool has(const fs::path& file) const { return places_.contains(file); }
  bool has_below(const fs::path& folder) const {
    const auto first = places_.upper_bound(folder);
    return first != places_.end() &&
           std::mismatch(folder.begin(), folder.end(), first->begin(), first->end()).first == folder.end();
  }

 private:
  void add(const fs::path& file) {
    std::error_code ignored;
    places_.insert(fs::weakly_canonical(file, ignored));
    places_.insert(fs::weakly_canonical(fs::absolute(file).parent_path(), ignored) / file.filename());
  }

  std::set<fs::path> places_;
};

}  // namespace

void require_sources_kept(const Settings& settings, const fs::path& folder, const PredictedPictures& source,
                          const std::vector<std::string>& stems) {
  const SourcePlaces places(source);
  const fs::path here = fs::canonical(folder);
  const auto refuse = [&](const fs::path& taken) {
    throw ConfigError("project=" + settings.project + " name=" + settings.name +
                      ": the results would take the place of " + taken.string() +
                      ", which is a source; give another project= or name=, or exist_ok=false");
  };
  for (std::size_t i = 0; settings.save && i < stems.size(); ++i) {
    const std::string name = i < source.files.size() ? drawn_name(source.files[i], stems[i]) : stems[i] + ".mp4";
    if (places.has(here / name)) refuse(folder / name);
  }
  if (settings.save_crop && places.has_below(here / "crops")) refuse(folder / "crops");
}

namespace {

constexpr std::size_t kLongestName = 255;  ///< bytes, of Linux's file systems

/// A class's name as a folder's; one that is too long is cut, and its number tells it from others that begin so.
std::string folder_name(std::int64_t label, std::string name) {
  for (char& c : name)
    if (c == '/' || (c >= 0 && c < ' ')) c = '_';
  if (name.size() > kLongestName) {
    const std::string end = "-" + std::to_string(label);
    return std::string(first_characters(name, kLongestName - end.size())) + end;
  }
  return name.empty() || name == "." || name == ".." ? "_" + name : name;
}

}  // namespace

std::vector<fs::path> CropNames::names_for(const fs::path& folder, const std::string& stem,
                                           const PictureDetections& found, const std::vector<std::string>& names) {
  std::vector<fs::path> files;
  for (const Detection& object : found) {
    const fs::path place =
        folder / "crops" / folder_name(object.label, names.at(static_cast<std::size_t>(object.label)));
    fs::path file = place / (written_stem(stem) + ".jpg");
    for (int k = 2; !taken_.insert(file).second; ++k)
      file = place / (written_stem(stem, "-" + std::to_string(k)) + ".jpg");
    make_folders(place);
    files.push_back(std::move(file));
  }
  return files;
}

Picture cut_out(const Picture& picture, const Detection& object) {
  const int x0 = std::clamp(static_cast<int>(std::floor(object.x0)), 0, picture.width - 1),
            y0 = std::clamp(static_cast<int>(std::floor(object.y0)), 0, picture.height - 1),
            x1 = std::clamp(static_cast<int>(std::ceil(object.x1)), x0 + 1, picture.width),
            y1 = std::clamp(static_cast<int>(std::ceil(object.y1)), y0 + 1, picture.height);
  Picture part(x1 - x0, y1 - y0);
  for (int y = y0; y < y1; ++y)
    std::copy_n(picture.row(y) + std::ptrdiff_t{3} * x0, std::ptrdiff_t{3} * part.width, part.row(y - y0));
  return part;
}

Picture drawn(const Picture& picture, const PictureDetections& found, const std::vector<std::string>& names) {
  std::vector<DrawnBox> boxes;
  for (const Detection& object : found)
    boxes.push_back({object.x0, object.y0, object.x1, object.y1, object.label,
                     label_text(names.at(static_cast<std::size_t>(object.label)), object.score)});
  Picture result = picture;
  draw_boxes(result, boxes);
  return result;
}

std::string yolo_lines(const PictureDetections& found, int width, int height, bool with_score) {
  std::string text;
  for (const Detection& object : found) {
    const double values[] = {(object.x0 + object.x1) / 2.0 / width, (object.y0 + object.y1) / 2.0 / height,
                             (object.x1 - object.x0) / double(width), (object.y1 - object.y0) / double(height)};
    text += std::to_string(object.label);
    for (double value : values) text += " " + fixed(value, 6);
    if (with_score) text += " " + fixed(object.score, 6);
    text += "\n";
  }
  return text;
}

nlohmann::ordered_json picture_json(const fs::path& file, const PictureSize& size, const PictureDetections& found,
                                    const std::vector<std::string>& names, double ms) {
  nlohmann::ordered_json objects = nlohmann::ordered_json::array();
  for (const Detection& object : found)
    objects.push_back({{"box", {object.x0, object.y0, object.x1, object.y1}},
                       {"score", object.score},
                       {"class", object.label},
                       {"name", names.at(static_cast<std::size_t>(object.label))}});
  return {{"file", file.string()},
          {"width", size.width},
          {"height", size.height},
          {"detections", std::move(objects)},
          {"ms", ms}};
}

std::string counts_by_class(const PictureDetections& found, const std::vector<std::string>& names) {
  std::map<int, int> counts;
  for (const Detection& object : found) ++counts[object.label];
  std::vector<std::string> parts;
  for (const auto& [label, count] : counts)
    parts.push_back(std::to_string(count) + " " + names.at(static_cast<std::size_t>(label)));
  return parts.empty() ? "nothing" : join(parts, ", ");
}

}  // namespace rtdetr
