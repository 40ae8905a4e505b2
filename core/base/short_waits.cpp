#include "core/base/short_waits.h"

#include <omp.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

namespace rtdetr {
namespace {

/// Of all threads of the process, so far.
std::int64_t preemptions() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

}  // namespace

bool ContentionJudge::add(std::int64_t preemptions) {
  recent_[next_] = preemptions;
  next_ = (next_ + 1) % kWindow;
  if (!contended_) {
    contended_ = std::accumulate(recent_.begin(), recent_.end(), std::int64_t{0}) >= kBusy;
    samples_ = 0;
    seen_ = 0;
    return contended_;
  }
  seen_ += preemptions;
  if (++samples_ < kQuietSamples) return true;
  contended_ = seen_ >= kQuiet;
  samples_ = 0;
  seen_ = 0;
  recent_.fill(0);
  return contended_;
}

struct SleepingTeam::State {
  std::mutex mutex;
  std::condition_variable changed;
  bool formed = false, over = false;
  std::thread leader;

  /// The threads that a leader has gathered stay, asleep, until it ends.
  void lead() {
    std::atomic<int> members = 0;  // an empty region would be left out
#pragma omp parallel num_threads(omp_get_num_procs() + 1)
    ++members;
    std::unique_lock lock(mutex);
    formed = true;
    changed.notify_all();
    changed.wait(lock, [this] { return over; });
  }
};

SleepingTeam::SleepingTeam() : state_(std::make_unique<State>()) {
  state_->leader = std::thread([state = state_.get()] { state->lead(); });
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->formed; });
}

SleepingTeam::~SleepingTeam() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->over = true;
  }
  state_->changed.notify_all();
  state_->leader.join();
}

namespace {

/// nullptr where the system gives no threads.
std::unique_ptr<SleepingTeam> sleeping_team() {
  try {
    return std::make_unique<SleepingTeam>();
  } catch (const std::system_error&) {
    return nullptr;
  }
}

}  // namespace

struct ShortWaits::State {
  std::mutex mutex;
  std::condition_variable changed;
  int computing = 0;      ///< computations in progress
  bool computed = false;  ///< one was, during this sample
  bool idle = false;      ///< the thread waits for one to begin
  bool over = false;
  std::thread thread;
};

std::shared_ptr<ShortWaits> ShortWaits::shared() {
  if (environment_says_how_to_wait()) return nullptr;
  static std::mutex mutex;
  static auto& existing = *new std::weak_ptr<ShortWaits>;  // outlives every static detector
  const std::lock_guard lock(mutex);
  std::shared_ptr<ShortWaits> waits = existing.lock();
  try {
    if (!waits) existing = waits = std::shared_ptr<ShortWaits>(new ShortWaits);
  } catch (const std::system_error&) {  // no thread is to be had; calls wait as the library has it
  }
  return waits;
}

ShortWaits::ShortWaits() : state_(std::make_unique<State>()) {
  state_->thread = std::thread([this] { run(); });
}

ShortWaits::~ShortWaits() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->over = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

/// Samples while something computes, and for a while after it, so that a computation that begins need not wake it.
void ShortWaits::run() {
  constexpr int kLinger = 50;  // samples
  State& s = *state_;
  ContentionJudge judge;
  std::unique_ptr<SleepingTeam> team;
  std::int64_t before = preemptions();
  int without_work = 0;
  std::unique_lock lock(s.mutex);
  while (!s.over) {
    if (without_work > kLinger) {
      s.idle = true;
      s.changed.wait(lock, [&] { return s.over || s.computed; });
      s.idle = false;
      before = preemptions();
    }
    s.changed.wait_for(lock, std::chrono::milliseconds(ContentionJudge::kSampleMs), [&] { return s.over; });
    without_work = s.computed ? 0 : without_work + 1;
    s.computed = s.computing > 0;
    lock.unlock();
    const std::int64_t now = preemptions();
    if (without_work == 0) judge.add(now - before);
    before = now;
    if (judge.contended() != (team != nullptr)) team = judge.contended() ? sleeping_team() : nullptr;
    lock.lock();
  }
}

ShortWaits::Computing::Computing(ShortWaits* waits) : waits_(waits) {
  if (!waits_) return;
  State& s = *waits_->state_;
  const std::lock_guard lock(s.mutex);
  ++s.computing;
  s.computed = true;
  if (s.idle) s.changed.notify_all();
}

ShortWaits::Computing::~Computing() {
  if (!waits_) return;
  const std::lock_guard lock(waits_->state_->mutex);
  --waits_->state_->computing;
}

}  // namespace rtdetr
