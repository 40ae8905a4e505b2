#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "core/base/error.h"
#include "train/library/c_error.h"
#include "train/library/rtdetr.h"
#include "train/library/train.h"

struct rtdetr_run {
  rtdetr::TrainResult result;
  std::string folder, best;
};

namespace {

/// What the caller's version of the library knows; the rest is NULL.
rtdetr_callbacks known_part(const rtdetr_callbacks* given) {
  rtdetr_callbacks callbacks{};
  if (!given) return callbacks;
  if (given->size < offsetof(rtdetr_callbacks, on_step) || given->size % sizeof(void*) != 0)  // or half a pointer
    throw rtdetr::ConfigError("rtdetr_train: callbacks.size is " + std::to_string(given->size) +
                              "; it must be sizeof(rtdetr_callbacks)");
  std::memcpy(&callbacks, given, std::min(given->size, sizeof callbacks));
  return callbacks;
}

rtdetr_step in_c(const rtdetr::StepProgress& step) {
  return {step.step, step.epoch, step.epochs, step.progress, step.loss, step.seconds, step.applied};
}

rtdetr_epoch in_c(const rtdetr::EpochProgress& epoch) {
  constexpr double kUndefined = -1;
  return {.epoch = epoch.epoch,
          .step = epoch.step,
          .inside = epoch.inside,
          .validated = epoch.ap.has_value(),
          .loss = epoch.loss,
          .ap = epoch.ap.value_or(kUndefined),
          .ap50 = epoch.ap50.value_or(kUndefined),
          .train_seconds = epoch.train_seconds};
}

rtdetr::TrainCallbacks in_cpp(const rtdetr_callbacks& c) {
  rtdetr::TrainCallbacks callbacks;
  if (c.on_step)
    callbacks.on_step = [c](const rtdetr::StepProgress& told) {
      const rtdetr_step step = in_c(told);
      c.on_step(&step, c.user);
    };
  if (c.on_epoch)
    callbacks.on_epoch = [c](const rtdetr::EpochProgress& told) {
      const rtdetr_epoch epoch = in_c(told);
      c.on_epoch(&epoch, c.user);
    };
  if (c.should_stop) callbacks.should_stop = [c] { return c.should_stop(c.user) != 0; };
  return callbacks;
}

}  // namespace

extern "C" {

rtdetr_run* rtdetr_train(const char* const* settings, const rtdetr_callbacks* callbacks, rtdetr_error** error) {
  return rtdetr::guarded(error, [&] {
    const rtdetr::TrainResult result = rtdetr::train(rtdetr::words_of(settings), in_cpp(known_part(callbacks)));
    return new rtdetr_run{result, result.folder.string(), result.best.string()};
  });
}

int32_t rtdetr_run_end(const rtdetr_run* run) {
  constexpr int32_t kNone = -1;
  if (!run) return kNone;
  switch (run->result.end) {
    case rtdetr::TrainResult::End::kFinished:
      return RTDETR_FINISHED;
    case rtdetr::TrainResult::End::kAlreadyFinished:
      return RTDETR_ALREADY_FINISHED;
    case rtdetr::TrainResult::End::kStopped:
      break;
  }
  return RTDETR_STOPPED;
}
const char* rtdetr_run_folder(const rtdetr_run* run) { return run ? run->folder.c_str() : nullptr; }
const char* rtdetr_run_best(const rtdetr_run* run) { return run ? run->best.c_str() : nullptr; }
int64_t rtdetr_run_epochs(const rtdetr_run* run) { return run ? run->result.epochs : 0; }
int64_t rtdetr_run_steps(const rtdetr_run* run) { return run ? run->result.steps : 0; }
double rtdetr_run_best_ap(const rtdetr_run* run) {
  constexpr double kNever = -1;
  return run ? run->result.best_ap.value_or(kNever) : kNever;
}
void rtdetr_run_free(rtdetr_run* run) { delete run; }

}  // extern "C"
