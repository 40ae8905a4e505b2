#pragma once

#include <exception>
#include <string>
#include <vector>

#include "train/library/rtdetr.h"

namespace rtdetr {

/// Puts what was caught into a caller's `error`, unless that is nullptr. Never throws.
void give_error(const std::exception_ptr& caught, rtdetr_error** error) noexcept;

/// What `work` returns; nullptr, and the reason in `error`, if it throws. Clears `error` first.
template <typename Work>
auto guarded(rtdetr_error** error, const Work& work) noexcept -> decltype(work()) {
  if (error) *error = nullptr;
  try {
    return work();
  } catch (...) {
    give_error(std::current_exception(), error);
    return nullptr;
  }
}

/// @param settings  ended by nullptr; nullptr = none
std::vector<std::string> words_of(const char* const* settings);

/// @throws ConfigError  "rtdetr_open: model_file is NULL"
void require_given(const void* argument, const char* what);

}  // namespace rtdetr
