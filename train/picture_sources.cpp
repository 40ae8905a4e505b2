#include "train/picture_sources.h"

#include <glob.h>

#include <algorithm>
#include <set>

#include "core/io/error.h"
#include "core/io/file.h"
#include "core/io/picture.h"
#include "core/io/text.h"

namespace rtdetr {

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> pictures_of_folder(const fs::path& folder) {
  std::vector<fs::path> pictures;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && has_picture_extension(entry.path())) pictures.push_back(entry.path());
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

std::vector<fs::path> pictures_of_list(const fs::path& list) {
  std::vector<fs::path> pictures;
  for (const std::string& line : split(read_text_file(list), '\n')) {
    const fs::path picture = std::string(trim(line));
    if (picture.empty()) continue;
    const bool beside_list = picture.is_relative() && !fs::exists(picture);
    pictures.push_back(beside_list ? list.parent_path() / picture : picture);
  }
  return pictures;
}

std::vector<fs::path> pictures_of_pattern(const std::string& pattern) {
  glob_t matches{};
  std::vector<fs::path> pictures;
  if (::glob(pattern.c_str(), 0, nullptr, &matches) == 0)
    for (std::size_t i = 0; i < matches.gl_pathc; ++i)
      if (has_picture_extension(matches.gl_pathv[i])) pictures.emplace_back(matches.gl_pathv[i]);
  ::globfree(&matches);
  return pictures;
}

}  // namespace

std::vector<fs::path> list_pictures(const std::string& source) {
  if (source.find("://") != std::string::npos)
    throw ConfigError("source=" + source + ": only files of this machine are read");
  std::vector<fs::path> pictures;
  std::error_code ignored;
  if (fs::is_directory(source, ignored))
    pictures = pictures_of_folder(source);
  else if (fs::exists(source, ignored) && fs::path(source).extension() == ".txt")
    pictures = pictures_of_list(source);
  else if (fs::exists(source, ignored))
    pictures = {source};
  else if (source.find_first_of("*?[") != std::string::npos)
    pictures = pictures_of_pattern(source);
  else
    throw ConfigError("source=" + source + ": there is no such file or folder");
  if (pictures.empty()) throw ConfigError("source=" + source + ": no .jpg, .jpeg or .png picture in it");
  return pictures;
}

std::vector<std::string> unique_stems(const std::vector<fs::path>& pictures) {
  std::set<std::string> taken;
  std::vector<std::string> stems;
  for (const fs::path& picture : pictures) {
    const std::string stem = picture.stem().string();
    std::string name = stem;
    for (int k = 2; !taken.insert(name).second; ++k) name = stem + "-" + std::to_string(k);
    stems.push_back(name);
  }
  return stems;
}

}  // namespace rtdetr
