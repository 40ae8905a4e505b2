#include "data/dataset/annotation_format.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/picture_names.h"
#include "core/io/json_reader.h"
#include "data/dataset/hidden_files.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;
using Token = JsonReader::Token;

constexpr std::string_view kRead =
    "annotations are read in the formats of COCO, VOC, labelme, CVAT, Label Studio, VIA, "
    "Datumaro, KITTI and Open Images, and as a table of boxes";

RecognisedFormat refused(const fs::path& annotations, std::string_view why) {
  return {AnnotationFormat::kCoco, annotations.string() + ": " + std::string(kRead) + std::string(why)};
}

/// The file's first bytes; empty if it cannot be read.
std::string start_of(const fs::path& file) {
  std::string text(std::size_t{1} << 12, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return std::string(without_byte_order_mark(text));
}

/// The name of the outermost element: what follows the first '<' that begins no declaration or remark.
std::string outermost_element(std::string_view text) {
  for (std::size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    if (text.substr(at).starts_with("<!--")) at = std::min(text.find("-->", at), text.size() - 1);
    const std::size_t end = text.find_first_of(" \t\r\n/>", at + 1);
    const std::string_view name = text.substr(at + 1, std::min(end, text.size()) - at - 1);
    if (!name.empty() && name[0] != '?' && name[0] != '!' && name[0] != '-') return std::string(name);
  }
  return "";
}

/// Whether the object just begun is one of VIA's entries; it is passed over.
bool is_via_entry(JsonReader& json) {
  bool file = false, regions = false;
  while (json.next() == Token::kKey) {
    file = file || json.text() == "filename";
    regions = regions || json.text() == "regions";
    json.skip_next();
  }
  return file && regions;
}

/// Whether the object just begun is a task of Label Studio; a list of COCO's results, e.g., has other keys.
bool is_task(JsonReader& json) {
  while (json.next() == Token::kKey) {
    for (const char* key : {"data", "annotations", "completions", "annotation_id"}) {
      if (json.text() == key) return true;
    }
    json.skip_next();
  }
  return false;
}

/// By the first key that only one format has. COCO's reader also says what is wrong with other JSON.
AnnotationFormat format_of_object(JsonReader& json) {
  for (Token token = json.next(); token == Token::kKey; token = json.next()) {
    const std::string key(json.text());
    if (key.starts_with("_via_")) return AnnotationFormat::kVia;
    if (key == "dm_format_version" || key == "items") return AnnotationFormat::kDatumaro;
    if (key == "shapes") return AnnotationFormat::kLabelme;
    if (key == "imageData") {
      json.skip_next();
      continue;
    }
    const Token value = json.next();
    if (key == "images" || key == "annotations") return AnnotationFormat::kCoco;
    if (key == "categories")
      return value == Token::kBeginObject ? AnnotationFormat::kDatumaro : AnnotationFormat::kCoco;
    if (value == Token::kBeginObject && key != "info" && key != "infos") {
      if (is_via_entry(json)) return AnnotationFormat::kVia;
    } else {
      json.skip(value);
    }
  }
  return AnnotationFormat::kCoco;
}

AnnotationFormat format_of_json(const fs::path& file) {
  try {
    JsonReader json(file);
    const Token first = json.next();
    if (first == Token::kBeginObject) return format_of_object(json);
    if (first == Token::kBeginArray && json.next() == Token::kBeginObject && is_task(json))
      return AnnotationFormat::kLabelStudio;
  } catch (const Error&) {
    // its reader says so
  }
  return AnnotationFormat::kCoco;
}

RecognisedFormat format_of_table(const fs::path& file) {
  const std::string start = lower_case(start_of(file));
  const std::string header = start.substr(0, start.find('\n'));
  const auto has = [&](const char* column) { return header.find(column) != std::string::npos; };
  if (has("region_shape_attributes")) return {AnnotationFormat::kVia, ""};
  if (has("imageid") && has("labelname")) return {AnnotationFormat::kOpenImages, ""};
  if (has("filename") && has("class") && has("xmin")) return {AnnotationFormat::kCsv, ""};
  return refused(file,
                 "; a table needs a header with filename, class, xmin, ymin, xmax and ymax, Open Images' or VIA's");
}

/// KITTI's rows begin with a name, YOLO's with a number.
bool is_kitti(const fs::path& file) {
  const std::string start = start_of(file);
  const std::string_view word = trim(std::string_view(start).substr(0, start.find(' ')));
  constexpr long kBlanks = 14;
  const auto line_end = start.begin() + static_cast<std::ptrdiff_t>(std::min(start.find('\n'), start.size()));
  return !word.empty() && !parse_double(word) && std::count(start.begin(), line_end, ' ') >= kBlanks;
}

/// Files of one kind below a folder. The first ones by name that are not empty are looked into: one may be broken.
struct FilesOfKind {
  std::set<fs::path> first;
  int count = 0;

  void add(const fs::directory_entry& file) {
    constexpr std::size_t kMostLookedInto = 8;
    ++count;
    std::error_code ignored;
    if (file.file_size(ignored) == 0 || ignored) return;
    first.insert(file.path());
    if (first.size() > kMostLookedInto) first.erase(std::prev(first.end()));
  }
};

/// By suffix, those that annotations have.
std::map<std::string, FilesOfKind> look_into(const fs::path& folder) {
  std::map<std::string, FilesOfKind> found;
  ProblemCollector unheard;  // whoever reads the files says what is odd, and what cannot be read
  try {
    walk_folder(folder, unheard, [&](const fs::directory_entry& entry) {
      const std::string suffix = lower_extension(entry.path());
      if (suffix == ".xml" || suffix == ".json" || suffix == ".txt" || suffix == ".csv") found[suffix].add(entry);
    });
  } catch (const IoError&) {  // of what was found so far it can be told all the same
  }
  return found;
}

RecognisedFormat format_of_folder(const fs::path& folder) {
  const auto found = look_into(folder);
  if (found.empty() || found.contains(".xml")) return {AnnotationFormat::kVoc, ""};
  const auto most = std::max_element(found.begin(), found.end(),
                                     [](const auto& a, const auto& b) { return a.second.count < b.second.count; });
  const std::string& suffix = most->first;
  for (const fs::path& file : most->second.first) {
    if (suffix == ".json" && format_of_json(file) == AnnotationFormat::kLabelme)
      return {AnnotationFormat::kLabelme, ""};
    if (suffix == ".txt" && is_kitti(file)) return {AnnotationFormat::kKitti, ""};
  }
  const std::string what = " holds " + suffix + " files";
  if (suffix == ".txt") {
    return refused(folder, what +
                               " that are not KITTI's; YOLO's are found beside the pictures: "
                               "'train: FOLDER_OF_PICTURES'");
  }
  if (suffix == ".json")
    return refused(folder, what + " that are not labelme's; of other formats name the file itself");
  return refused(folder, what + "; name the file itself");
}

RecognisedFormat format_of_file(const fs::path& file) {
  const std::string suffix = lower_extension(file);
  if (suffix == ".csv") return format_of_table(file);
  if (suffix == ".xml") {
    if (outermost_element(start_of(file)) == "annotations") return {AnnotationFormat::kCvat, ""};
    return refused(file, "; of VOC's the folder is given");
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kForeign{{
      {".txt", "; YOLO's are found beside the pictures: 'train: FOLDER_OF_PICTURES'; of KITTI's the folder is given"},
      {".jsonl", "; JSON Lines have to be converted"},
      {".ndjson", "; JSON Lines have to be converted"},
      {".gz", "; unpack it"},
      {".zip", "; unpack it"},
      {".record", "; TFRecords have to be converted"},
      {".tfrecord", "; TFRecords have to be converted"},
      {".parquet", "; a table of this kind has to be converted to .csv"},
  }};
  for (const auto& [foreign, advice] : kForeign) {
    if (suffix == foreign) return refused(file, advice);
  }
  const AnnotationFormat format = format_of_json(file);
  if (format == AnnotationFormat::kLabelme) return refused(file, "; of labelme's the folder is given");
  return {format, ""};
}

/// Whether YOLO's labels are where they are looked for: in the folder that has `labels` for `images`.
bool has_labels_folder(const fs::path& folder) {
  std::vector<fs::path> parts;
  for (const fs::path& part : folder) parts.push_back(part);
  const auto images = std::find(parts.rbegin(), parts.rend(), "images");
  if (images == parts.rend()) return false;
  *images = "labels";
  fs::path labels;
  for (const fs::path& part : parts) labels /= part;
  std::error_code ignored;
  return fs::is_directory(labels, ignored);
}

}  // namespace

RecognisedFormat recognise_annotations(const fs::path& annotations) {
  std::error_code ignored;
  if (fs::is_directory(annotations, ignored)) return format_of_folder(annotations);
  if (!fs::exists(annotations, ignored)) return {};
  return format_of_file(annotations);
}

std::optional<AnnotatedFolder> find_annotations_in(const fs::path& folder) {
  std::error_code ignored;
  if (const fs::path coco = folder / "_annotations.coco.json"; fs::exists(coco, ignored))
    return AnnotatedFolder{AnnotationFormat::kCoco, coco};
  if (const fs::path csv = folder / "_annotations.csv"; fs::exists(csv, ignored))
    return AnnotatedFolder{AnnotationFormat::kCsv, csv};
  if (has_labels_folder(folder)) return std::nullopt;
  FilesOfKind json, xml;
  std::set<fs::path> texts, pictures;  // stems
  std::error_code fault;
  for (fs::directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
    if (is_hidden(at->path())) continue;
    const std::string suffix = lower_extension(at->path());
    if (suffix == ".txt") texts.insert(at->path().stem());
    if (has_picture_extension(at->path())) pictures.insert(at->path().stem());
    if (suffix == ".json") json.add(*at);
    if (suffix == ".xml") xml.add(*at);
  }
  if (std::ranges::any_of(texts, [&](const fs::path& stem) { return pictures.contains(stem); })) return std::nullopt;
  for (const fs::path& file : xml.first) {
    if (outermost_element(start_of(file)) == "annotation") return AnnotatedFolder{AnnotationFormat::kVoc, folder};
  }
  for (const fs::path& file : json.first) {
    if (format_of_json(file) == AnnotationFormat::kLabelme) return AnnotatedFolder{AnnotationFormat::kLabelme, folder};
  }
  return std::nullopt;
}

std::string format_title(AnnotationFormat format) {
  switch (format) {
    case AnnotationFormat::kYolo:
      return "YOLO";
    case AnnotationFormat::kCoco:
      return "COCO";
    case AnnotationFormat::kVoc:
      return "Pascal VOC";
    case AnnotationFormat::kLabelme:
      return "labelme";
    case AnnotationFormat::kCvat:
      return "CVAT";
    case AnnotationFormat::kLabelStudio:
      return "Label Studio";
    case AnnotationFormat::kVia:
      return "VIA";
    case AnnotationFormat::kDatumaro:
      return "Datumaro";
    case AnnotationFormat::kKitti:
      return "KITTI";
    case AnnotationFormat::kCsv:
      return "a table of boxes";
    case AnnotationFormat::kOpenImages:
      return "Open Images";
  }
  throw InternalError("a format that has no title");
}

}  // namespace rtdetr
