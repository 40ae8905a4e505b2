#include "data/formats/voc_annotation.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    ProblemCollector problems;
    const VocAnnotation annotation = parse_voc_annotation(fuzz::text_of(data, size), "a.xml", problems);
    fuzz::expect(annotation.width >= 0 && annotation.height >= 0);
    for (const VocObject& object : annotation.objects) fuzz::expect(!object.name.empty());
    for (const DataProblem& problem : problems.take()) fuzz::expect(!describe(problem).empty());
  });
}
