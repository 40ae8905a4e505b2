#include "train/commands/picture_sources.h"

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/written_path.h"
#include "core/image/picture.h"
#include "core/image/picture_names.h"
#include "core/io/file.h"
#include "data/dataset/data_problem.h"
#include "data/dataset/hidden_files.h"
#include "train/commands/file_pattern.h"

namespace rtdetr {

namespace {

namespace fs = std::filesystem;

/// What is in a folder or matches a pattern: pictures stay, those of other formats and hidden ones are reported.
std::vector<fs::path> only_pictures(const std::vector<fs::path>& files, ProblemCollector& problems) {
  std::vector<fs::path> pictures;
  for (const fs::path& file : files) {
    const std::string format = other_picture_format(file);
    if (!has_picture_extension(file) && format.empty()) continue;
    if (is_hidden(file)) {
      report_hidden(file, problems);
    } else if (!format.empty()) {
      problems.warn("unsupported_format", format + " pictures are not read; convert them to JPEG or PNG",
                    [&] { return file.string(); });
    } else {
      pictures.push_back(file);
    }
  }
  return pictures;
}

std::vector<fs::path> files_of_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<fs::path> pictures_of_list(const fs::path& list, ProblemCollector& problems) {
  std::vector<fs::path> pictures;
  for (const std::string& line : read_text_lines(list)) {
    if (line.empty() || (line.starts_with('#') && !has_picture_extension(line))) continue;
    if (is_leftover(fs::path(line))) {
      report_hidden(fs::path(line), problems);
      continue;
    }
    const std::string entry = expand_home(line);
    const fs::path picture = find_written_path("", entry);
    const bool beside_list = picture.is_relative() && !fs::exists(picture);
    pictures.push_back(beside_list ? find_written_path(list.parent_path(), entry) : picture);
  }
  return pictures;
}

std::vector<fs::path> files_of_pattern(const std::string& pattern) {
  std::vector<fs::path> files = files_matching(pattern);
  if (files.empty()) throw ConfigError("source=" + pattern + ": nothing matches this pattern");
  return files;
}

/// "; source='photos/**' looks into the folders below, too" if there are some.
std::string hint_at_folders(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (entry.is_directory(ignored))
      return "; source='" + (folder / "**").string() + "' looks into the folders below, too";
  return "";
}

}  // namespace

std::vector<fs::path> list_pictures(const std::string& source) {
  if (source.find("://") != std::string::npos)
    throw ConfigError("source=" + source + ": only files of this machine are read");
  std::vector<fs::path> pictures;
  ProblemCollector problems;
  std::error_code ignored;
  if (fs::is_directory(source, ignored))
    pictures = only_pictures(files_of_folder(source), problems);
  else if (fs::exists(source, ignored) && fs::path(source).extension() == ".txt")
    pictures = pictures_of_list(source, problems);
  else if (fs::exists(source, ignored))
    pictures = {source};
  else if (has_wildcards(source))
    pictures = only_pictures(files_of_pattern(source), problems);
  else
    throw ConfigError("source=" + source + ": there is no such file or folder");
  for (const DataProblem& problem : problems.take()) log::warning("source=" + source + ": " + describe(problem));
  if (pictures.empty())
    throw ConfigError("source=" + source + ": no " + picture_extensions() + " picture in it" + hint_at_folders(source));
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
