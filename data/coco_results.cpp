#include "data/coco_results.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/io/error.h"
#include "core/io/file.h"
#include "data/data_problem.h"
#include "data/json_reader.h"

namespace rtdetr {
namespace {

using Token = JsonReader::Token;

enum Field : unsigned { kImage = 1, kCategory = 2, kBox = 4, kScore = 8, kAllFields = 15 };

Field field_of(std::string_view key) {
  if (key == "image_id") return kImage;
  if (key == "category_id") return kCategory;
  if (key == "bbox") return kBox;
  return key == "score" ? kScore : Field{};
}

const char* name_of(unsigned field) {
  return field == kImage ? "image_id" : field == kCategory ? "category_id" : field == kBox ? "bbox" : "score";
}

const char* rule_of(unsigned field) {
  return field == kBox     ? "must be [x, y, w, h]"
         : field == kScore ? "must be a finite number"
                           : "must be a whole number";
}

template <class Value>
bool assign(Value& to, const std::optional<Value>& from) {
  if (from) to = *from;
  return from.has_value();
}

bool take_field(JsonReader& json, Field field, MetricDetection& record) {
  switch (field) {
    case kImage:
      return assign(record.image_id, json.take_integer());
    case kCategory:
      return assign(record.category_id, json.take_integer());
    case kBox:
      return assign(record.box_xywh, json.take_box());
    default:
      return assign(record.score, json.take_number());
  }
}

/// Reads the record that was just begun; complains and returns false if it is not usable.
bool read_record(JsonReader& json, std::size_t index, MetricDetection& record, ProblemCollector& problems) {
  const auto complain = [&](unsigned field, const std::string& fault) {
    problems.error("bad_result", "records are not {image_id, category_id, bbox, score}",
                   [&] { return "results[" + std::to_string(index) + "]: '" + name_of(field) + "' " + fault; });
    return false;
  };
  unsigned seen = 0;
  bool good = true;
  while (json.next() == Token::kKey) {
    const Field field = field_of(json.text());
    if (field == Field{}) {
      json.skip(json.next());
      continue;
    }
    if (seen & field) good = complain(field, "stands twice");
    seen |= field;
    if (!take_field(json, field, record)) {
      good = complain(field, std::string(rule_of(field)) + ", not " + json.describe_value());
    } else if (field == kScore && !std::isfinite(record.score)) {
      good = complain(field, "must be a finite number");
    }
  }
  for (unsigned field = kImage; field <= kScore; field *= 2) {
    if (!(seen & field)) good = complain(field, "is missing");
  }
  return good;
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

}  // namespace

std::vector<MetricDetection> read_coco_results(const std::filesystem::path& file) {
  constexpr std::uintmax_t kShortestRecord = 64;  // bytes of text: records are seldom moved
  constexpr std::uintmax_t kMostReserved = std::uintmax_t{1} << 24;
  JsonReader json(file);
  std::vector<MetricDetection> records;
  std::error_code unknown_size;
  const auto bytes = std::filesystem::file_size(file, unknown_size);
  if (!unknown_size) records.reserve(std::min(bytes / kShortestRecord + 1, kMostReserved));

  if (json.next() != Token::kBeginArray) json.fail("a result file is a list of {image_id, category_id, bbox, score}");
  ProblemCollector problems;
  std::size_t index = 0;
  for (Token token; (token = json.next()) != Token::kEndArray; ++index) {
    if (token != Token::kBeginObject) {
      problems.error("bad_result", "records are not {image_id, category_id, bbox, score}",
                     [&] { return "results[" + std::to_string(index) + "] is no object"; });
      json.skip(token);
      continue;
    }
    MetricDetection record;
    if (read_record(json, index, record, problems)) records.push_back(record);
  }
  json.next();
  throw_if_errors(problems.take(), file.string());
  return records;
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
