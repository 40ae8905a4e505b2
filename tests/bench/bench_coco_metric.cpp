// rtdetr_bench_coco_metric GT.json DT.json [THREADS] [PEERS]
//
// What evaluating a COCO result file costs, phase by phase, in seconds of processor time, and the program's peak
// memory. A workload of val2017's size, and PEERS, other programs' figures on the same files, come from the project's
// coco_eval_peers.py; with them ratios follow.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "core/base/error.h"
#include "data/evaluation/coco_metric.h"
#include "data/formats/coco_annotations.h"
#include "data/formats/coco_results.h"
#include "tests/bench/peers.h"
#include "tests/bench/processor_time.h"

namespace {

using namespace rtdetr;
using bench::processor_seconds;

struct Cost {
  double seconds = 0, mib = 0;
};

Cost measure(const char* annotations, const char* results, int threads) {
  const double begin = processor_seconds();
  CocoAnnotations file = read_coco_annotations(annotations);
  throw_if_errors(file.problems, annotations);
  const MetricInput input = take_metric_input(file);
  const double annotations_read = processor_seconds();
  const std::vector<MetricDetection> detections = read_coco_results(results);
  const double results_read = processor_seconds();
  const MetricResult result = evaluate_coco(input, detections, threads);
  const double done = processor_seconds();

  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%zu pictures, %zu ground truths, %zu detections, %d thread(s)\n", input.image_ids.size(),
              input.truths.size(), detections.size(), threads);
  std::printf("cpu s: annotations %.3f, results %.3f, metric %.3f, in all %.3f; peak %ld MiB\n",
              annotations_read - begin, results_read - annotations_read, done - results_read, done - begin,
              usage.ru_maxrss / 1024);
  std::printf("%s", format_summary(result).c_str());
  return {done - begin, static_cast<double>(usage.ru_maxrss) / 1024};
}

void compare(const bench::Records& peers, const Cost& ours) {
  bench::print_ratio_title("from files to the twelve numbers");
  for (const auto& peer : peers) {
    const std::string name = peer.value("peer", "");
    const bool compiled = name == "hotcoco";
    const double goal = name == "pycocotools" ? 60 : compiled ? 3 : 12;
    bench::print_ratio(name + ", processor s", peer["cpu_s"], ours.seconds, goal);
    bench::print_ratio(name + ", peak MiB", peer["peak_rss_mib"], ours.mib, compiled ? 4 : 10);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s GT.json DT.json [THREADS] [PEERS]\n", argv[0]);
    return 2;
  }
  try {
    const Cost cost = measure(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 1);
    if (argc > 4) compare(bench::read_peers(argv[4]), cost);
  } catch (const rtdetr::Error& fault) {
    std::fprintf(stderr, "%s\n", fault.what());
    return static_cast<int>(fault.code());
  }
  return 0;
}
