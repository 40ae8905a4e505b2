#include "models/deploy/wanted_pairs.h"

#include <limits>
#include <string>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/tensor/upload.h"

namespace rtdetr {

Prediction keep_wanted(const Prediction& prediction, const WantedPairs& wanted) {
  if (wanted.are_all() || !prediction.logits.defined()) return prediction;
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  Tensor logits = prediction.logits.detach();  // [B, Q, C]
  if (!wanted.classes.empty()) {
    Tensor unwanted = torch::ones({logits.size(2)}, torch::kBool);
    for (const std::int64_t label : wanted.classes) {
      RTDETR_CHECK(label >= 0 && label < logits.size(2),
                   "class " + std::to_string(label) + " of " + std::to_string(logits.size(2)));
      unwanted[label] = false;
    }
    logits = logits.masked_fill(upload(unwanted, logits.device()), kNever);
  }
  if (wanted.one_class_per_query) {
    const Tensor best = logits.argmax(2, true);  // [B, Q, 1]
    logits = torch::full_like(logits, kNever).scatter(2, best, logits.gather(2, best));
  }
  return {logits, prediction.boxes_cxcywh};
}

ModelOutput keep_wanted(ModelOutput output, const WantedPairs& wanted) {
  for (Prediction& layer : output.layers) layer = keep_wanted(layer, wanted);
  output.encoder = keep_wanted(output.encoder, wanted);
  return output;
}

}  // namespace rtdetr
