#include "data/formats/yolo_labels.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    constexpr std::int64_t kClasses = 3;
    ProblemCollector problems;
    LongRows long_rows;
    for (const KeyPointShape& shape : {KeyPointShape{}, KeyPointShape{true, 0, 0}, KeyPointShape{true, 2, 3}}) {
      for (const YoloBox& box : parse_yolo_labels(fuzz::text_of(data, size), "a.txt", kClasses, problems, shape)) {
        fuzz::expect(box.label >= 0 && box.label < kClasses && box.line > 0);
        if (box.columns > kYoloBoxColumns) long_rows.add(box.columns, box.doubtful, "a.txt", box.line);
      }
    }
    if (const auto fault = long_rows.fault()) fuzz::expect(!describe(*fault).empty());
    for (const DataProblem& problem : problems.take()) fuzz::expect(!describe(problem).empty());
  });
}
