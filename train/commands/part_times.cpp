#include "train/commands/part_times.h"

#include <numeric>
#include <utility>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/ops/autocast.h"
#include "core/ops/compute_threads.h"
#include "models/deploy/size.h"
#include "models/layers/module_tree.h"
#include "train/report/text_layout.h"

namespace rtdetr {

namespace {

using PartRounds = std::array<std::vector<double>, kForwardParts.size()>;  // milliseconds of each pass

void time_pass(DetectionModel& model, const torch::Tensor& images, PartRounds& rounds) {
  const PartFollower follower(images.device());
  model->forward(images);
  for (std::size_t part = 0; part < rounds.size(); ++part) rounds[part].push_back(follower.ms()[part]);
}

PartSpreads spreads_of(PartRounds rounds, std::int64_t warm_up) {
  PartSpreads spreads;
  for (std::size_t part = 0; part < rounds.size(); ++part)
    spreads[part] = spread_of({rounds[part].begin() + warm_up, rounds[part].end()});
  return spreads;
}

void make_ready(DetectionModel& model, torch::Device device) {
  model->eval();
  model->to(device);
  to_channels_last(*model);
}

}  // namespace

/// Both take turns, so that a disturbance of the machine hits both. The unfused one has weights of its own, which
/// times do not depend on.
PartTimes measure_parts(DetectionModel model, const PartRuns& runs) {
  const ComputeThreads threads(runs.threads);
  const torch::NoGradGuard no_grad;  // the model's weights are made ready here and used by others after
  const AutocastScope autocast(runs.precision, runs.device);
  const torch::Tensor images = torch::rand({1, model->spec().channels, runs.size.height, runs.size.width})
                                   .to(runs.device)
                                   .contiguous(torch::MemoryFormat::ChannelsLast);
  std::vector<DetectionModel> both;
  if (!model->fused()) both.push_back(build_model(model->spec()));
  model->fuse();
  both.push_back(model);
  for (DetectionModel& each : both) make_ready(each, runs.device);
  std::vector<PartRounds> rounds(both.size());
  for (std::int64_t run = 0; run < runs.warm_up + runs.runs; ++run) {
    for (std::size_t i = 0; i < both.size(); ++i) time_pass(both[i], images, rounds[i]);
  }
  PartTimes times;
  if (both.size() > 1) times.unfused = spreads_of(rounds.front(), runs.warm_up);
  times.ms = spreads_of(rounds.back(), runs.warm_up);
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
