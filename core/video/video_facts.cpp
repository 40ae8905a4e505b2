#include "core/video/video_facts.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/video/piped_program.h"

namespace rtdetr {
namespace {

using nlohmann::json;

constexpr double kFastest = 1000;         ///< frames a second; what says more says its clock's ticks
constexpr std::int64_t kLargest = 65535;  ///< pixels of a side

std::string text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t whole_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

/// "30000/1001" or, of aspects, "16:11"; nullopt unless both are above zero.
std::optional<Ratio> ratio_of(const std::string& text, char between) {
  const std::vector<std::string> parts = split(text, between);
  if (parts.size() != 2) return std::nullopt;
  const auto num = parse_integer(parts[0]), den = parse_integer(parts[1]);
  return num && den && *num > 0 && *den > 0 ? std::optional(Ratio{*num, *den}) : std::nullopt;
}

Ratio rate_of(const json& stream) {
  for (const char* key : {"avg_frame_rate", "r_frame_rate"})
    if (const auto rate = ratio_of(text_in(stream, key), '/'); rate && rate->value() <= kFastest) return *rate;
  return {25, 1};
}

int turned_by(const json& stream) {
  double counter_clockwise = 0;
  if (const auto sides = stream.find("side_data_list"); sides != stream.end() && sides->is_array())
    for (const json& side : *sides)
      if (side.is_object() && side.contains("rotation") && side["rotation"].is_number())
        counter_clockwise = side["rotation"].get<double>();
  if (!(std::abs(counter_clockwise) <= 360)) return 0;
  const int clockwise = static_cast<int>(std::lround(-counter_clockwise));
  return clockwise % 90 == 0 ? (clockwise % 360 + 360) % 360 : 0;
}

/// "8.5", or as Matroska's tags have it "00:00:08.500000000"; 0 for what is none.
double seconds_in(const std::string& text) {
  double seconds = 0;
  for (const std::string& part : split(text, ':')) {
    const auto number = parse_double(part);
    if (!number || !(*number >= 0)) return 0;
    seconds = 60 * seconds + *number;
  }
  return seconds < 1e9 ? seconds : 0;
}

/// Of the stream itself; Matroska and WebM have it in a tag.
double own_seconds_of(const json& stream) {
  const double seconds = seconds_in(text_in(stream, "duration"));
  return seconds > 0 ? seconds : seconds_in(text_in(stream.value("tags", json::object()), "DURATION"));
}

/// Covers of music are videos of one picture to ffprobe.
bool is_cover(const json& stream) {
  const auto disposition = stream.find("disposition");
  return disposition != stream.end() && disposition->is_object() && whole_in(*disposition, "attached_pic") != 0;
}

void read_stream(const json& stream, const json& document, VideoFacts& facts) {
  facts.width = static_cast<int>(std::min(whole_in(stream, "width"), kLargest + 1));
  facts.height = static_cast<int>(std::min(whole_in(stream, "height"), kLargest + 1));
  facts.rate = rate_of(stream);
  facts.turned = turned_by(stream);
  facts.pixel_aspect = ratio_of(text_in(stream, "sample_aspect_ratio"), ':').value_or(Ratio{1, 1});
  if (facts.turned % 180 != 0) {
    std::swap(facts.width, facts.height);
    std::swap(facts.pixel_aspect.num, facts.pixel_aspect.den);
  }
  const auto counted = parse_integer(text_in(stream, "nb_frames"));
  facts.counted = counted && *counted > 0;
  facts.seconds = own_seconds_of(stream);
  facts.own_length = facts.seconds > 0;
  if (!facts.own_length) facts.seconds = seconds_in(text_in(document.value("format", json::object()), "duration"));
  facts.frames = facts.counted ? *counted : std::llround(facts.seconds * facts.rate.value());
  const std::string colours = text_in(stream, "color_space");
  facts.names_colours = !colours.empty() && colours != "unknown";
}

ProgramOutput answer_of(const VideoPrograms& programs, const VideoSource& source, std::vector<std::string> words,
                        double limit_s, const std::function<bool()>& stop) {
  try {
    return run_to_end(programs.ffprobe, std::move(words), limit_s, stop);
  } catch (const IoError& error) {
    throw IoError(source.shown() + ": " + source.without_password(error.what()));
  }
}

}  // namespace

VideoFacts parse_video_facts(const std::string& text, const std::string& name) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) throw DataError(name + ": ffprobe's answer is no JSON");
  VideoFacts facts;
  bool found = false;
  for (const json& stream : document.value("streams", json::array())) {
    const std::string kind = text_in(stream, "codec_type");
    facts.has_sound = facts.has_sound || kind == "audio";
    if (kind == "video" && !found && !is_cover(stream)) {
      read_stream(stream, document, facts);
      found = true;
    }
  }
  if (!found) throw DataError(name + ": there is no video in it");
  if (facts.width < 1 || facts.height < 1 || facts.width > kLargest || facts.height > kLargest)
    throw DataError(name + ": its video has frames of " + std::to_string(facts.width) + "x" +
                    std::to_string(facts.height) + " pixels");
  return facts;
}

VideoFacts probe_video(const VideoPrograms& programs, const VideoSource& source, double limit_s,
                       const std::function<bool()>& stop) {
  const std::string entries =
      "stream=codec_type,width,height,avg_frame_rate,r_frame_rate,nb_frames,duration,sample_aspect_ratio,color_space:"
      "stream_disposition=attached_pic:stream_side_data=rotation:stream_tags=DURATION:format=duration";
  std::vector<std::string> words{"-v", "error", "-of", "json", "-show_entries", entries};
  for (std::string& word : source.input()) words.push_back(std::move(word));
  const ProgramOutput answer = answer_of(programs, source, std::move(words), limit_s, stop);
  if (answer.stopped) throw IoError(source.shown() + ": stopped before ffprobe knew what it is");
  if (answer.code != 0)
    throw DataError(source.shown() + ": no video that ffprobe can read" +
                    (answer.last_words.empty() ? "" : "; it says: " + source.without_password(answer.last_words)));
  return parse_video_facts(answer.text, source.shown());
}

}  // namespace rtdetr
