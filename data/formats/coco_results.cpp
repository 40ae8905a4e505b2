#include "data/formats/coco_results.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/error.h"
#include "core/io/file.h"
#include "data/dataset/data_problem.h"
#include "data/formats/json_record.h"

namespace rtdetr {
namespace {

using Token = JsonReader::Token;

std::optional<double> take_finite(JsonReader& json) {
  const auto value = json.take_number();
  return value && std::isfinite(*value) ? value : std::nullopt;
}

enum : unsigned { kImage = 1, kCategory = 2, kBox = 4, kScore = 8 };

bool read_result(JsonReader& json, JsonRecord& reader, MetricDetection& record) {
  reader.read([&](std::string_view key) {
    if (key == "image_id") return reader.take(kImage, record.image_id, json.take_integer(), kWholeNumber);
    if (key == "category_id") return reader.take(kCategory, record.category_id, json.take_integer(), kWholeNumber);
    if (key == "bbox") return reader.take(kBox, record.box_xywh, json.take_box(), "[x, y, w, h]");
    if (key == "detections") reader.complain("is a picture with its detections, as predict writes; val writes results");
    if (key == "score") return reader.take(kScore, record.score, take_finite(json), "a finite number");
    return false;
  });
  reader.require(kImage, "image_id");
  reader.require(kCategory, "category_id");
  reader.require(kBox, "bbox");
  reader.require(kScore, "score");
  return reader.good();
}

/// The keys in the order in which this program, pycocotools and most others write them.
bool take_usual_result(JsonReader& json, MetricDetection& record) {
  static constexpr std::array<JsonReader::NumberField, 4> kFields{
      {{"image_id", 0, true}, {"category_id", 0, true}, {"bbox", 4}, {"score"}}};
  std::array<double, 7> values;
  if (!json.take_number_object(kFields, values.data())) return false;
  record.image_id = static_cast<std::int64_t>(values[0]);
  record.category_id = static_cast<std::int64_t>(values[1]);
  std::copy_n(values.begin() + 2, 4, record.box_xywh.begin());
  record.score = values[6];
  return true;
}

/// Text of the numbers of one record.
class Line {
 public:
  void add(std::string_view text) { text_ += text; }
  void add(std::int64_t value) { append(value); }
  void add(double value) {
    if (!std::isfinite(value)) throw DataError("a detection has a box or score that is not a finite number");
    append(value);
  }
  std::string text_;

 private:
  template <class Number>
  void append(Number value) {
    std::array<char, 32> digits;
    text_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
  }
};

std::vector<MetricDetection> read(JsonReader& json, std::size_t expected) {
  std::vector<MetricDetection> records;
  records.reserve(expected);
  if (const Token token = json.next(); token != Token::kBeginArray) {
    json.fail(std::string("a result file is a list of {image_id, category_id, bbox, score}") +
              (token == Token::kBeginObject
                   ? ", not an object; 'jq .annotations FILE' prints the list of an annotation "
                     "file, 'jq -s . FILE' makes one of a record a line"
                   : ""));
  }
  ProblemCollector problems;
  read_json_list<MetricDetection>(
      json, {problems, "bad_result", "records are not {image_id, category_id, bbox, score}"}, "results",
      [&](MetricDetection& record, JsonRecord& reader) { return read_result(json, reader, record); },
      [&](MetricDetection&& record) { records.push_back(record); },
      [&](MetricDetection& record) { return take_usual_result(json, record); });
  json.next();
  throw_if_errors(problems.take(), json.name());
  return records;
}

}  // namespace

std::vector<MetricDetection> read_coco_results(const std::filesystem::path& file) {
  constexpr std::uintmax_t kShortestRecord = 64;  // bytes of text: records are seldom moved
  constexpr std::uintmax_t kMostReserved = std::uintmax_t{1} << 24;
  JsonReader json(file);
  std::error_code unknown_size;
  const auto bytes = std::filesystem::file_size(file, unknown_size);
  return read(json, unknown_size ? 0 : static_cast<std::size_t>(std::min(bytes / kShortestRecord + 1, kMostReserved)));
}

std::vector<MetricDetection> parse_coco_results(std::string_view text, const std::string& name) {
  JsonReader json(text, name);
  return read(json, 0);
}

void write_coco_results(const std::filesystem::path& file, std::span<const MetricDetection> detections) {
  constexpr std::size_t kBlock = std::size_t{1} << 16;
  write_file_atomically(file, [&](FileSink& sink) {
    Line line;
    line.add("[");
    for (std::size_t i = 0; i < detections.size(); ++i) {
      const MetricDetection& d = detections[i];
      line.add(i == 0 ? "\n{\"image_id\":" : ",\n{\"image_id\":");
      line.add(d.image_id);
      line.add(",\"category_id\":");
      line.add(d.category_id);
      for (int j = 0; j < 4; ++j) {
        line.add(j == 0 ? ",\"bbox\":[" : ",");
        line.add(d.box_xywh[j]);
      }
      line.add("],\"score\":");
      line.add(d.score);
      line.add("}");
      if (line.text_.size() > kBlock) {
        sink.write(line.text_);
        line.text_.clear();
      }
    }
    line.add("\n]\n");
    sink.write(line.text_);
  });
}

}  // namespace rtdetr
