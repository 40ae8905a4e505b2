// rtdetr_bench_data DATA.yaml [SPLIT] [ROUNDS]
//
// What a picture costs on its way to the model, in milliseconds of processor time on one core (steadier than wall time
// on a shared machine): decoding, the official training recipe, the plain resize of inference; then the loader's
// pictures per second for several numbers of threads. Pictures come from the page cache, as in a second epoch.
// The peers' figures on the same pictures come from the project's data_bench.py.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "core/io/chw.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "data/photometric.h"
#include "data/transforms.h"

namespace {

using namespace rtdetr;

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Best and median milliseconds per item of `work(round)`, which does `items` of them.
void report(const char* name, int rounds, std::int64_t items, const std::function<void(int)>& work) {
  std::vector<double> ms;
  for (int round = 0; round < rounds; ++round) {
    const double begin = processor_seconds();
    work(round);
    ms.push_back(1e3 * (processor_seconds() - begin) / static_cast<double>(items));
  }
  std::sort(ms.begin(), ms.end());
  std::printf("%-34s %7.3f ms best %7.3f ms median %8.1f /s per core\n", name, ms.front(), ms[ms.size() / 2],
              1e3 / ms.front());
}

struct Bench {
  const Dataset& dataset;
  int rounds;
  std::int64_t count = static_cast<std::int64_t>(dataset.pictures.size());
  std::vector<float> chw = std::vector<float>(3 * 640 * 640);
  Batch::Image target;

  void item(const Sample& sample, const TransformOptions& options, int round) {
    Random random(1, RandomPurpose::kAugmentation, static_cast<std::uint64_t>(round),
                  static_cast<std::uint64_t>(sample.picture_index));
    transform(sample, options, round, {640, 640}, random, chw.data(), target);
  }

  void one_core() {
    TransformOptions training, evaluation, late;
    evaluation.augment = false;
    late.strong_until_epoch = 0;
    report("decode", rounds, count, [&](int) {
      for (std::int64_t i = 0; i < count; ++i) load_sample(dataset, i);
    });
    report("training item: decode + recipe", rounds, count, [&](int round) {
      for (std::int64_t i = 0; i < count; ++i) item(load_sample(dataset, i), training, round);
    });
    report("inference: decode + resize", rounds, count, [&](int round) {
      for (std::int64_t i = 0; i < count; ++i) item(load_sample(dataset, i), evaluation, round);
    });
    std::vector<Sample> samples;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(count, 256); ++i) samples.push_back(load_sample(dataset, i));
    const auto decoded = [&](const char* name, const TransformOptions& options) {
      report(name, rounds, static_cast<std::int64_t>(samples.size()), [&](int round) {
        for (const Sample& sample : samples) item(sample, options, round);
      });
    };
    decoded("recipe alone", training);
    TransformOptions colours = training, shapes = training;
    shapes.photometric = 0;
    colours.zoom_out = colours.iou_crop = colours.flip = 0;
    decoded("  without photometric", shapes);
    decoded("  without zoom-out, crop, mirror", colours);
    decoded("  after the switch-off", late);
    decoded("resize to 640x640 alone", evaluation);
    Picture coloured;
    const auto colour = [&](const char* name, const Photometric& photometric) {
      report(name, rounds, static_cast<std::int64_t>(samples.size()), [&](int) {
        for (const Sample& sample : samples) {
          apply_photometric(photometric, sample.picture, PictureWindow::whole(sample.picture), coloured);
        }
      });
    };
    colour("brightness", {.brightness = 1.1f});
    colour("contrast", {.contrast = 1.1f});
    colour("saturation", {.saturation = 1.1f});
    colour("hue", {.hue = 7});
    colour("all, contrast last", {1.1f, 1.1f, 1.1f, 7, false, {2, 1, 0}});
  }

  void loader(int threads, std::int64_t cache_mib) {
    LoaderOptions options;
    options.threads = threads;
    options.batch_size = std::min<std::int64_t>(16, count);
    options.cache_mib = cache_mib;
    Loader loader(dataset, {}, options);
    loader.start(0);
    while (loader.next()) {
    }
    const auto begin = std::chrono::steady_clock::now();
    const double processor = processor_seconds();
    std::int64_t pictures = 0;
    for (int epoch = 1; epoch <= rounds; ++epoch) {
      loader.start(epoch);
      while (const auto batch = loader.next()) pictures += batch->size;
    }
    const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("loader, %d threads, cache %4lld MiB  %8.1f pictures/s  %7.3f ms of processor each\n", threads,
                static_cast<long long>(cache_mib), static_cast<double>(pictures) / wall,
                1e3 * (processor_seconds() - processor) / static_cast<double>(pictures));
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DATA.yaml [SPLIT=train] [ROUNDS=5]\n", argv[0]);
    return 2;
  }
  try {
    const Dataset dataset = load_dataset(load_dataset_config(argv[1]), argc > 2 ? argv[2] : "train");
    Bench bench{dataset, argc > 3 ? std::max(1, std::atoi(argv[3])) : 5};
    std::printf("%s: %lld pictures, %zu boxes\n", dataset.name.c_str(), static_cast<long long>(bench.count),
                dataset.boxes.size());
    bench.one_core();
    for (const int threads : {0, 1, 2, 4}) bench.loader(threads, 0);
    bench.loader(2, 4096);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
