#include "data/formats/voc_files.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "core/base/text.h"
#include "core/image/picture.h"
#include "core/image/picture_names.h"
#include "core/io/file.h"
#include "data/dataset/dataset_build.h"
#include "data/dataset/hidden_files.h"
#include "data/formats/yolo_labels.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestList = 256u << 20;

/// Finds pictures by their names without extension.
class PictureFinder {
 public:
  /// The picture `stem`.jpg, .jpeg or .png in any case, or else of a format that is not read; empty if there is none.
  fs::path find(const fs::path& folder, const std::string& stem) {
    for (const char* extension : {".jpg", ".JPG", ".jpeg", ".JPEG", ".png", ".PNG"}) {
      const fs::path file = folder / (stem + extension);
      if (is_file(file)) return file;
    }
    const fs::path wanted = folder / stem;
    const auto& names = names_in(wanted.parent_path());
    const auto found = names.find(wanted.filename().string());
    return found == names.end() ? fs::path() : found->second;
  }

 private:
  using ByStem = std::map<std::string, fs::path>;

  const ByStem& names_in(const fs::path& folder) {
    const auto [entry, is_new] = folders_.try_emplace(folder);
    if (!is_new) return entry->second;
    std::error_code fault;
    for (fs::directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
      const bool readable = has_picture_extension(at->path());
      if (!readable && other_picture_format(at->path()).empty()) continue;
      fs::path& known = entry->second[at->path().stem().string()];
      if (known.empty() || readable) known = at->path();
    }
    return entry->second;
  }

  std::map<fs::path, ByStem> folders_;
};

/// What a missing picture would be called.
fs::path likely_picture(const fs::path& folder, const fs::path& stem) { return folder / (stem.string() + ".jpg"); }

bool has_known_extension(const fs::path& file) {
  return has_picture_extension(file) || !other_picture_format(file).empty() || lower_extension(file) == ".xml";
}

/// A name without its extension, below the folder: "a" of "./JPEGImages/a.jpg" if the folder is called JPEGImages.
std::string stem_below(const fs::path& folder, std::string_view name) {
  fs::path path = fs::path(name).lexically_normal();
  if (has_known_extension(path)) path.replace_extension();
  const std::vector<fs::path> parts(path.begin(), path.end());
  const fs::path last = folder.has_filename() ? folder.filename() : folder.parent_path().filename();
  const auto named = std::find(parts.rbegin(), parts.rend(), last);
  if (named == parts.rend() || named == parts.rbegin()) return path.string();
  fs::path below;
  for (auto part = named.base(); part != parts.end(); ++part) below /= *part;
  return below.string();
}

/// What one line of a list may mean: names of a picture and of its XML file.
struct ListedNames {
  std::string_view picture, annotation;
};

/// The likeliest first; at least one. See find_voc_pictures.
std::vector<ListedNames> readings_of(std::string_view line) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<ListedNames> readings{{line, line}};
  for (std::size_t at = line.find_first_of(kBlanks); at != std::string_view::npos;
       at = line.find_first_of(kBlanks, at + 1)) {
    const std::string_view left = trim(line.substr(0, at)), right = trim(line.substr(at));
    if (has_known_extension(fs::path(left)) && lower_extension(fs::path(right)) == ".xml")
      readings.push_back({left, right});
  }
  const std::size_t last = line.find_last_of(kBlanks);
  if (last == std::string_view::npos) return readings;
  const std::string_view flag = line.substr(last + 1), named = trim(line.substr(0, last));
  if (flag == "1" || flag == "0" || flag == "-1") readings.push_back({named, named});
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  readings.push_back({word, word});
  return readings;
}

/// One split's list.
class ListReader {
 public:
  ListReader(const DatasetConfig::Split& split, ProblemCollector& problems) : split_(split), problems_(problems) {}

  std::vector<VocPicture> read() {
    int number = 0;
    for (const std::string& line : read_text_lines(split_.list, kLargestList)) {
      ++number;
      if (!line.empty()) add(line, number);
    }
    return std::move(pictures_);
  }

 private:
  struct Found {
    std::string stem;  ///< of the picture, below its folder
    VocPicture files;  ///< no picture: there is none
    bool escapes = false;
  };

  Found look_for(const ListedNames& names) {
    Found found{stem_below(split_.images, names.picture), {}, false};
    const std::string annotation = stem_below(split_.annotations, names.annotation);
    found.escapes = !stays_inside(found.stem) || !stays_inside(annotation);
    if (found.escapes) return found;
    found.files = {finder_.find(split_.images, found.stem), split_.annotations / (annotation + ".xml")};
    return found;
  }

  /// By the first reading whose picture is there; otherwise as a line of another tool's if it looks like one, or whole.
  Found look_for(std::string_view line) {
    const std::vector<ListedNames> readings = readings_of(line);
    for (const ListedNames& reading : readings) {
      Found found = look_for(reading);
      if (!found.files.picture.empty()) return found;
    }
    return look_for(readings.size() > 2 ? readings[1] : readings[0]);
  }

  void add(std::string_view line, int number) {
    if (is_leftover(fs::path(line))) return report_hidden(fs::path(line), problems_);
    Found found = look_for(line);
    const auto place = [&] { return split_.list.string() + ":" + std::to_string(number) + ": '" + found.stem + "'"; };
    if (found.escapes) {
      problems_.error("path_escape", "file names leave the folder of pictures; they are not read", place);
      return;
    }
    if (!seen_.insert(found.stem).second) {
      problems_.warn("repeated_picture", "pictures are listed more than once; taken once", place);
      return;
    }
    if (found.files.picture.empty()) {
      problems_.error("missing_picture", "pictures are not in " + split_.images.string(), place);
      found.files.picture = likely_picture(split_.images, found.stem);
    }
    if (!is_absent(found.files.annotation)) {
      pictures_.push_back(std::move(found.files));
    } else {
      problems_.error("missing_annotation", "annotation files are not in " + split_.annotations.string(), place);
    }
  }

  const DatasetConfig::Split& split_;
  ProblemCollector& problems_;
  PictureFinder finder_;
  std::set<std::string> seen_;
  std::vector<VocPicture> pictures_;
};

/// XML files that belong to no picture. Those of pictures in other formats are left out with them.
void add_orphans(const DatasetConfig::Split& split, const std::map<fs::path, fs::path>& used,
                 ProblemCollector& problems, std::vector<VocPicture>& pictures) {
  PictureFinder finder;
  std::vector<fs::path> files = files_below(split.annotations, ".xml", problems);
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    if (used.contains(file.lexically_normal())) continue;
    const fs::path stem = file.lexically_relative(split.annotations).replace_extension();
    if (!finder.find(split.images, stem.string()).empty()) continue;
    problems.error("missing_picture", "pictures of annotation files are not in " + split.images.string(),
                   [&] { return file.string(); });
    pictures.push_back({likely_picture(split.images, stem), file});
  }
}

/// Every picture of the folder; its file lies at the same place below the annotations.
std::vector<VocPicture> all_pictures(const DatasetConfig::Split& split, ProblemCollector& problems) {
  std::vector<VocPicture> pictures;
  std::map<fs::path, fs::path> used;  // and by which picture
  for (const fs::path& picture : list_pictures(std::span(&split.images, 1), problems)) {
    fs::path file = split.annotations / picture.lexically_relative(split.images);
    file.replace_extension(".xml");
    const bool exists = !is_absent(file);
    if (!exists) {
      problems.warn("no_annotation_file", "pictures have no annotation file; taken as pictures without objects",
                    [&] { return picture.string(); });
    } else if (const auto [owner, is_new] = used.emplace(file.lexically_normal(), picture); !is_new) {
      problems.error("ambiguous_annotation", "annotation files belong to two pictures; rename one", [&, owner = owner] {
        return file.string() + ": " + owner->second.string() + " and " + picture.string();
      });
      continue;
    }
    pictures.push_back({picture, exists ? file : fs::path{}});
  }
  add_orphans(split, used, problems, pictures);
  return pictures;
}

}  // namespace

std::vector<VocPicture> find_voc_pictures(const DatasetConfig::Split& split, ProblemCollector& problems) {
  std::vector<VocPicture> pictures =
      split.list.empty() ? all_pictures(split, problems) : ListReader(split, problems).read();
  std::sort(pictures.begin(), pictures.end(),
            [](const auto& a, const auto& b) { return a.picture.native() < b.picture.native(); });
  return pictures;
}

}  // namespace rtdetr
