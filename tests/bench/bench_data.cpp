// rtdetr_bench_data DATA.yaml [SPLIT] [ROUNDS] [PEERS]
//
// What a picture costs on its way to the model, in milliseconds of processor time on one core (steadier than wall time
// on a shared machine): decoding, the official training recipe, the plain resize of inference; then the loader's
// pictures per second for several numbers of threads, and its memory over 20 epochs. Pictures come from the page cache,
// as in a second epoch. PEERS is what the project's data_bench.py printed for the same pictures in the same quarter of
// an hour: then ratios against the peers follow.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "core/image/chw.h"
#include "data/dataset/dataset.h"
#include "data/loader/loader.h"
#include "data/transforms/photometric.h"
#include "data/transforms/transforms.h"
#include "tests/bench/peers.h"
#include "tests/bench/processor_time.h"

namespace {

using namespace rtdetr;
using bench::processor_seconds;

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

/// Best and median milliseconds per item of `work(round)`, which does `items` of them. @return  the best
double report(const char* name, int rounds, std::int64_t items, const std::function<void(int)>& work) {
  std::vector<double> ms;
  for (int round = 0; round < rounds; ++round) {
    const double begin = processor_seconds();
    work(round);
    ms.push_back(1e3 * (processor_seconds() - begin) / static_cast<double>(items));
  }
  std::sort(ms.begin(), ms.end());
  std::printf("%-34s %7.3f ms best %7.3f ms median %8.1f /s per core\n", name, ms.front(), ms[ms.size() / 2],
              1e3 / ms.front());
  return ms.front();
}

struct Bench {
  const Dataset& dataset;
  int rounds;
  std::int64_t count = static_cast<std::int64_t>(dataset.pictures.size());
  std::vector<float> chw = std::vector<float>(3 * 640 * 640);
  Batch::Image target;
  double decode_ms = 0, training_ms = 0, inference_ms = 0;

  void item(const Sample& sample, const TransformOptions& options, int round) {
    Random random(1, RandomPurpose::kAugmentation, static_cast<std::uint64_t>(round),
                  static_cast<std::uint64_t>(sample.picture_index));
    transform(sample, options, round, {640, 640}, random, chw.data(), target);
  }

  void one_core() {
    TransformOptions training, evaluation, late;
    evaluation.augment = false;
    late.strong_until_epoch = 0;
    decode_ms = report("decode", rounds, count, [&](int) {
      for (std::int64_t i = 0; i < count; ++i) load_sample(dataset, i);
    });
    training_ms = report("training item: decode + recipe", rounds, count, [&](int round) {
      for (std::int64_t i = 0; i < count; ++i) item(load_sample(dataset, i), training, round);
    });
    inference_ms = report("inference: decode + resize", rounds, count, [&](int round) {
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

  struct Pace {
    double pictures_per_s = 0, processor_ms = 0;
  };
  LoaderOptions loading(int threads, std::int64_t cache_mib) const {
    LoaderOptions options;
    options.threads = threads;
    options.batch_size = std::min<std::int64_t>(16, count);
    options.cache_mib = cache_mib;
    return options;
  }

  Pace loader(int threads, std::int64_t cache_mib) {
    Loader loader(dataset, {}, loading(threads, cache_mib));
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
    const Pace pace{static_cast<double>(pictures) / wall,
                    1e3 * (processor_seconds() - processor) / static_cast<double>(pictures)};
    std::printf("loader, %d threads, cache %4lld MiB  %8.1f pictures/s  %7.3f ms of processor each\n", threads,
                static_cast<long long>(cache_mib), pace.pictures_per_s, pace.processor_ms);
    return pace;
  }

  void loader_of_several_threads() {
    loader(0, 0);
    const Pace one = loader(1, 0), two = loader(2, 0);
    loader(4, 0);
    loader(2, 4096);
    std::printf(
        "two threads bring %.2f times what one brings (goal 1.85, machine to itself); a picture costs %.2f times "
        "the processor\n",
        two.pictures_per_s / one.pictures_per_s, two.processor_ms / one.processor_ms);
  }

  void memory_over_epochs() {
    constexpr int kEpochs = 20;
    Loader loader(dataset, {}, loading(2, 64));
    double after_second = 0;
    for (int epoch = 1; epoch <= kEpochs; ++epoch) {
      loader.start(epoch);
      while (loader.next()) {
      }
      if (epoch == 2) after_second = resident_mib();
    }
    std::printf("resident after 2 epochs %.1f MiB, after %d %.1f MiB\n", after_second, kEpochs, resident_mib());
  }

  void compare(const bench::Records& peers) const {
    struct Row {
      const char *variant, *what;
      double ours, goal;
    };
    const Row rows[] = {{"cv2.imdecode", "decode: cv2.imdecode, from memory", decode_ms, 0},
                        {"ultralytics_cv2_stretch", "inference: Ultralytics (cv2)", inference_ms, 1.4},
                        {"cv2_blobFromImage", "inference: cv2 blobFromImage", inference_ms, 1.4},
                        {"official_PIL_tv2", "inference: official (Pillow, torchvision)", inference_ms, 0},
                        {"ultralytics_train_item_no_mosaic", "training: Ultralytics without mosaic", training_ms, 2},
                        {"ultralytics_train_item_mosaic", "training: Ultralytics with mosaic", training_ms, 0},
                        {"official_train_item", "training: official pipeline", training_ms, 6}};
    bench::print_ratio_title("processor ms of one core per picture");
    for (const Row& row : rows) {
      for (const auto& peer : peers) {
        if (peer.value("variant", "") != row.variant || peer.value("set", "") != "coco") continue;
        bench::print_ratio(row.what, peer["ms_cpu_best"], row.ours, row.goal);
      }
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DATA.yaml [SPLIT=train] [ROUNDS=5] [PEERS]\n", argv[0]);
    return 2;
  }
  try {
    const Dataset dataset = load_dataset(load_dataset_config(argv[1]), argc > 2 ? argv[2] : "train");
    Bench bench{dataset, argc > 3 ? std::max(1, std::atoi(argv[3])) : 5};
    std::printf("%s: %lld pictures, %zu boxes\n", dataset.name.c_str(), static_cast<long long>(bench.count),
                dataset.boxes.size());
    bench.one_core();
    bench.loader_of_several_threads();
    bench.memory_over_epochs();
    if (argc > 4) bench.compare(bench::read_peers(argv[4]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
