// Trains as `rtdetr train` does and tells of every step and epoch; with find_package(rtdetr) and
// target_link_libraries(train PRIVATE rtdetr::rtdetr).
//     train data=my.yaml model=rtdetr-n.yaml epochs=10 resume=auto
#include <rtdetr/train.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>

static std::atomic<bool> stop = false;

int main(int, char** argv) try {
  std::vector<std::string> settings;
  for (++argv; *argv; ++argv) settings.emplace_back(*argv);
  std::signal(SIGINT, [](int) { stop = true; });

  rtdetr::TrainCallbacks callbacks;
  callbacks.on_step = [](const rtdetr::StepProgress& step) {
    std::printf("step %lld, %3.0f %%: loss %.3f\n", static_cast<long long>(step.step), 100 * step.progress, step.loss);
  };
  callbacks.on_epoch = [](const rtdetr::EpochProgress& epoch) {
    if (epoch.ap) std::printf("epoch %lld: AP %.4f\n", static_cast<long long>(epoch.epoch), *epoch.ap);
  };
  callbacks.should_stop = [] { return stop.load(); };
  const rtdetr::TrainResult result = rtdetr::train(settings, callbacks);
  std::printf("%s after %lld steps: %s\n", result.end == rtdetr::TrainResult::End::kStopped ? "stopped" : "finished",
              static_cast<long long>(result.steps), result.best.c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
