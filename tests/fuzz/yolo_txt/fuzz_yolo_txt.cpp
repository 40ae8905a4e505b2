#include "data/yolo_labels.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    constexpr std::int64_t kClasses = 3;
    ProblemCollector problems;
    for (const YoloBox& box : parse_yolo_labels(fuzz::text_of(data, size), "a.txt", kClasses, problems)) {
      fuzz::expect(box.label >= 0 && box.label < kClasses && box.line > 0);
    }
    for (const DataProblem& problem : problems.take()) fuzz::expect(!describe(problem).empty());
  });
}
