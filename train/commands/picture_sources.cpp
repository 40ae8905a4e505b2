#include "train/commands/picture_sources.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/base/written_path.h"
#include "core/image/picture.h"
#include "core/image/picture_names.h"
#include "core/io/file.h"
#include "core/io/read_only_file.h"
#include "core/io/shipped_files.h"
#include "core/io/utf8.h"
#include "core/video/video_programs.h"
#include "core/video/video_source.h"
#include "data/dataset/data_problem.h"
#include "data/dataset/hidden_files.h"
#include "train/commands/file_pattern.h"

namespace rtdetr {

namespace {

namespace fs = std::filesystem;

/// Where the videos go; nullptr: nobody asks for videos.
using Videos = std::vector<VideoSource>*;

/// A video that was found among other files.
void take_found(const fs::path& file, Videos videos, ProblemCollector& problems) {
  if (has_video_programs())
    videos->push_back({VideoSource::Kind::kFile, file.string()});
  else
    problems.warn("unsupported_format", "videos are read where ffmpeg is installed (apt-get install ffmpeg)",
                  [&] { return file.string(); });
}

/// ffmpeg takes a picture's address for a video of one frame.
void refuse_picture_elsewhere(const VideoSource& source) {
  const std::string path = source.place.substr(0, source.place.find_first_of("?#"));
  if (source.kind == VideoSource::Kind::kStream && path.starts_with("http") && has_picture_extension(path))
    throw ConfigError("source=" + source.shown() + ": pictures are not fetched; pipe it: curl -s " +
                      shell_word(source.shown()) + " | rtdetr predict source=- and the other keys");
}

/// What is typed or listed. @return  whether it is a video, a camera or a stream
bool take_named(const std::string& text, Videos videos) {
  if (!videos) return false;
  std::optional<VideoSource> source = live_source(text);
  std::error_code ignored;
  if (!source && !fs::is_directory(text, ignored) && is_video_file(text))
    source = VideoSource{VideoSource::Kind::kFile, text};
  if (!source) return false;
  refuse_picture_elsewhere(*source);
  find_video_programs();
  videos->push_back(std::move(*source));
  return true;
}

/// Whether a file that is called like a transport stream is none, e.g. TypeScript: packets begin with a byte of 0x47,
/// those of M2TS behind four bytes of time.
bool is_no_stream(const fs::path& file) {
  const std::string extension = lower_extension(file);
  if (extension != ".ts" && extension != ".mts") return false;
  std::array<char, 5> start{};
  std::ifstream stream(file, std::ios::binary);
  stream.read(start.data(), start.size());
  return start[0] != 0x47 && start[4] != 0x47;
}

/// What is in a folder or matches a pattern: pictures stay, those of other formats and hidden ones are reported.
std::vector<fs::path> only_pictures(const std::vector<fs::path>& files, Videos videos, ProblemCollector& problems) {
  std::vector<fs::path> pictures;
  for (const fs::path& file : files) {
    if (videos && has_video_extension(file) && !is_hidden(file)) {
      if (is_no_stream(file)) continue;
      take_found(file, videos, problems);
      continue;
    }
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

/// @param beside  folder that an entry may be relative to, if it is not to the working folder; "": none
std::vector<fs::path> pictures_of_lines(const std::vector<std::string>& lines, const fs::path& beside, Videos videos,
                                        ProblemCollector& problems) {
  std::vector<fs::path> pictures;
  for (const std::string& line : lines) {
    if (line.empty() || (line.starts_with('#') && !has_picture_extension(line))) continue;
    if (is_leftover(fs::path(line))) {
      report_hidden(fs::path(line), problems);
      continue;
    }
    std::error_code ignored;
    if (videos && !fs::exists(beside / line, ignored) && live_source(line) && take_named(line, videos)) continue;
    const std::string entry = expand_home(line);
    const fs::path written = find_written_path("", entry);
    const bool elsewhere = !beside.empty() && written.is_relative() && !fs::exists(written);
    const fs::path picture = elsewhere ? find_written_path(beside, entry) : written;
    if (!take_named(picture.string(), videos)) pictures.push_back(picture);
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

bool exists(const std::string& source) {
  std::error_code ignored;
  return fs::exists(source, ignored);
}

void warn_of(const std::string& source, ProblemCollector& problems) {
  for (const DataProblem& problem : problems.take())
    log::warning("source=" + without_passwords(source) + ": " + describe(problem));
}

std::vector<fs::path> pictures_of_one(const std::string& source, Videos videos) {
  const std::size_t before = videos ? videos->size() : 0;
  if (videos && (exists(source) || live_source(source)) && take_named(source, videos)) return {};
  if (source.find("://") != std::string::npos)
    throw ConfigError("source=" + without_passwords(source) + ": only files of this machine are read");
  std::vector<fs::path> pictures;
  ProblemCollector problems;
  std::error_code ignored;
  if (fs::is_directory(source, ignored))
    pictures = only_pictures(files_of_folder(source), videos, problems);
  else if (exists(source) && fs::path(source).extension() == ".txt")
    pictures = pictures_of_lines(read_text_lines(source), fs::path(source).parent_path(), videos, problems);
  else if (exists(source))
    pictures = {source};
  else if (has_wildcards(source))
    pictures = only_pictures(files_of_pattern(source), videos, problems);
  else
    throw ConfigError("source=" + source + ": there is no such file or folder" + nearest_file("", source));
  warn_of(source, problems);
  if (pictures.empty() && (!videos || videos->size() == before))
    throw ConfigError("source=" + source + ": no " + picture_extensions() + " picture in it" + hint_at_folders(source));
  return pictures;
}

/// Whether a text with commas begins with an address and has no other source behind it.
bool is_one_address(const std::string& text) {
  const std::vector<std::string> parts = split(text, ',');
  const auto is_address = [](const std::string& part) { return part.find("://") != std::string::npos; };
  return is_address(parts.front()) && std::none_of(parts.begin() + 1, parts.end(), [&](const std::string& part) {
           return is_address(part) || exists(expand_home(std::string(trim(part))));
         });
}

/// The sources between the commas; the whole text where there is something of that name, a pattern finds something, or
/// it is one address that has commas itself.
std::vector<std::string> sources_in(const std::string& text) {
  if (text.find(',') == std::string::npos || exists(text)) return {text};
  if (has_wildcards(text) && !files_matching(text).empty()) return {text};
  if (is_one_address(text)) return {text};
  std::vector<std::string> sources;
  for (const std::string& part : split(text, ','))
    if (const std::string source(trim(part)); !source.empty()) sources.push_back(expand_home(source));
  return sources.empty() ? std::vector<std::string>{text} : sources;
}

std::vector<std::byte> read_until_end(int input) {
  constexpr std::size_t kChunk = std::size_t{1} << 16U, kMost = std::size_t{1} << 33U;
  std::vector<std::byte> bytes;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    const ssize_t got = ::read(input, bytes.data() + before, kChunk);
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno != EINTR) throw IoError("source=-: standard input: " + errno_words(errno));
    if (got == 0) return bytes;
    if (bytes.size() > kMost) throw IoError("source=-: more than 8 GiB come through standard input");
  }
}

bool is_text(std::span<const std::byte> bytes) {
  constexpr std::size_t kLooked = 4096;
  return std::ranges::find(bytes.first(std::min(bytes.size(), kLooked)), std::byte{0}) ==
         bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), kLooked));
}

std::vector<std::string> lines_of(std::span<const std::byte> bytes) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> lines;
  for (const std::string& line : split(without_byte_order_mark(text), '\n')) lines.emplace_back(trim(line));
  return lines;
}

std::vector<fs::path> list_sources(const std::string& source, Videos videos) {
  std::vector<fs::path> pictures;
  std::vector<std::string> wrong;
  for (const std::string& one : sources_in(source)) {
    try {
      const std::vector<fs::path> more = pictures_of_one(one, videos);
      pictures.insert(pictures.end(), more.begin(), more.end());
    } catch (const ConfigError& error) {
      wrong.emplace_back(error.what());
    }
  }
  if (!wrong.empty()) throw ConfigError(join(wrong, "\n"));
  return pictures;
}

/// Whether one of the names could be a frame's of a video that is called `name`: <name>_<number>.
bool has_frame_of(const std::string& name, const std::set<std::string>& names) {
  const std::string begin = name + "_";
  for (auto other = names.lower_bound(begin); other != names.end() && other->starts_with(begin); ++other)
    if (other->size() > begin.size() && std::all_of(other->begin() + std::ssize(begin), other->end(), is_digit))
      return true;
  return false;
}

}  // namespace

std::vector<fs::path> list_pictures(const std::string& source) { return list_sources(source, nullptr); }

PredictedPictures predicted_pictures(const std::string& source, int input) {
  PredictedPictures listed;
  if (source != kStandardInput) {
    listed.files = list_sources(source, &listed.videos);
    return listed;
  }
  std::vector<std::byte> bytes = read_until_end(input);
  if (bytes.empty())
    throw ConfigError("source=-: nothing came through standard input; give a picture's bytes, or a list of pictures");
  if (!is_text(bytes)) return {{kStandardInput}, std::move(bytes), {}};
  ProblemCollector problems;
  listed.files = pictures_of_lines(lines_of(bytes), "", &listed.videos, problems);
  warn_of(source, problems);
  if (listed.files.empty() && listed.videos.empty())
    throw ConfigError("source=-: the list that came through standard input names no picture");
  return listed;
}

std::string written_stem(const std::string& stem, const std::string& ending, std::size_t more) {
  constexpr std::size_t kLongestName = 255, kExtension = 4;
  return std::string(first_characters(stem, kLongestName - kExtension - more - ending.size())) + ending;
}

std::vector<std::string> unique_stems(const std::vector<fs::path>& pictures, const std::vector<VideoSource>& videos) {
  std::set<std::string> taken;
  std::map<std::string, int> last_number;  // of each stem: pictures of many folders may share one
  std::vector<std::string> stems;
  const auto add = [&](const std::string& stem, std::size_t more, const auto& is_free) {
    std::string name = written_stem(stem, "", more);
    for (int& k = last_number.try_emplace(stem, 1).first->second; !is_free(name) || !taken.insert(name).second;)
      name = written_stem(stem, "-" + std::to_string(++k), more);
    stems.push_back(std::move(name));
  };
  for (const fs::path& picture : pictures)
    add(picture == kStandardInput ? "stdin" : picture.stem().string(), 0, [](const std::string&) { return true; });
  constexpr std::size_t kBehindVideos = 24;  // "_<number>" of a frame, ".sound.part" of the video
  for (const VideoSource& video : videos)
    add(video.stem(), kBehindVideos, [&](const std::string& name) { return !has_frame_of(name, taken); });
  return stems;
}

}  // namespace rtdetr
