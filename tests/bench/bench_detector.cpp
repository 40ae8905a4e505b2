// An embedded Detector beside other busy processes, and called from several threads. Each way to wait runs in a process
// of its own, taking turns, so that they meet the same machine. Prints medians of milliseconds a picture and pictures a
// second.
//
//   build/release/tests/bench/rtdetr_bench_detector MODEL.safetensors [busy processes, 2] [rounds, 3]
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "models/deploy/detector.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPictures = 15;
constexpr double kMostSeconds = 20;  // of a child: some ways take seconds a picture

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Photo {
  std::vector<std::uint8_t> rgb = std::vector<std::uint8_t>(std::size_t{640} * 480 * 3);
  Photo() {
    for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(i * 7);
  }
  rtdetr::RgbView view() const { return {rgb.data(), 640, 480}; }
};

/// The child: milliseconds a picture, on stdout.
int measure(const char* model, int threads) {
  const rtdetr::Detector detector(model, {.threads = threads});
  const Photo photo;
  std::vector<double> ms;
  detector.detect(photo.view());
  const auto begin = Clock::now();
  while (ms.size() < kPictures && seconds_since(begin) < kMostSeconds) {
    const auto start = Clock::now();
    detector.detect(photo.view());
    ms.push_back(1000 * seconds_since(start));
  }
  std::printf("%g\n", median(ms));
  return 0;
}

struct Way {
  const char* name;
  const char* environment;  ///< of the child
  int threads;
  std::vector<double> ms;
};

double run_child(const char* self, const char* model, const Way& way) {
  const std::string command =
      std::string("env ") + way.environment + " " + self + " --measure " + model + " " + std::to_string(way.threads);
  FILE* pipe = popen(command.c_str(), "r");
  double ms = 0;
  if (!pipe || std::fscanf(pipe, "%lf", &ms) != 1) std::exit(1);
  pclose(pipe);
  return ms;
}

std::vector<pid_t> start_busy(int count) {
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) asm volatile("");
    }
    children.push_back(child);
  }
  return children;
}

void compare_waiting(const char* self, const char* model, int busy, int rounds) {
  Way ways[] = {{"as it is", "", 0, {}},
                {"GOMP_SPINCOUNT=300000 (libgomp's own)", "GOMP_SPINCOUNT=300000", 0, {}},
                {"GOMP_SPINCOUNT=5000 (the program's)", "GOMP_SPINCOUNT=5000", 0, {}},
                {"threads = 1", "", 1, {}}};
  const std::vector<pid_t> children = start_busy(busy);
  for (int round = 0; round < rounds; ++round)
    for (Way& way : ways) way.ms.push_back(run_child(self, model, way));
  for (const pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  std::printf("beside %d busy processes, ms a picture\n", busy);
  for (const Way& way : ways) std::printf("  %-40s %8.1f\n", way.name, median(way.ms));
}

void compare_callers(const char* model) {
  const rtdetr::Detector detector(model, {.threads = 1});
  const Photo photo;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  std::printf("one detector of one thread, pictures a second\n");
  for (int callers = 1; callers <= cores; callers *= 2) {
    const auto start = Clock::now();
    std::vector<std::thread> threads;
    for (int t = 0; t < callers; ++t)
      threads.emplace_back([&] {
        for (std::size_t i = 0; i < kPictures; ++i) detector.detect(photo.view());
      });
    for (std::thread& thread : threads) thread.join();
    std::printf("  %2d callers %8.1f\n", callers, static_cast<double>(kPictures) * callers / seconds_since(start));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--measure") == 0) return measure(argv[2], std::atoi(argv[3]));
  if (argc < 2) return std::fprintf(stderr, "usage: %s MODEL.safetensors [busy processes] [rounds]\n", argv[0]), 2;
  compare_waiting(argv[0], argv[1], argc > 2 ? std::atoi(argv[2]) : 2, argc > 3 ? std::atoi(argv[3]) : 3);
  compare_callers(argv[1]);
  return 0;
}
