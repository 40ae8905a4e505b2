#include "core/video/frames_ahead.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace rtdetr {

FramesAhead::FramesAhead(VideoReader& reader, std::int64_t stride, std::size_t most, bool newest_alone)
    : reader_(reader),
      stride_(stride),
      most_(std::max<std::size_t>(most, 1)),
      newest_alone_(newest_alone),
      thread_([this] { work(); }) {}

FramesAhead::~FramesAhead() {
  {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
  }
  changed_.notify_all();
  reader_.cancel();
}

void FramesAhead::work() {
  std::exception_ptr failure;
  try {
    Frame frame;
    while (reader_.next(frame.picture)) {
      frame.number = 1 + (reader_.given() - 1) * stride_;
      std::unique_lock lock(mutex_);
      if (!newest_alone_) changed_.wait(lock, [this] { return given_up_ || waiting_.size() < most_; });
      if (given_up_) return;
      if (waiting_.size() >= most_) {
        waiting_.pop_front();
        ++passed_over_;
      }
      waiting_.push_back(std::exchange(frame, {}));
      changed_.notify_all();
    }
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  failure_ = failure;
  ended_ = true;
  changed_.notify_all();
}

std::optional<Frame> FramesAhead::next(const std::function<bool()>& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stop && stop()) return std::nullopt;
    if (!waiting_.empty() || ended_) break;
    changed_.wait_for(lock, std::chrono::milliseconds(100));
  }
  if (waiting_.empty()) {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    return std::nullopt;
  }
  Frame frame = std::move(waiting_.front());
  waiting_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return frame;
}

std::int64_t FramesAhead::passed_over() const {
  const std::lock_guard lock(mutex_);
  return passed_over_;
}

}  // namespace rtdetr
