#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace rtdetr {

/// Makes items 0, 1, 2, … on threads of its own while the caller works with those before, and hands them out in order.
/// Without threads each is made when it is asked for. One caller.
template <class Item>
class ReadAhead {
 public:
  /// @param make   gives item i; called by several threads at once; what it throws is thrown by next() in the item's
  ///               place
  /// @param ahead  items that are made, or being made, and not yet handed out, at most; at least one for each thread
  ReadAhead(std::size_t count, int threads, std::size_t ahead, std::function<Item(std::size_t)> make)
      : count_(count), ahead_(std::max(ahead, static_cast<std::size_t>(std::max(threads, 1)))), make_(std::move(make)) {
    const auto most = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 0)), count));
    try {
      for (int i = 0; i < most; ++i) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {  // the system gives no more threads: those that there are do
    }
  }
  ~ReadAhead() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// The next item; nullopt after the last.
  std::optional<Item> next() {
    if (threads_.empty()) return taken_ < count_ ? std::optional<Item>(make_(taken_++)) : std::nullopt;
    std::unique_lock lock(mutex_);
    if (taken_ == count_) return std::nullopt;
    changed_.wait(lock, [this] { return !slots_.empty() && slots_.front().done; });
    Slot slot = std::move(slots_.front());
    slots_.pop_front();
    ++taken_;
    lock.unlock();
    changed_.notify_all();
    if (slot.failure) std::rethrow_exception(slot.failure);
    return std::move(slot.item);
  }

 private:
  struct Slot {
    bool done = false;
    std::optional<Item> item;
    std::exception_ptr failure;
  };

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return over_ || begun_ == count_ || begun_ - taken_ < ahead_; });
      if (over_ || begun_ == count_) return;
      const std::size_t i = begun_++;
      slots_.emplace_back();
      lock.unlock();
      Slot made;
      try {
        made.item.emplace(make_(i));
      } catch (...) {
        made.failure = std::current_exception();
      }
      made.done = true;
      lock.lock();
      slots_[i - taken_] = std::move(made);  // an item is not handed out before it is done, so it is still there
      changed_.notify_all();
    }
  }

  const std::size_t count_, ahead_;
  const std::function<Item(std::size_t)> make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Slot> slots_;  ///< of items taken_ to begun_ - 1
  std::size_t taken_ = 0, begun_ = 0;
  bool over_ = false;
  std::vector<std::jthread> threads_;  ///< last, so that they end before what they use
};

}  // namespace rtdetr
