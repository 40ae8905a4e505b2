#include <algorithm>
#include <vector>

#include "data/evaluation/coco_metric.h"
#include "data/formats/coco_annotations.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    CocoAnnotations file = parse_coco_annotations(fuzz::text_of(data, size), "a.json");
    const MetricInput input = take_metric_input(file);
    // What was read can be evaluated.
    std::vector<MetricDetection> detections;
    for (const MetricTruth& truth : input.truths) {
      const bool listed =
          std::find(input.image_ids.begin(), input.image_ids.end(), truth.image_id) != input.image_ids.end();
      if (listed) detections.push_back({truth.image_id, truth.category_id, truth.box_xywh, 0.5});
    }
    const MetricResult result = evaluate_coco(input, detections);
    fuzz::expect(result.stats[0] >= -1 && result.stats[0] <= 1);
  });
}
