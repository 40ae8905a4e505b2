#include "core/video/video_source.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/picture_names.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 18> kExtensions{".mp4", ".m4v",  ".mov", ".mkv", ".webm",  ".avi",
                                                       ".mpg", ".mpeg", ".ts",  ".mts", ".m2ts",  ".wmv",
                                                       ".asf", ".flv",  ".3gp", ".ogv", ".mjpeg", ".mxf"};

/// What an address of a kind may open on the way to its pictures.
struct StreamKind {
  std::string_view scheme;
  const char* protocols;
};
constexpr std::array<StreamKind, 5> kStreams{{{"rtsp", "rtsp,rtp,udp,tcp"},
                                              {"rtsps", "rtsps,rtsp,rtp,tcp,tls"},
                                              {"rtmp", "rtmp,tcp"},
                                              {"http", "http,https,httpproxy,tcp,tls,crypto"},
                                              {"https", "https,httpproxy,tcp,tls,crypto"}}};

std::string_view scheme_of(std::string_view address) { return address.substr(0, address.find("://")); }

const StreamKind* kind_of(std::string_view address) {
  const std::string scheme = lower_case(scheme_of(address));
  const auto* const found = std::ranges::find(kStreams, scheme, &StreamKind::scheme);
  return found == kStreams.end() ? nullptr : found;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 3 && std::ranges::all_of(text, is_digit);
}

/// The last part of an address's path that has a name, or else its host.
std::string name_in(const std::string& address) {
  const std::string shown = without_passwords(address);
  std::string name;
  for (const std::string& part :
       split(shown.substr(shown.find("://") + 3, shown.find_first_of("?#") - shown.find("://") - 3), '/'))
    if (!part.empty()) name = part;
  if (name.find('.') != std::string::npos && has_video_extension(name)) name = fs::path(name).stem().string();
  for (char& c : name)
    if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '.' && c != '-') c = '_';
  return name.empty() || name.starts_with('.') ? "stream" + name : name;
}

}  // namespace

std::string without_passwords(std::string text) {
  for (std::size_t begin = 0; (begin = text.find("://", begin)) != std::string::npos;) {
    begin += 3;
    const std::size_t at = text.substr(0, text.find_first_of("/?#", begin)).rfind('@');
    if (at != std::string::npos && at >= begin) text.erase(begin, at + 1 - begin);
  }
  return text;
}

std::string VideoSource::shown() const { return kind == Kind::kStream ? without_passwords(place) : place; }

std::string VideoSource::without_password(const std::string& text) const {
  std::string result = text;
  const std::string plain = shown();
  if (plain == place) return result;
  for (std::size_t at = 0; (at = result.find(place, at)) != std::string::npos; at += plain.size())
    result.replace(at, place.size(), plain);
  return result;
}

std::string VideoSource::stem() const {
  return kind == Kind::kStream ? name_in(place) : fs::path(place).stem().string();
}

std::vector<std::string> VideoSource::input() const {
  if (kind == Kind::kCamera) return {"-f", "v4l2", "-i", place};
  if (kind == Kind::kFile) return {"-protocol_whitelist", "file", "-i", "file:" + place};
  const StreamKind* stream = kind_of(place);
  std::vector<std::string> words{"-protocol_whitelist", stream ? stream->protocols : ""};
  if (stream && stream->scheme.starts_with("rtsp")) words.insert(words.end(), {"-rtsp_transport", "tcp"});
  words.insert(words.end(), {"-i", place});
  return words;
}

bool has_video_extension(const fs::path& file) {
  return std::ranges::find(kExtensions, lower_extension(file)) != kExtensions.end();
}

bool is_video_file(const fs::path& file) {
  if (has_video_extension(file)) return true;
  std::error_code ignored;
  if (has_picture_extension(file) || !fs::is_regular_file(file, ignored)) return false;
  std::array<char, kSignatureBytes> start{};
  std::ifstream stream(file, std::ios::binary);
  stream.read(start.data(), start.size());
  const std::string_view bytes(start.data(), static_cast<std::size_t>(stream.gcount()));
  return format_by_content(std::as_bytes(std::span(bytes))) == "a video" || bytes.starts_with("\x1A\x45\xDF\xA3") ||
         (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "AVI ");
}

std::optional<VideoSource> live_source(const std::string& text) {
  std::error_code ignored;
  if (text.find("://") != std::string::npos) {
    if (kind_of(text)) return VideoSource{VideoSource::Kind::kStream, text};
    throw ConfigError("source=" + without_passwords(text) +
                      ": streams are read from rtsp, rtsps, rtmp, http and https addresses, not " +
                      std::string(scheme_of(text)));
  }
  if (is_number(text) && !fs::exists(text, ignored))
    return VideoSource{VideoSource::Kind::kCamera, "/dev/video" + text};
  if (text.starts_with("/dev/video")) return VideoSource{VideoSource::Kind::kCamera, text};
  return std::nullopt;
}

}  // namespace rtdetr
