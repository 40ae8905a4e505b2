// Label rows longer than a box: which are polygons, which key points, and which nobody can tell.

#include "data/dataset/key_points.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/text.h"
#include "data/dataset/dataset.h"
#include "data/formats/yolo_labels.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Severity = DataProblem::Severity;

namespace {

struct ParsedRows {
  std::vector<YoloBox> boxes;
  std::vector<DataProblem> problems;
};

ParsedRows parse_rows(std::string_view text, const KeyPointShape& shape = {}) {
  ProblemCollector problems;
  ParsedRows parsed;
  parsed.boxes = parse_yolo_labels(text, "a.txt", 3, problems, shape);
  parsed.problems = problems.take();
  return parsed;
}

std::string row(const std::vector<double>& values) {
  std::string text = "0";
  for (const double value : values) text.append(" ").append(format_double(value));
  return text + "\n";
}

/// A box anywhere in the picture with `count` key points in it, some of them not labelled.
std::vector<double> pose(Random& random, int count, int values) {
  const double w = random.uniform(0.1, 0.5), h = random.uniform(0.1, 0.5);
  std::vector<double> numbers{random.uniform(w / 2, 1 - w / 2), random.uniform(h / 2, 1 - h / 2), w, h};
  for (int i = 0; i < count; ++i) {
    const bool labelled = random.below(8) > 0;
    numbers.push_back(labelled ? numbers[0] + random.uniform(-w / 2, w / 2) : 0);
    numbers.push_back(labelled ? numbers[1] + random.uniform(-h / 2, h / 2) : 0);
    if (values == 3) numbers.push_back(labelled ? 1.0 + static_cast<double>(random.below(2)) : 0);
  }
  return numbers;
}

/// Points around a centre anywhere in the picture.
std::vector<double> polygon(Random& random, int points) {
  const double radius = random.uniform(0.03, 0.25), pi = std::acos(-1);
  const double x = random.uniform(radius, 1 - radius), y = random.uniform(radius, 1 - radius);
  std::vector<double> numbers;
  for (int i = 0; i < points; ++i) {
    const double r = radius * random.uniform(0.5, 1);
    numbers.push_back(x + r * std::cos(2 * pi * i / points));
    numbers.push_back(y + r * std::sin(2 * pi * i / points));
  }
  return numbers;
}

/// A YOLO set of one picture with these label rows.
struct KeyPointSet {
  test::TemporaryFolder folder;

  explicit KeyPointSet(const std::string& rows, const std::string& more = "") {
    test::write_small_picture(folder / "images/a.jpg", 100, 50, 1);
    test::write_file(folder / "labels/a.txt", rows);
    test::write_file(folder / "d.yaml", "train: images\nnames: [cat]\n" + more);
  }
  Dataset inspect() const { return inspect_dataset(load_dataset_config(folder / "d.yaml"), "train"); }
};

template <class Make>
std::string rows_of(int count, Make&& make) {
  std::string rows;
  for (int i = 0; i < count; ++i) rows += row(make());
  return rows;
}

}  // namespace

TEST_CASE("with kpt_shape the first four numbers of a long row are its box") {
  const ParsedRows flat = parse_rows("1 0.5 0.5 0.2 0.4 0.1 0.9 0.2 0.8\n2 0.5 0.5 0.2 0.4\n", {true, 2, 2});
  CHECK(flat.problems.empty());
  REQUIRE(flat.boxes.size() == 2);
  CHECK(flat.boxes[0].xywh[0] == Approx(0.4));
  CHECK(flat.boxes[0].xywh[3] == Approx(0.4));
  const ParsedRows deep = parse_rows("1 0.5 0.5 0.2 0.4 0.1 0.9 2 nan nan 0\n", {true, 2, 3});
  CHECK(deep.problems.empty());
  CHECK(deep.boxes.at(0).xywh[1] == Approx(0.3));
}

TEST_CASE("rows of other lengths than kpt_shape says are refused") {
  const ParsedRows parsed = parse_rows("1 0.1 0.1 0.2 0.2 0.3 0.3\n", {true, 17, 3});
  CHECK(parsed.boxes.empty());
  CHECK(parsed.problems.at(0).kind == "bad_row");
  CHECK(parsed.problems.at(0).where == "a.txt:1: 7 columns, with kpt_shape [17, 3] 56");
}

TEST_CASE("key points with a visibility are known without kpt_shape, which is said") {
  const auto [points, count] = GENERATE(table<int, int>({{17, 56}, {4, 17}, {1, 8}}));
  Random random(1, RandomPurpose::kAugmentation, 0, 0);
  const std::vector<double> numbers = pose(random, points, 3);
  REQUIRE(static_cast<int>(numbers.size()) + 1 == count);
  const ParsedRows parsed = parse_rows(row(numbers));
  REQUIRE(parsed.boxes.size() == 1);
  CHECK(parsed.boxes[0].xywh[2] == Approx(numbers[2]));
  CHECK(parsed.problems.at(0).kind == "key_points");
  CHECK(parsed.problems.at(0).severity == Severity::kWarning);
}

TEST_CASE("a set whose rows may be key points or polygons is refused, and says how to tell them") {
  Random random(2, RandomPurpose::kAugmentation, 0, 0);
  const auto [points, values, says] = GENERATE(table<int, int, std::string>(
      {{8, 2, "kpt_shape: [8, 2]"}, {2, 3, "[3, 2] or [2, 3]"}, {5, 2, "kpt_shape: [5, 2]"}}));
  const std::string rows = rows_of(40, [&, n = points, v = values] { return pose(random, n, v); });
  const Dataset data = KeyPointSet(rows).inspect();
  REQUIRE(has_errors(data.problems));
  CHECK(data.problems[0].kind == "key_points_or_polygons");
  CHECK(data.problems[0].count >= 36);
  CHECK_THAT(describe(data.problems[0]),
             Catch::Contains("labels/a.txt:1") && Catch::Contains(says) && Catch::Contains("kpt_shape: none"));

  const std::string shape = "kpt_shape: [" + std::to_string(points) + ", " + std::to_string(values) + "]\n";
  CHECK(KeyPointSet(rows, shape).inspect().problems.empty());
  const Dataset polygons = KeyPointSet(rows, "kpt_shape: none\n").inspect();
  CHECK_FALSE(has_errors(polygons.problems));
}

TEST_CASE("polygons stay polygons: of any lengths, of one length, and turned boxes of four corners") {
  Random random(3, RandomPurpose::kAugmentation, 0, 0);
  const int fixed = GENERATE(0, 3, 4, 5, 6, 8, 12, 20);
  const std::string rows =
      rows_of(40, [&] { return polygon(random, fixed ? fixed : 5 + static_cast<int>(random.below(20))); });
  const Dataset data = KeyPointSet(rows).inspect();
  for (const DataProblem& problem : data.problems) UNSCOPED_INFO(describe(problem));
  CHECK(data.problems.empty());
  CHECK(data.boxes.size() == 40);
  const ParsedRows corners = parse_rows("0 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6\n");
  CHECK(corners.boxes.at(0).xywh[2] == Approx(0.2));
  CHECK_FALSE(corners.boxes.at(0).doubtful);
}

TEST_CASE("a polygon at the picture's corner does not pass for key points") {
  // x4 and y5 are 1, where two key points would have their visibility
  const ParsedRows parsed = parse_rows("0 0.9 0.9 0.95 0.85 0.98 0.9 1 0.95 0.99 1\n");
  CHECK(parsed.problems.empty());
  CHECK(parsed.boxes.at(0).xywh[0] == Approx(0.9));
  CHECK_FALSE(parsed.boxes.at(0).doubtful);
}
