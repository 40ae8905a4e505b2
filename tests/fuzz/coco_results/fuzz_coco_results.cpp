#include "data/formats/coco_results.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] { parse_coco_results(fuzz::text_of(data, size), "results.json"); });
}
