#pragma once

#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace rtdetr {

/// What `work` returns, if it does in time. LibTorch and NCCL wait without end in places, so it runs in a thread of its
/// own, which is left behind with all that `work` holds when its time is up.
/// @throws std::runtime_error  with `otherwise`; what `work` throws
template <class Work>
auto within(std::chrono::milliseconds limit, const std::string& otherwise, Work work) {
  auto promise = std::make_shared<std::promise<decltype(work())>>();
  auto result = promise->get_future();
  std::thread([promise, work = std::move(work)]() mutable {
    try {
      promise->set_value(work());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  if (result.wait_for(limit) == std::future_status::ready) return result.get();
  throw std::runtime_error(otherwise);
}

}  // namespace rtdetr
