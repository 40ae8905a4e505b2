#include "data/formats/coco_annotations.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "data/dataset/id_index.h"
#include "data/formats/coco_records.h"

namespace rtdetr {
namespace {

using Token = JsonReader::Token;

void report_missing(const char* list, ProblemCollector& problems) {
  problems.error("missing_list", "the file has no such list", [&] { return std::string(list); });
}

/// The list that the key just read names; null is as if the key were missing.
template <class Record, class ReadOne>
void read_list(JsonReader& json, const char* list, std::vector<Record>& records, ProblemCollector& problems,
               ReadOne&& read_one) {
  const Token token = json.next();
  if (token == Token::kNull) return report_missing(list, problems);
  if (token != Token::kBeginArray) {
    problems.error("bad_list", "a part of the file that must be a list is none", [&] { return std::string(list); });
    json.skip(token);
    return;
  }
  read_json_list<Record>(
      json, {problems, "bad_field", "fields are missing or of the wrong type"}, list,
      [&](Record& record, JsonRecord& reader) { return read_one(json, reader, record); },
      [&](Record&& record) { records.push_back(std::move(record)); });
}

/// Keeps the first record of every id, in file order. Records alike are harmless, others make the id ambiguous.
template <class Record, class Alike>
void drop_repeated_ids(std::vector<Record>& records, const char* kind, const std::string& what, Alike&& alike,
                       ProblemCollector& problems) {
  std::vector<std::size_t> order(records.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return records[a].id < records[b].id; });
  std::vector<bool> repeated(records.size(), false);
  for (std::size_t first = 0, i = 1; i < order.size(); ++i) {
    const Record &kept = records[order[first]], &other = records[order[i]];
    if (kept.id != other.id) {
      first = i;
      continue;
    }
    repeated[order[i]] = true;
    const auto place = [&] { return what + " id " + std::to_string(other.id); };
    if (alike(kept, other)) {
      problems.warn(kind, "listed more than once; taken once", place);
    } else {
      problems.error(kind, "one id stands for different entries; give each an id of its own", place);
    }
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (repeated[i]) continue;
    if (kept != i) records[kept] = std::move(records[i]);
    ++kept;
  }
  records.resize(kept);
}

template <class Record>
IdIndex index_ids(const std::vector<Record>& records) {
  std::vector<std::int64_t> ids;
  ids.reserve(records.size());
  for (const Record& record : records) ids.push_back(record.id);
  return IdIndex(ids);
}

void check_annotations(const CocoAnnotations& file, ProblemCollector& problems) {
  const IdIndex images = index_ids(file.images), categories = index_ids(file.categories);
  std::vector<std::int64_t> ids;
  ids.reserve(file.annotations.size());
  for (const MetricTruth& truth : file.annotations) {
    ids.push_back(truth.annotation_id);
    const auto place = [&](const char* what, std::int64_t id) {
      return "annotation id " + std::to_string(truth.annotation_id) + ": " + what + " " + std::to_string(id);
    };
    if (images.find(truth.image_id) == IdIndex::kNone) {
      problems.warn("unknown_image", "annotations are of images that the file does not list; left out",
                    [&] { return place("image_id", truth.image_id); });
    }
    if (categories.find(truth.category_id) == IdIndex::kNone) {
      problems.warn("unknown_category", "annotations are of categories that the file does not list; left out",
                    [&] { return place("category_id", truth.category_id); });
    }
  }
  std::sort(ids.begin(), ids.end());
  for (std::size_t i = 1; i < ids.size(); ++i) {
    if (ids[i] != ids[i - 1]) continue;
    problems.warn("duplicate_annotation_id", "annotation ids are used more than once; every annotation is kept",
                  [&] { return "annotation id " + std::to_string(ids[i]); });
  }
  if (std::binary_search(ids.begin(), ids.end(), 0)) {
    problems.warn("annotation_id_0",
                  "COCO's metric counts what is matched to the annotation id 0 as false; number from 1",
                  [] { return std::string("annotation id 0"); });
  }
}

/// Marks unused namesakes and warns of what shares its name. @param file  categories by ascending id
void check_category_names(CocoAnnotations& file, ProblemCollector& problems) {
  const IdIndex categories = index_ids(file.categories);
  std::vector<bool> used(file.categories.size(), false);
  for (const MetricTruth& truth : file.annotations) {
    if (const auto at = categories.find(truth.category_id); at != IdIndex::kNone) used[at] = true;
  }
  std::map<std::string, std::size_t> kept;  // by name: a used category, or else the last
  for (std::size_t i = 0; i < used.size(); ++i) {
    const auto inserted = kept.emplace(file.categories[i].name, i);
    if (inserted.second) continue;
    const auto at = inserted.first;
    const std::size_t other = at->second;
    const auto place = [&] {
      return "'" + at->first + "': ids " + std::to_string(file.categories[other].id) + " and " +
             std::to_string(file.categories[i].id);
    };
    if (used[i] && used[other]) {
      problems.warn("duplicate_category_name", "categories with different ids have one name", place);
      continue;
    }
    problems.warn(
        "unused_namesake",
        "categories have the name of another and nothing is annotated with them, as Roboflow's root; no class", place);
    file.categories[used[other] ? i : other].unused_namesake = true;
    if (!used[other]) at->second = i;
  }
}

CocoAnnotations read(JsonReader& json) {
  CocoAnnotations file;
  ProblemCollector problems;
  if (json.next() != Token::kBeginObject) {
    json.fail("a COCO annotation file is one object with the lists images, annotations and categories");
  }
  bool images = false, annotations = false, categories = false;
  const auto first_time = [&](bool& seen, const char* list) {
    if (std::exchange(seen, true)) json.fail(std::string("'") + list + "' stands twice");
    return list;
  };
  while (json.next() == Token::kKey) {
    if (json.text() == "images") {
      read_list(json, first_time(images, "images"), file.images, problems, read_coco_image);
    } else if (json.text() == "annotations") {
      read_list(json, first_time(annotations, "annotations"), file.annotations, problems, read_coco_annotation);
    } else if (json.text() == "categories") {
      read_list(json, first_time(categories, "categories"), file.categories, problems, read_coco_category);
    } else {
      json.skip_next();
    }
  }
  json.next();
  const auto missing = [&](bool seen, const char* list) {
    if (!seen) report_missing(list, problems);
  };
  missing(images, "images");
  missing(annotations, "annotations");
  missing(categories, "categories");

  drop_repeated_ids(
      file.images, "duplicate_image_id", "image",
      [](const auto& a, const auto& b) { return a.file_name == b.file_name; }, problems);
  drop_repeated_ids(
      file.categories, "duplicate_category_id", "category",
      [](const auto& a, const auto& b) { return a.name == b.name; }, problems);
  std::sort(file.categories.begin(), file.categories.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  constexpr std::size_t kMostCategories = 20'000;  // the metric has 97 kB of curves for each
  if (file.categories.size() > kMostCategories)
    throw DataError(json.name() + ": has " + with_thousands(static_cast<long long>(file.categories.size())) +
                    " categories; at most " + with_thousands(static_cast<long long>(kMostCategories)) + " are read");
  check_annotations(file, problems);
  check_category_names(file, problems);
  file.problems = problems.take();
  for (DataProblem& problem : file.problems) {
    problem.where = json.name() + ": " + problem.where;
    problem.places.front() = problem.where;
  }
  return file;
}

}  // namespace

CocoAnnotations read_coco_annotations(const std::filesystem::path& file) {
  JsonReader json(file);
  return read(json);
}

CocoAnnotations parse_coco_annotations(std::string_view text, const std::string& name) {
  JsonReader json(text, name);
  return read(json);
}

MetricInput take_metric_input(CocoAnnotations& file) {
  MetricInput input;
  for (const auto& image : file.images) input.image_ids.push_back(image.id);
  for (const auto& category : file.categories) input.category_ids.push_back(category.id);
  input.truths = std::move(file.annotations);
  return input;
}

}  // namespace rtdetr
