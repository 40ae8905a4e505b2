#include "models/weights/weight_reading.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

/// One source, or one of each third.
std::vector<std::int64_t> joined_shape(const std::vector<RenamedKey>& sources,
                                       const std::map<std::string, const WeightTensor*>& tensors,
                                       const std::string& origin) {
  constexpr std::int64_t kMostRows = std::numeric_limits<std::int64_t>::max() / 3;
  std::vector<std::int64_t> shape = tensors.at(sources.front().key)->shape;
  if (sources.front().third == Third::kWhole || shape.empty()) return shape;
  for (const RenamedKey& source : sources) {
    if (tensors.at(source.key)->shape == shape && shape[0] <= kMostRows) continue;
    throw CheckpointError(origin + ": its '" + excerpt(source.key, 120) +
                          "' has an impossible shape, or another than its siblings");
  }
  shape[0] *= 3;
  return shape;
}

}  // namespace

WeightReading best_reading(const WeightsFile& file, const std::vector<ReadingWay>& ways,
                           const std::function<bool(const std::string&)>& is_wanted) {
  WeightReading best;
  for (const WeightPart& part : parts_of(file)) {
    for (std::size_t way = 0; way < ways.size(); ++way) {
      KeyPlan plan = ways[way].plan(part.names());
      const std::ptrdiff_t fit =
          std::ranges::count_if(plan.targets, [&](const auto& target) { return is_wanted(target.first); });
      if (fit > best.fit) best = {part, ways[way].layout, std::move(plan), way, fit};
    }
  }
  return best;
}

ShapeMap shapes_of(const WeightReading& reading, const std::string& origin) {
  ShapeMap shapes;
  for (const auto& [key, sources] : reading.plan.targets)
    shapes.emplace(key, joined_shape(sources, reading.part.tensors, origin));
  return shapes;
}

bool is_fused(const ShapeMap& shapes) {
  const auto count = [&](std::string_view end) {
    return std::ranges::count_if(shapes, [&](const auto& item) { return item.first.ends_with(end); });
  };
  return count(".conv.bias") > count(".running_var");
}

ScoreHead score_head_of(const ShapeMap& shapes) {
  for (const std::string_view name : {kEncoderScores, kDinoScores, kCellScores})
    for (const auto& [key, shape] : shapes)
      if (key.ends_with(name)) return {key, shape};
  return {};
}

std::int64_t classes_of(const ScoreHead& scores, const std::string& origin) {
  constexpr std::int64_t kMostClasses = 65536;  // as nc of a model file
  const auto& shape = scores.shape;
  const bool is_matrix = shape.size() == 2, is_point = shape.size() == 4 && shape[2] == 1 && shape[3] == 1;
  if ((is_matrix || is_point) && shape[0] >= 1 && shape[0] <= kMostClasses && shape[1] >= 1) return shape[0];
  throw CheckpointError(origin + ": its '" + excerpt(scores.key, 120) +
                        "' has an impossible shape; it must be [classes, width], of 1 to " +
                        std::to_string(kMostClasses) + " classes. Take another copy of the file");
}

}  // namespace rtdetr
