#include "train/commands/part_times.h"

#include <numeric>
#include <utility>
#include <vector>

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/ops/autocast.h"
#include "core/ops/compute_threads.h"
#include "models/deploy/size.h"
#include "models/layers/module_tree.h"
#include "train/report/text_layout.h"

namespace rtdetr {

namespace {

PartSpreads spreads_of(DetectionModel& model, const PartRuns& runs) {
  to_channels_last(*model);
  const torch::Tensor images = torch::rand({1, model->spec().channels, runs.size.height, runs.size.width})
                                   .to(runs.device)
                                   .contiguous(torch::MemoryFormat::ChannelsLast);
  std::array<std::vector<double>, kForwardParts.size()> ms;
  for (std::int64_t run = 0; run < runs.warm_up + runs.runs; ++run) {
    const PartFollower follower(runs.device);
    model->forward(images);
    for (std::size_t part = 0; run >= runs.warm_up && part < ms.size(); ++part) ms[part].push_back(follower.ms()[part]);
  }
  PartSpreads spreads;
  for (std::size_t part = 0; part < ms.size(); ++part) spreads[part] = spread_of(std::move(ms[part]));
  return spreads;
}

}  // namespace

PartTimes measure_parts(DetectionModel model, const PartRuns& runs) {
  const ComputeThreads threads(runs.threads);
  const c10::InferenceMode inference;
  const AutocastScope autocast(runs.precision, runs.device);
  PartTimes times;
  model->eval();
  model->to(runs.device);
  if (!model->fused()) times.unfused = spreads_of(model, runs);
  model->fuse();
  times.ms = spreads_of(model, runs);
  times.gflops = count_part_gflops(model, runs.size.height, runs.size.width);
  return times;
}

std::string parts_table(const PartTimes& times) {
  TextTable table(
      {{"part", TextTable::Align::kLeft}, {"GFLOP"}, {"share"}, {"unfused ms"}, {"ms"}, {"p50"}, {"share"}});
  const double gflops = std::accumulate(times.gflops.begin(), times.gflops.end(), 0.0);
  const double ms = std::accumulate(times.ms.begin(), times.ms.end(), 0.0,
                                    [](double sum, const Spread& spread) { return sum + spread.min; });
  for (std::size_t part = 0; part < kForwardParts.size(); ++part)
    table.add({kForwardParts[part], fixed(times.gflops[part], 2), fixed(100 * times.gflops[part] / gflops, 0) + " %",
               times.unfused ? fixed((*times.unfused)[part].min, 2) : "-", fixed(times.ms[part].min, 2),
               fixed(times.ms[part].p50, 2), fixed(100 * times.ms[part].min / ms, 0) + " %"});
  return "plain model, batch 1, shortest times\n" + table.text();
}

nlohmann::ordered_json parts_json(const PartTimes& times) {
  nlohmann::ordered_json parts;
  for (std::size_t part = 0; part < kForwardParts.size(); ++part) {
    nlohmann::ordered_json& entry = parts[kForwardParts[part]];
    entry = {{"gflop", times.gflops[part]}, {"min_ms", times.ms[part].min}, {"p50_ms", times.ms[part].p50}};
    if (times.unfused) entry["unfused_min_ms"] = (*times.unfused)[part].min;
  }
  return parts;
}

}  // namespace rtdetr
