#pragma once

#include <string>

#include "core/base/error.h"

namespace rtdetr {

/// Of a model whose outputs are no numbers. @param which  of them, e.g. "scores"
DivergedError outputs_not_finite(const std::string& which);

/// @throws InternalError  always; see RTDETR_CHECK
[[noreturn]] void throw_check_failure(const char* condition, const char* file, int line, const std::string& message);

}  // namespace rtdetr

/// States what our own code relies on. `message` is a std::string expression, built only on failure.
#define RTDETR_CHECK(condition, message)                                                        \
  do {                                                                                          \
    if (!(condition)) ::rtdetr::throw_check_failure(#condition, __FILE__, __LINE__, (message)); \
  } while (false)
